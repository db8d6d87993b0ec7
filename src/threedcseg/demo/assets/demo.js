// One video from the drop to the download: send it, follow it, show it, fetch what was made of it.
"use strict";

const one = (id) => document.getElementById(id);
const all = (selector) => [...document.querySelectorAll(selector)];
const OBJECT = [255, 70, 110]; // the colour of `threedcseg.outputs.overlay`
const VIEWS = {
  overlay: { title: "Overlay", strength: 50 },
  mask: { title: "Mask", strength: 100 },
  cutout: { title: "Cut out", strength: 100 },
  alpha: { title: "Transparent", strength: 100 },
};

let about = {};

// ---- Words

const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
const framesIn = (ranges) => ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole < 60) return `${whole} s`;
  return `${Math.floor(whole / 60)} min${whole % 60 ? ` ${whole % 60} s` : ""}`;
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function clock(seconds) {
  const tenths = Math.floor(seconds * 10 + 1e-6);
  return `${Math.floor(tenths / 600)}:${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
}

function complain(place, message) {
  const box = one(`${place}-trouble`);
  box.textContent = message ?? "";
  box.hidden = !message;
}

function say(message) {
  if (one("spoken").textContent !== message) one("spoken").textContent = message;
}

// ---- Light and dark: the system's choice until the button is pressed.

const dark = matchMedia("(prefers-color-scheme: dark)");
function setTheme(name) {
  document.documentElement.dataset.theme = name;
  one("theme").textContent = name === "dark" ? "Light" : "Dark";
  one("theme").setAttribute("aria-label", name === "dark" ? "Light colours" : "Dark colours");
}
setTheme(dark.matches ? "dark" : "light");
dark.addEventListener("change", () => setTheme(dark.matches ? "dark" : "light"));
one("theme").hidden = false;
one("theme").addEventListener("click", () => {
  setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
});

// ---- Pictures of the frames: fetched in order as they are made, unpacked when they are shown.

class Pictures {
  constructor(url, onMore) {
    this.url = url;
    this.onMore = onMore;
    this.files = []; // [frame, masks] as they came
    this.unpacked = new Map(); // the latest of them as pixels
    this.wanted = 0;
    this.limit = 40;
    this.closed = false;
  }

  want(count) {
    this.wanted = Math.max(this.wanted, count);
    if (!this.fetching) this.fetching = this.fetch().finally(() => { this.fetching = null; });
  }

  async fetch() {
    while (!this.closed && this.files.length < this.wanted) {
      const first = this.files.length;
      const numbers = Array.from({ length: Math.min(3, this.wanted - first) }, (_, i) => first + i);
      const loads = numbers.flatMap((n) => ["jpg", "png"].map((kind) => this.load(`${n}.${kind}`)));
      const blobs = await Promise.all(loads);
      if (this.closed || blobs.includes(null)) return;
      for (let i = 0; i < blobs.length; i += 2) this.files.push([blobs[i], blobs[i + 1]]);
      this.onMore();
    }
  }

  async load(name) {
    try {
      const answer = await fetch(`${this.url}/frames/${name}`);
      return answer.ok ? await answer.blob() : null;
    } catch {
      return null;
    }
  }

  get(number) {
    let entry = this.unpacked.get(number);
    if (entry) this.unpacked.delete(number);
    else entry = this.unpack(this.files[number]);
    this.unpacked.set(number, entry);
    if (this.unpacked.size > this.limit) this.unpacked.delete(this.unpacked.keys().next().value);
    return entry;
  }

  async unpack(files) {
    const [image, masks] = await Promise.all(files.map(async (file) => {
      const bitmap = await createImageBitmap(file);
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(bitmap, 0, 0);
      bitmap.close();
      return context.getImageData(0, 0, canvas.width, canvas.height);
    }));
    return { image, masks };
  }
}

// ---- Player: the video on the left of the wipe, what was made of it on the right.

const player = {
  canvas: one("canvas"),
  context: one("canvas").getContext("2d", { willReadFrequently: true }), // all pixels are made here
  pictures: null,
  rate: 24,
  frame: 0,
  turn: 0, // the latest drawing asked for; older ones are dropped
  following: false, // the newest frame is shown as it comes
  playing: false,
  doubtful: [],
  objects: [], // what was found: number, first and last frame, colour
  dropped: new Set(), // their numbers
  strengths: Object.fromEntries(Object.entries(VIEWS).map(([name, view]) => [name, view.strength])),

  get count() { return this.pictures?.files.length ?? 0; },
  get view() { return document.querySelector("input[name=view]:checked").value; },

  open(url, facts) {
    this.rate = facts.rate;
    this.frame = 0;
    this.following = true;
    this.mark([]);
    this.list([], new Set());
    this.pictures = new Pictures(url, () => this.more());
    delete this.canvas.dataset.frame;
    this.shape();
  },

  close() {
    this.pause();
    if (this.pictures) this.pictures.closed = true;
    this.pictures = null;
    one("player").hidden = true;
  },

  more() {
    one("player").hidden = false;
    one("seek").max = this.count - 1;
    if (this.doubtful.length) this.mark(this.doubtful);
    if (this.following) this.show(this.count - 1);
    else this.label();
  },

  finish() { // all frames are there: from the start, unless somebody looks at one already
    one("live").hidden = true;
    if (!this.following) return;
    this.following = false;
    this.show(0);
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) this.play();
  },

  choose(frame) {
    this.following = false;
    one("live").hidden = true;
    this.pause();
    this.show(Math.min(Math.max(frame, 0), this.count - 1));
  },

  async show(frame) {
    if (!this.count) return;
    this.frame = frame;
    this.label();
    const turn = ++this.turn;
    const pictures = this.pictures;
    const { image, masks } = await pictures.get(frame);
    if (turn !== this.turn || pictures !== this.pictures) return;
    this.paint(image, masks);
    this.canvas.dataset.frame = frame;
  },

  mark(doubtful) { // [first, last] of frames to check, on the time line
    this.doubtful = doubtful;
    const count = framesIn(doubtful);
    one("check").hidden = !count;
    one("check-count").textContent = plural(count, "frame");
    one("marks").replaceChildren(...doubtful.map(([first, last]) => {
      const mark = document.createElement("span");
      const share = (frame) => (100 * frame) / Math.max(this.count, last + 1);
      mark.style.left = `${share(first)}%`;
      mark.style.width = `${share(last + 1 - first)}%`;
      return mark;
    }));
  },

  isDoubtful(frame) { return this.doubtful.some(([first, last]) => first <= frame && frame <= last); },

  check() { // the next frame to check, round and round
    const frames = [...Array(this.count).keys()].filter((frame) => this.isDoubtful(frame));
    if (frames.length) this.choose(frames.find((frame) => frame > this.frame) ?? frames[0]);
  },

  label() {
    one("seek").value = this.frame;
    const place = `frame ${this.frame + 1} of ${this.count}${this.isDoubtful(this.frame) ? ", to check" : ""}`;
    const text = `${clock(this.frame / this.rate)} · ${place}`;
    one("time").textContent = text;
    one("seek").setAttribute("aria-valuetext", place);
    this.canvas.setAttribute(
      "aria-label",
      `Frame ${this.frame + 1}: the video on the left, ${VIEWS[this.view].title.toLowerCase()} on the right`,
    );
  },

  paint(image, masks) {
    const { width, height } = image;
    if (this.canvas.width !== width || this.canvas.height !== height) {
      [this.canvas.width, this.canvas.height] = [width, height];
      one("stage").style.setProperty("--aspect", width / height);
    }
    const painted = new ImageData(new Uint8ClampedArray(image.data), width, height);
    const from = Math.round((width * one("wipe").value) / 100);
    const strength = one("strength").value / 100;
    const soft = one("edges").value === "hard" ? 0 : 1;
    const kept = this.dropped.size ? this.without(masks.data) : masks.data;
    PAINT[this.view](painted.data, kept, width, height, from, strength, soft);
    if (this.view === "overlay") this.outlineDropped(painted.data, masks.data, width, height, from);
    this.context.putImageData(painted, 0, 0);
  },

  without(masks) { // the masks of a frame, where what is dropped is nothing
    const kept = new Uint8ClampedArray(masks);
    for (let at = 0; at < kept.length; at += 4) {
      if (this.dropped.has(kept[at + 2])) kept[at] = kept[at + 1] = 0;
    }
    return kept;
  },

  outlineDropped(to, masks, width, height, from) { // in gray: what can be had back
    if (!this.dropped.size) return;
    const isOf = (at, number) => masks[at] && masks[at + 2] === number;
    eachPixel(width, height, from, (at, x, y) => {
      if (!masks[at] || !this.dropped.has(masks[at + 2])) return;
      if (!isInside(at, x, y, width, height, (other) => isOf(other, masks[at + 2]))) {
        to[at] = to[at + 1] = to[at + 2] = 150;
      }
    });
  },

  list(objects, dropped) { // a button for each, pressed for those that are kept
    this.objects = objects;
    this.dropped = dropped;
    const several = objects.length > 1 || dropped.size > 0;
    one("objects").hidden = !several;
    const box = one("object-list");
    const there = new Map([...box.children].map((button) => [Number(button.dataset.number), button]));
    for (const [number, button] of there) {
      if (!objects.some((object) => object.number === number)) button.remove();
    }
    objects.forEach((object, place) => {
      let button = there.get(object.number);
      if (!button) {
        button = document.createElement("button");
        button.type = "button";
        button.dataset.number = object.number;
        button.style.setProperty("--color", `rgb(${object.color.join()})`);
        button.addEventListener("click", () => this.keepOrDrop(object.number));
        box.insertBefore(button, box.children[place] ?? null);
      }
      const frames = `frames ${object.first + 1} to ${object.last + 1}`;
      button.textContent = `Object ${object.number}`;
      button.setAttribute("aria-label", `Object ${object.number}, ${frames}`);
      button.title = frames;
      button.setAttribute("aria-pressed", String(!dropped.has(object.number)));
    });
  },

  colorOf(number) {
    if (this.objects.length < 2) return OBJECT;
    return this.objects.find((object) => object.number === number)?.color ?? OBJECT;
  },

  keepOrDrop(number) {
    const dropped = new Set(this.dropped);
    if (!dropped.delete(number)) dropped.add(number);
    this.list(this.objects, dropped);
    job.dropped = dropped;
    say(`Object ${number} is ${dropped.has(number) ? "left out" : "kept"}`);
    for (const button of all(".outputs .button:enabled")) button.textContent = "Download";
    this.redraw();
  },

  async objectAt(x, y) { // its number, at shares of the picture; 0 where there is none
    if (!this.count) return 0;
    const { masks } = await this.pictures.get(this.frame);
    const column = Math.min(masks.width - 1, Math.floor(x * masks.width));
    const row = Math.min(masks.height - 1, Math.floor(y * masks.height));
    const at = 4 * (row * masks.width + column);
    return masks.data[at] ? masks.data[at + 2] : 0;
  },

  redraw() { if (this.count) this.show(this.frame); },

  shape() {
    const view = this.view;
    one("side").textContent = VIEWS[view].title;
    one("behind-setting").hidden = view !== "cutout";
    one("color-setting").hidden = view !== "cutout" || one("behind").value !== "";
    one("edges-setting").hidden = view === "overlay";
    one("strength").value = this.strengths[view];
    one("divider").style.left = `${one("wipe").value}%`;
    this.redraw();
  },

  play() {
    if (this.playing || this.count < 2) return;
    this.following = false;
    one("live").hidden = true;
    this.playing = true;
    document.body.classList.add("playing");
    one("play").setAttribute("aria-label", "Pause");
    if (this.frame >= this.count - 1) this.frame = 0;
    let [start, first] = [performance.now(), this.frame];
    const tick = async () => {
      if (!this.playing) return;
      let frame = first + Math.floor(((performance.now() - start) / 1000) * this.rate);
      if (frame >= this.count) [frame, start, first] = [0, performance.now(), 0]; // round and round
      if (frame !== this.frame || !("frame" in this.canvas.dataset)) {
        await this.show(frame);
        if (frame + 1 < this.count) this.pictures?.get(frame + 1);
      }
      requestAnimationFrame(tick);
    };
    tick();
  },

  pause() {
    this.playing = false;
    document.body.classList.remove("playing");
    one("play").setAttribute("aria-label", "Play");
  },

  toggle() { if (this.playing) this.pause(); else this.play(); },

  wipeTo(percent) {
    one("wipe").value = percent;
    one("divider").style.left = `${one("wipe").value}%`;
    this.redraw();
  },
};

// Each changes `to`, which holds the frame, right of column `from`.
const blend = (a, b, share) => a + (b - a) * share;

function eachPixel(width, height, from, act) {
  for (let y = 0; y < height; y++) {
    for (let x = from, at = 4 * (y * width + from); x < width; x++, at += 4) act(at, x, y);
  }
}

function isInside(at, x, y, width, height, isOf) { // whether its four neighbours are alike
  const row = 4 * width;
  return (x === 0 || isOf(at - 4)) && (x === width - 1 || isOf(at + 4)) &&
    (y === 0 || isOf(at - row)) && (y === height - 1 || isOf(at + row));
}

function behind(to, masks, width, height, from, strength, soft, background) {
  eachPixel(width, height, from, (at, x, y) => {
    const away = (1 - masks[at + soft] / 255) * strength;
    if (away === 0) return;
    const color = background(x, y);
    for (let c = 0; c < 3; c++) to[at + c] = blend(to[at + c], color[c], away);
  });
}

function blurred(to, masks, width, height, soft) { // means of large squares, without the object
  const side = Math.max(2, Math.round(Math.min(width, height) / 24));
  const [columns, rows] = [Math.ceil(width / side), Math.ceil(height / side)];
  const sums = new Float32Array(4 * columns * rows);
  eachPixel(width, height, 0, (at, x, y) => {
    const square = 4 * (Math.floor(y / side) * columns + Math.floor(x / side));
    const share = 1.001 - masks[at + soft] / 255;
    for (let c = 0; c < 3; c++) sums[square + c] += share * to[at + c];
    sums[square + 3] += share;
  });
  return (x, y) => {
    const [left, top] = [x / side - 0.5, y / side - 0.5];
    const mixed = [0, 0, 0];
    let total = 0;
    for (const row of [Math.floor(top), Math.floor(top) + 1]) {
      for (const column of [Math.floor(left), Math.floor(left) + 1]) {
        const near = (1 - Math.abs(left - column)) * (1 - Math.abs(top - row));
        const [within, down] = [Math.min(Math.max(column, 0), columns - 1), Math.min(Math.max(row, 0), rows - 1)];
        const square = 4 * (down * columns + within);
        for (let c = 0; c < 3; c++) mixed[c] += near * sums[square + c];
        total += near * sums[square + 3];
      }
    }
    return mixed.map((value) => value / total);
  };
}

const PAINT = {
  overlay(to, masks, width, height, from, strength) {
    const colors = Array.from({ length: 256 }, (_, number) => player.colorOf(number));
    eachPixel(width, height, from, (at, x, y) => {
      if (!masks[at]) return;
      const number = masks[at + 2];
      const isOf = (other) => masks[other] && masks[other + 2] === number;
      const share = isInside(at, x, y, width, height, isOf) ? strength : 1;
      for (let c = 0; c < 3; c++) to[at + c] = blend(to[at + c], colors[number][c], share);
    });
  },
  mask(to, masks, width, height, from, strength, soft) {
    eachPixel(width, height, from, (at) => {
      for (let c = 0; c < 3; c++) to[at + c] = blend(to[at + c], masks[at + soft], strength);
    });
  },
  cutout(to, masks, width, height, from, strength, soft) {
    const hex = one("color").value;
    const color = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
    const gray = (x, y) => {
      const at = 4 * (y * width + x);
      return new Array(3).fill(0.299 * to[at] + 0.587 * to[at + 1] + 0.114 * to[at + 2]);
    };
    const backgrounds = { "": () => () => color, gray: () => gray, blur: () => blurred(to, masks, width, height, soft) };
    behind(to, masks, width, height, from, strength, soft, backgrounds[one("behind").value]());
  },
  alpha(to, masks, width, height, from, strength, soft) {
    const [light, dark] = [[236, 236, 236], [205, 205, 205]];
    const checks = (x, y) => (((x >> 4) + (y >> 4)) & 1 ? dark : light);
    behind(to, masks, width, height, from, strength, soft, checks);
  },
};

one("check-next").addEventListener("click", () => {
  player.check();
  say(one("time").textContent);
});
one("play").addEventListener("click", () => player.toggle());
one("seek").addEventListener("input", (event) => player.choose(Number(event.target.value)));
one("wipe").addEventListener("input", (event) => player.wipeTo(event.target.value));
one("strength").addEventListener("input", (event) => {
  player.strengths[player.view] = Number(event.target.value);
  player.redraw();
});
for (const id of ["color", "behind", "edges"]) one(id).addEventListener("input", () => player.shape());
for (const radio of all("input[name=view]")) {
  radio.addEventListener("change", () => { player.shape(); player.label(); });
}

const dragWipe = (event) => {
  const box = player.canvas.getBoundingClientRect();
  player.wipeTo(Math.round((100 * (event.clientX - box.left)) / box.width));
};
let pressed = null; // where, until it is a drag
player.canvas.addEventListener("pointerdown", (event) => {
  player.canvas.setPointerCapture(event.pointerId);
  pressed = [event.clientX, event.clientY];
});
player.canvas.addEventListener("pointermove", (event) => {
  if (!event.buttons) return;
  if (pressed && Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]) < 4) return;
  pressed = null;
  dragWipe(event);
});
player.canvas.addEventListener("pointerup", async (event) => {
  if (!pressed) return;
  pressed = null;
  const box = player.canvas.getBoundingClientRect();
  const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  const number = one("objects").hidden ? 0 : await player.objectAt(x, y);
  if (number) player.keepOrDrop(number);
  else dragWipe(event);
});
player.canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const wipe = Number(one("wipe").value);
  const acts = {
    " ": () => player.toggle(),
    ArrowLeft: () => player.choose(player.frame - 1),
    ArrowRight: () => player.choose(player.frame + 1),
    Home: () => player.choose(0),
    End: () => player.choose(player.count - 1),
    "[": () => player.wipeTo(wipe - 5),
    "]": () => player.wipeTo(wipe + 5),
    d: () => player.check(),
  };
  if (!acts[event.key]) return;
  event.preventDefault();
  acts[event.key]();
  if (!player.playing) say(one("time").textContent);
});

// ---- The videos of this page: one is shown, all are followed on one stream.

let videos = []; // { id, name, send, request, sent, trouble, latest, downloads, dropped, timer } in their order
let job = null; // the one that is shown
let stream = null;

const isSettled = (video) => !video.latest ? false :
  ["failed", "cancelled"].includes(video.latest.state) ||
  (video.latest.state === "done" && video.latest.outputs.every((output) => output.state !== "making"));
const urlOf = (video) => `/jobs/${encodeURIComponent(video.id)}`;

function step(name) {
  document.body.dataset.step = name;
  one("start").hidden = name !== "start";
  one("work").hidden = name === "start";
}

function add(name, send, id = null) { // `send` is the path and the body to POST, unless it is there
  const video = { id, name, send, request: null, sent: 0, trouble: null, latest: null, downloads: new Map(), dropped: new Set(), timer: null };
  videos.push(video);
  return video;
}

function remove(video) {
  video.request?.abort();
  clearTimeout(video.timer);
  videos = videos.filter((other) => other !== video);
  remember();
  listen();
  sendNext();
}

function remember() { // for when the page is loaded anew
  const kept = videos.filter((video) => video.id).map(({ id, name }) => [id, name]);
  sessionStorage.setItem("videos", JSON.stringify(kept));
  list();
}

function home(message) { // the start; the other videos stay in the list
  job = null;
  player.close();
  if (message) history.replaceState(null, "", location.pathname);
  document.title = "3dcseg: cut the moving objects out of a video";
  one("file").value = "";
  step("start");
  complain("start", message);
  list();
}

function drop(video, message) { // it is no longer here, or cannot be
  const shown = job === video;
  remove(video);
  if (shown) home(message);
}

function show(video) {
  player.close();
  job = video;
  step("work");
  complain("work", video.trouble);
  one("work-title").textContent = video.name;
  one("f-device").textContent = about.device ?? "–";
  one("downloads").hidden = true;
  one("cancel").hidden = false;
  one("again").hidden = one("to-downloads").hidden = true;
  one("facts").hidden = one("patience").hidden = true;
  one("work-title").focus();
  if (video.latest) update(video, video.latest);
  else if (video.trouble) ended();
  else progress(video.request ? `Sending the video: ${Math.round(100 * video.sent)} %` : "Waiting to be sent", null);
  list();
}

function progress(text, share) {
  one("now").textContent = text;
  one("now").hidden = one("bar").hidden = false;
  if (share === null) one("bar").removeAttribute("value");
  else one("bar").value = share;
}

function start(files) {
  const added = [...files].map((file) => {
    const video = add(file.name, [`/jobs?name=${encodeURIComponent(file.name)}`, file]);
    if (about.max_megabytes && file.size > about.max_megabytes * 1e6) {
      refuse(video, `${file.name} has ${size(file.size)}; this page takes up to ${about.max_megabytes} MB. Use a shorter or smaller one.`);
    }
    return video;
  });
  begin(added);
}

function begin(added) {
  const first = added.find((video) => videos.includes(video));
  if (first && (!job || job.latest?.state === "failed")) show(first);
  list();
  sendNext();
}

function refuse(video, message) { // a video by itself leads back to the start, others stay in sight
  video.send = null;
  if (videos.length === 1 || job === video) {
    remove(video);
    home(message);
    return;
  }
  video.trouble = message;
  list();
}

function sendNext() { // one at a time, in order
  const next = videos.find((video) => video.send);
  if (next && !videos.some((video) => video.request)) send(next);
}

function send(video) {
  const [path, body] = video.send;
  const request = new XMLHttpRequest();
  video.request = request;
  const told = (text, share) => { if (job === video) progress(text, share); };
  told(body ? "Sending the video" : "Opening the video", body ? 0 : null);
  request.upload.onprogress = (event) => {
    if (!event.lengthComputable) return;
    video.sent = event.loaded / event.total;
    if (video.sent < 1) told(`Sending the video: ${Math.round(100 * video.sent)} %`, video.sent);
    else told("Looking at the video", null);
    list();
  };
  request.onload = () => {
    video.request = null;
    let answer = {};
    try { answer = JSON.parse(request.responseText); } catch { /* not from us */ }
    if (request.status === 503 && videos.some((other) => other.id && !isSettled(other))) {
      told("Waiting for a place in the queue", null);
      setTimeout(sendNext, 3000); // our own are before it
      return;
    }
    video.send = null;
    if (request.status !== 201) {
      refuse(video, answer.error ?? `The server said ${request.status}.`);
    } else {
      video.id = answer.id;
      if (job === video) history.pushState(null, "", `#${answer.id}`);
      remember();
      listen();
    }
    sendNext();
  };
  request.onerror = () => {
    video.request = null;
    refuse(video, "The video could not be sent: the connection broke, or 3dcseg has stopped.");
    sendNext();
  };
  request.open("POST", path);
  if (body) request.setRequestHeader("Content-Type", "application/octet-stream");
  request.send(body);
}

