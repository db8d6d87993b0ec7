// One video from the drop to the download: send it, follow it, show it, fetch what was made of it.
"use strict";

const one = (id) => document.getElementById(id);
const all = (selector) => [...document.querySelectorAll(selector)];
const OBJECT = [255, 70, 110]; // the colour of `threedcseg.outputs.overlay`
const VIEWS = {
  overlay: { title: "Overlay", strength: 50 },
  mask: { title: "Mask", strength: 100 },
  cutout: { title: "On a colour", strength: 100 },
  alpha: { title: "Transparent", strength: 100 },
};

let about = {};

// ---- Words

const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

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
  strengths: Object.fromEntries(Object.entries(VIEWS).map(([name, view]) => [name, view.strength])),

  get count() { return this.pictures?.files.length ?? 0; },
  get view() { return document.querySelector("input[name=view]:checked").value; },

  open(url, facts) {
    this.rate = facts.rate;
    this.frame = 0;
    this.following = true;
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

  label() {
    one("seek").value = this.frame;
    const text = `${clock(this.frame / this.rate)} · frame ${this.frame + 1} of ${this.count}`;
    one("time").textContent = text;
    one("seek").setAttribute("aria-valuetext", `frame ${this.frame + 1} of ${this.count}`);
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
    const soft = one("edges").value === "soft" ? 1 : 0;
    PAINT[this.view](painted.data, masks.data, width, height, from, strength, soft);
    this.context.putImageData(painted, 0, 0);
  },

  redraw() { if (this.count) this.show(this.frame); },

  shape() {
    const view = this.view;
    one("side").textContent = VIEWS[view].title;
    one("color-setting").hidden = view !== "cutout";
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

function behind(to, masks, width, height, from, strength, soft, background) {
  eachPixel(width, height, from, (at, x, y) => {
    const away = (1 - masks[at + soft] / 255) * strength;
    if (away === 0) return;
    const color = background(x, y);
    for (let c = 0; c < 3; c++) to[at + c] = blend(to[at + c], color[c], away);
  });
}

const PAINT = {
  overlay(to, masks, width, height, from, strength) {
    const row = 4 * width;
    eachPixel(width, height, from, (at, x, y) => {
      if (!masks[at]) return;
      const inside =
        (x === 0 || masks[at - 4]) && (x === width - 1 || masks[at + 4]) &&
        (y === 0 || masks[at - row]) && (y === height - 1 || masks[at + row]);
      const share = inside ? strength : 1;
      for (let c = 0; c < 3; c++) to[at + c] = blend(to[at + c], OBJECT[c], share);
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
    behind(to, masks, width, height, from, strength, soft, () => color);
  },
  alpha(to, masks, width, height, from, strength, soft) {
    const [light, dark] = [[236, 236, 236], [205, 205, 205]];
    const checks = (x, y) => (((x >> 4) + (y >> 4)) & 1 ? dark : light);
    behind(to, masks, width, height, from, strength, soft, checks);
  },
};

one("play").addEventListener("click", () => player.toggle());
one("seek").addEventListener("input", (event) => player.choose(Number(event.target.value)));
one("wipe").addEventListener("input", (event) => player.wipeTo(event.target.value));
one("strength").addEventListener("input", (event) => {
  player.strengths[player.view] = Number(event.target.value);
  player.redraw();
});
for (const id of ["color", "edges"]) one(id).addEventListener("input", () => player.shape());
for (const radio of all("input[name=view]")) {
  radio.addEventListener("change", () => { player.shape(); player.label(); });
}

const dragWipe = (event) => {
  const box = player.canvas.getBoundingClientRect();
  player.wipeTo(Math.round((100 * (event.clientX - box.left)) / box.width));
};
player.canvas.addEventListener("pointerdown", (event) => {
  player.canvas.setPointerCapture(event.pointerId);
  dragWipe(event);
});
player.canvas.addEventListener("pointermove", (event) => { if (event.buttons) dragWipe(event); });
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
  };
  if (!acts[event.key]) return;
  event.preventDefault();
  acts[event.key]();
  if (!player.playing) say(one("time").textContent);
});

// ---- The job

let job = null; // { url, stream, upload, latest, downloads }

function step(name) {
  document.body.dataset.step = name;
  one("start").hidden = name !== "start";
  one("work").hidden = name === "start";
}

function reset(message) {
  job?.stream?.close();
  job?.upload?.abort();
  clearTimeout(job?.timer);
  job = null;
  player.close();
  if (message) history.replaceState(null, "", location.pathname);
  document.title = "3dcseg: cut the moving objects out of a video";
  one("file").value = "";
  step("start");
  complain("start", message);
}

function begin(name) {
  reset();
  job = { url: null, stream: null, upload: null, latest: null, lost: false, downloads: new Map() };
  step("work");
  complain("work");
  one("work-title").textContent = name;
  one("f-device").textContent = about.device ?? "–";
  one("downloads").hidden = true;
  one("cancel").hidden = false;
  one("again").hidden = one("to-downloads").hidden = true;
  one("facts").hidden = one("patience").hidden = true;
  one("work-title").focus();
  return job;
}

function progress(text, share) {
  one("now").textContent = text;
  one("now").hidden = one("bar").hidden = false;
  if (share === null) one("bar").removeAttribute("value");
  else one("bar").value = share;
}

function send(path, name, body) {
  const mine = begin(name);
  const request = new XMLHttpRequest();
  mine.upload = request;
  const fail = (message) => { if (job === mine) { mine.upload = null; reset(message); } };
  progress(body ? "Sending the video" : "Fetching the example", body ? 0 : null);
  request.upload.onprogress = (event) => {
    if (job !== mine || !event.lengthComputable) return;
    const share = event.loaded / event.total;
    if (share < 1) progress(`Sending the video: ${Math.round(100 * share)} %`, share);
    else progress("Looking at the video", null);
  };
  request.onload = () => {
    let answer = {};
    try { answer = JSON.parse(request.responseText); } catch { /* not from us */ }
    if (request.status !== 201) {
      fail(answer.error ?? `The server said ${request.status}.`);
    } else if (job === mine) {
      mine.upload = null;
      history.pushState(null, "", `#${answer.id}`);
      follow(answer.id);
    }
  };
  request.onerror = () => fail("The video could not be sent: the connection broke, or 3dcseg has stopped.");
  request.open("POST", path);
  if (body) request.setRequestHeader("Content-Type", "application/octet-stream");
  request.send(body);
}

function start(file) {
  if (!file) return;
  if (about.max_megabytes && file.size > about.max_megabytes * 1e6) {
    reset(`${file.name} has ${size(file.size)}; this page takes up to ${about.max_megabytes} MB. Use a shorter or smaller one.`);
    return;
  }
  send(`/jobs?name=${encodeURIComponent(file.name)}`, file.name, file);
}

function follow(id) {
  const mine = job;
  mine.url = `/jobs/${encodeURIComponent(id)}`;
  listen(mine);
}

function listen(mine) {
  if (mine.stream) return;
  const stream = new EventSource(`${mine.url}/events`);
  mine.stream = stream;
  stream.onmessage = (event) => {
    if (job !== mine) { stream.close(); return; }
    const now = JSON.parse(event.data);
    mine.latest = now;
    if (mine.lost) { mine.lost = false; complain("work"); }
    const settled = now.state === "failed" || now.state === "cancelled" ||
      (now.state === "done" && now.outputs.every((output) => output.state !== "making"));
    if (settled) { stream.close(); mine.stream = null; }
    update(mine, now);
  };
  stream.onerror = () => {
    if (job !== mine || mine.stream !== stream) { stream.close(); return; }
    if (stream.readyState === EventSource.CLOSED) { // refused
      reset("This video is no longer here: it has been deleted.");
      return;
    }
    mine.lost = true; // the browser tries again by itself
    complain("work", "3dcseg does not answer: it may have been stopped. Trying again …");
  };
}

function update(mine, now) {
  one("work-title").textContent = now.name;
  if (!player.pictures && now.rate) player.open(mine.url, now);
  if (now.done) player.pictures.want(now.done);
  const total = Math.max(now.total ?? 0, now.done);
  const share = total && now.state !== "queued" ? now.done / total : null;
  one("f-frames").textContent = now.total ? `${now.done} of ${total}` : String(now.done);
  one("f-speed").textContent = now.speed ? `${now.speed.toFixed(1)} frames/s` : "–";
  one("facts").hidden = now.state === "queued";
  one("patience").hidden = now.state !== "queued";
  one("f-left-name").textContent = now.state === "running" ? "Time left" : "Took";
  one("f-left").textContent = duration(now.state === "running" ? now.seconds_left : now.seconds || null);
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
  else if (now.state === "cancelled") reset("This video was deleted.");
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
    one("kept").textContent = kept(now.seconds_kept);
    for (const button of all(".outputs .button")) {
      button.disabled = false;
      button.textContent = "Download";
    }
    mine.timer = setTimeout(() => reset("The video and its results have been deleted."), 1000 * now.seconds_kept);
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

function kept(seconds) {
  const at = new Date(Date.now() + seconds * 1000);
  return `The video and its results are deleted at ${at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}.`;
}

// ---- Downloads: made when they are asked for.

async function download(format, button) {
  const mine = job;
  const query = new URLSearchParams({ edges: one("edges").value, background: one("color").value });
  button.disabled = true;
  complain("work");
  try {
    const answer = await fetch(`${mine.url}/outputs/${format}?${query}`, { method: "POST" });
    const { number, error } = await answer.json();
    if (!answer.ok) throw new Error(error);
    mine.downloads.set(number, button);
    listen(mine);
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
  link.href = `${mine.url}/outputs/${number}`;
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

for (const id of ["edges", "color"]) { // drawn otherwise, it is another file
  one(id).addEventListener("change", () => {
    for (const button of all(".outputs .button:enabled")) button.textContent = "Download";
  });
}

// ---- Getting in and out

async function forget() {
  const mine = job;
  reset();
  history.replaceState(null, "", location.pathname);
  if (mine?.url) await fetch(mine.url, { method: "DELETE" }).catch(() => {});
  say("The video is deleted");
}

function leave() { // the video stays for as long as was said: Back leads to it
  const failed = job?.latest?.state === "failed";
  if (failed) { forget(); return; }
  reset();
  history.pushState(null, "", location.pathname);
}

one("to-downloads").addEventListener("click", () => {
  one("downloads").scrollIntoView({ behavior: "smooth" });
  one("downloads-title").focus({ preventScroll: true });
});
one("cancel").addEventListener("click", forget);
one("again").addEventListener("click", leave);
one("delete").addEventListener("click", forget);
one("file").addEventListener("change", (event) => start(event.target.files[0]));
one("sample").addEventListener("click", () => send("/sample", "Example", null));

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
  if (job && job.latest?.state !== "failed") return; // one at a time on one page
  start(event.dataTransfer.files[0]);
});

async function meet() {
  about = await (await fetch("/about")).json();
  const local = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  one("where").textContent = about.device;
  one("limits").textContent = `Up to ${duration(about.max_seconds)} and ${about.max_megabytes} MB. MP4, MOV, MKV, WebM, AVI, …`;
  one("privacy").textContent =
    `${local ? "Your video stays on this computer" : "Your video goes to the computer that serves this page, and nowhere else"}. ` +
    `It is deleted ${plural(about.keep_minutes, "minute")} after it is done, or when you say so.`;
  one("sample").hidden = !about.sample;
  about.formats.forEach(offer);
  open();
}

function open() { // the page was loaded anew, or one went back
  const id = location.hash.slice(1);
  if (!/^[\w-]{16,}$/.test(id)) { reset(); return; }
  begin("");
  follow(id);
}
addEventListener("popstate", open);
meet().catch(() => complain("start", "3dcseg does not answer: is it still running?"));