function listen() { // to all that may still change
  const watched = videos.filter((video) => video.id && !isSettled(video));
  const ids = watched.map((video) => encodeURIComponent(video.id)).join(",");
  if (stream && stream.ids === ids && stream.readyState !== EventSource.CLOSED) return;
  stream?.close();
  stream = null;
  if (!ids) return;
  const mine = new EventSource(`/jobs/${ids}/events`);
  mine.ids = ids;
  stream = mine;
  mine.onmessage = (event) => {
    const now = JSON.parse(event.data);
    const video = videos.find((other) => other.id === now.id);
    if (stream !== mine || !video) return;
    if (mine.lost) { mine.lost = false; complain("work"); }
    video.latest = now;
    video.name = now.name ?? video.name;
    if (now.state === "cancelled") { drop(video, "This video is no longer here: it has been deleted."); return; }
    if (now.state === "done") expire(video, now.seconds_kept);
    if (job === video) update(video, now);
    list();
    if (videos.every((other) => !other.id || isSettled(other))) { mine.close(); stream = null; }
  };
  mine.onerror = () => {
    if (stream !== mine) { mine.close(); return; }
    if (mine.readyState === EventSource.CLOSED) { // refused, none of them is here; or the page is left
      stream = null;
      setTimeout(() => watched.forEach((video) => drop(video, "This video is no longer here: it has been deleted.")), 300);
      return;
    }
    mine.lost = true; // the browser tries again by itself
    complain("work", "3dcseg does not answer: it may have been stopped. Trying again …");
  };
}

function expire(video, seconds) {
  video.timer ??= setTimeout(() => drop(video, "The video and its results have been deleted."), 1000 * seconds);
}

function update(mine, now) {
  one("work-title").textContent = now.name;
  if (!player.pictures && now.rate) player.open(urlOf(mine), now);
  if (now.done) player.pictures.want(now.done);
  player.list(now.objects, mine.dropped);
  const total = Math.max(now.total ?? 0, now.done);
  const share = total && now.state !== "queued" ? now.done / total : null;
  const coming = now.state === "running" || now.state === "queued";
  one("f-frames").textContent = now.total ? `${now.done} of ${total}` : String(now.done);
  one("f-speed").textContent = now.speed ? `${now.speed.toFixed(1)} frames/s` : "–";
  one("facts").hidden = now.state === "queued" && now.seconds_left === null;
  one("patience").hidden = now.state !== "queued";
  one("f-left-name").textContent = coming ? "Time left" : "Took";
  one("f-left").textContent = duration(coming ? now.seconds_left : now.seconds || null);
  one("live").hidden = !(now.state === "running" && player.following);
  if (now.state === "queued") {
    progress(now.before ? `In the queue: ${plural(now.before, "video")} before yours` : "Yours is next", null);
  } else if (now.state === "running") {
    progress(now.done ? "Masks are on their way" : "Looking at the first frames", now.done ? share : null);
    document.title = now.done && total ? `${Math.round(100 * share)} % · 3dcseg` : document.title;
  }
  say({ queued: one("now").textContent, running: "Masks are on their way", done: "Done", failed: "Stopped" }[now.state] ?? "");
  if (now.error) complain("work", now.error);
  else if (now.damage) complain("work", `This file is damaged, and frames are lost: ${now.damage}.`);
  if (now.state === "done") done(mine, now);
  else if (now.state === "failed") ended();
}

function ended() {
  one("now").hidden = one("bar").hidden = true;
  one("cancel").hidden = true;
  one("again").hidden = false;
  one("live").hidden = true;
}

function done(mine, now) {
  if (one("downloads").hidden) {
    ended();
    document.title = `${now.name} · 3dcseg`;
    one("downloads").hidden = one("to-downloads").hidden = false;
    one("kept").textContent = kept(now);
    for (const button of all(".outputs .button")) {
      button.disabled = false;
      button.textContent = "Download";
    }
    player.mark(now.doubtful);
    whenAllAreThere(mine, now.done);
  }
  for (const [number, button] of mine.downloads) showDownload(mine, number, button, now.outputs[number]);
}

async function whenAllAreThere(mine, count) {
  while (job === mine && player.count < count) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    if (job === mine) player.pictures.want(count);
  }
  if (job === mine) player.finish();
}

function kept(now) {
  const at = new Date(Date.now() + now.seconds_kept * 1000);
  return `${now.stays ? "What was made of the video is" : "The video and its results are"} deleted at ${at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}.`;
}

// ---- The list of them, where there are several or one is left at the start

function state(video) { // in words
  const now = video.latest;
  if (video.trouble) return video.trouble;
  if (video.request) return video.sent < 1 ? `sending, ${Math.round(100 * video.sent)} %` : "looking at it";
  if (!now) return video.id ? "" : "waits to be sent";
  const left = now.seconds_left === null ? "" : `, ${duration(now.seconds_left)} left`;
  if (now.state === "running") return `${now.total ? `${Math.round((100 * now.done) / now.total)} %` : plural(now.done, "frame")}${left}`;
  if (now.state === "queued") return `waits${left}`;
  if (now.state === "failed") return now.error ?? "failed";
  const check = framesIn(now.doubtful);
  return check ? `done, ${plural(check, "frame")} to check` : "done";
}

function list() {
  const several = videos.length > 1 || (videos.length === 1 && !job);
  one("queue").hidden = !several;
  if (!several) return;
  const rows = one("videos");
  while (rows.children.length > videos.length) rows.lastChild.remove();
  while (rows.children.length < videos.length) rows.append(row());
  videos.forEach((video, at) => {
    const [open, words, away] = rows.children[at].children;
    rows.children[at].video = video;
    const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };
    put(open, video.name);
    put(words, state(video));
    if (job === video) open.setAttribute("aria-current", "true");
    else open.removeAttribute("aria-current");
    away.setAttribute("aria-label", `Delete ${video.name}`);
  });
}

function row() {
  const make = (kind, text, name) => Object.assign(document.createElement(kind), { textContent: text, className: name });
  const item = document.createElement("li");
  const [open, words, away] = [make("button", "", "link"), make("span", "", "small"), make("button", "Delete", "link small")];
  open.type = away.type = "button";
  open.addEventListener("click", () => {
    history.pushState(null, "", item.video.id ? `#${item.video.id}` : location.pathname);
    show(item.video);
  });
  away.addEventListener("click", () => forget(item.video));
  item.append(open, words, away);
  return item;
}

// ---- Downloads: made when they are asked for.

async function download(format, button) {
  const mine = job;
  const background = one("behind").value || one("color").value;
  const query = new URLSearchParams({ edges: one("edges").value, background });
  if (mine.dropped.size) query.set("drop", [...mine.dropped].sort((a, b) => a - b).join());
  button.disabled = true;
  complain("work");
  try {
    const answer = await fetch(`${urlOf(mine)}/outputs/${format}?${query}`, { method: "POST" });
    const { number, error } = await answer.json();
    if (!answer.ok) throw new Error(error);
    mine.downloads.set(number, button);
    mine.latest.outputs[number] ??= { state: "making", share: 0 };
    listen();
  } catch (error) {
    button.disabled = false;
    complain("work", error.message === "Failed to fetch" ? "3dcseg has stopped." : error.message);
  }
}

function showDownload(mine, number, button, output) {
  if (!output) return;
  if (output.state === "making") {
    button.textContent = `Making ${Math.round(100 * output.share)} %`;
    const bar = document.createElement("progress");
    bar.value = output.share;
    bar.setAttribute("aria-hidden", "true");
    button.append(bar);
    return;
  }
  mine.downloads.delete(number);
  button.disabled = false;
  button.textContent = "Download";
  if (output.state !== "ready") { complain("work", output.error); return; }
  const link = document.createElement("a");
  link.href = `${urlOf(mine)}/outputs/${number}`;
  link.download = output.name;
  link.click();
  say(`${output.name}, ${size(output.bytes)}`);
  button.textContent = `Save · ${size(output.bytes)}`;
}

function offer(format) { // a line of the list: what the server says of it, and a button
  const make = (kind, text) => Object.assign(document.createElement(kind), { textContent: text });
  const [item, words] = [make("li", ""), make("div", "")];
  const [title, button] = [make("h3", format.name), make("button", "Download")];
  item.dataset.format = format.name;
  title.id = `title-${format.name}`;
  button.type = "button";
  button.className = "button";
  button.id = `make-${format.name}`;
  button.setAttribute("aria-labelledby", `${button.id} ${title.id}`);
  button.addEventListener("click", () => download(format.name, button));
  words.append(title, make("p", format.summary));
  item.append(words, button);
  one(format.special ? "special-formats" : "formats").append(item);
}

for (const id of ["edges", "behind", "color"]) { // drawn otherwise, it is another file
  one(id).addEventListener("change", () => {
    for (const button of all(".outputs .button:enabled")) button.textContent = "Download";
  });
}

// ---- Getting in and out

async function forget(video) {
  if (job === video) {
    home();
    history.replaceState(null, "", location.pathname);
  }
  remove(video);
  if (video.id) await fetch(urlOf(video), { method: "DELETE" }).catch(() => {});
  say("The video is deleted");
}

function leave() { // the video stays for as long as was said: Back, or the list, leads to it
  if (!job.id || job.latest?.state === "failed") { forget(job); return; }
  home();
  history.pushState(null, "", location.pathname);
}

one("to-downloads").addEventListener("click", () => {
  one("downloads").scrollIntoView({ behavior: "smooth" });
  one("downloads-title").focus({ preventScroll: true });
});
one("cancel").addEventListener("click", () => forget(job));
one("again").addEventListener("click", leave);
one("delete").addEventListener("click", () => forget(job));
one("file").addEventListener("change", (event) => start(event.target.files));
one("sample").addEventListener("click", () => begin([add("Example", ["/sample", null])]));
one("path-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const path = one("path").value.trim();
  if (!path) return;
  begin([add(path.split(/[/\\]/).pop(), [`/paths?${new URLSearchParams({ path })}`, null])]);
});

let inside = 0; // elements that the dragged file is over
const carriesFile = (event) => [...event.dataTransfer.types].includes("Files");
addEventListener("dragenter", (event) => {
  if (carriesFile(event)) { inside += 1; document.body.classList.add("dragging"); }
});
addEventListener("dragleave", () => {
  inside = Math.max(0, inside - 1);
  if (!inside) document.body.classList.remove("dragging");
});
addEventListener("dragover", (event) => { if (carriesFile(event)) event.preventDefault(); });
addEventListener("drop", (event) => {
  inside = 0;
  document.body.classList.remove("dragging");
  if (!carriesFile(event)) return;
  event.preventDefault();
  start(event.dataTransfer.files);
});

async function meet() {
  about = await (await fetch("/about")).json();
  const local = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  one("where").textContent = about.device;
  one("limits").textContent = `Up to ${duration(about.max_seconds)} and ${about.max_megabytes} MB each. MP4, MOV, MKV, WebM, AVI, …`;
  one("privacy").textContent =
    `${local ? "Your video stays on this computer" : "Your video goes to the computer that serves this page, and nowhere else"}. ` +
    `It is deleted ${plural(about.keep_minutes, "minute")} after it is done, or when you say so` +
    `${about.paths ? "; a file that you name by its path stays where it is" : ""}.`;
  one("sample").hidden = !about.sample;
  one("path-form").hidden = !about.paths;
  about.formats.forEach(offer);
  try {
    JSON.parse(sessionStorage.getItem("videos") ?? "[]").forEach(([id, name]) => add(name, null, id));
  } catch { /* not ours */ }
  open();
}

function open() { // the page was loaded anew, or one went back
  const id = location.hash.slice(1);
  if (/^[\w-]{16,}$/.test(id)) show(videos.find((video) => video.id === id) ?? add("", null, id));
  else home();
  listen();
}
addEventListener("popstate", open);
meet().catch(() => complain("start", "3dcseg does not answer: is it still running?"));
