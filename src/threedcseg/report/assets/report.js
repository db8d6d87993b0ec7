// What moves on the page: sorting, the order of the bars, curves that answer, the player.
"use strict";

const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const one = (id) => document.getElementById(id);

// ---- Tables: a click on a heading sorts; a second one turns the order round.

function cellKey(row, column) {
  const cell = row.cells[column];
  if (cell.dataset.value === undefined) return cell.dataset.name ?? cell.textContent.trim();
  return cell.dataset.value === "" ? null : Number(cell.dataset.value);
}

function sortTable(table, column, direction) {
  const sign = direction === "ascending" ? 1 : -1;
  const rows = [...table.tBodies[0].rows].map((row) => [cellKey(row, column), row]);
  rows.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null); // what is not given, last
    return sign * (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
  });
  table.tBodies[0].append(...rows.map(([, row]) => row));
  for (const heading of table.tHead.rows[0].cells) heading.removeAttribute("aria-sort");
  table.tHead.rows[0].cells[column].setAttribute("aria-sort", direction);
}

for (const button of all("button.sort")) {
  button.addEventListener("click", () => {
    const heading = button.closest("th");
    const now = heading.getAttribute("aria-sort");
    const other = { ascending: "descending", descending: "ascending" };
    sortTable(button.closest("table"), heading.cellIndex, other[now] ?? button.dataset.first);
  });
}

// ---- Bars: by name, or by the figures of a run.

for (const group of all(".order")) {
  const table = group.nextElementSibling;
  const names = [...table.tBodies];
  for (const button of all("button", group)) {
    button.addEventListener("click", () => {
      const run = button.dataset.order;
      const value = (body) => {
        const row = body.querySelector(`tr[data-run="${run}"]`);
        return row ? Number(row.dataset.value) : -Infinity;
      };
      table.append(...(run === "name" ? names : [...names].sort((a, b) => value(b) - value(a))));
      for (const each of all("button", group)) each.setAttribute("aria-pressed", each === button);
    });
  }
}

// ---- Light and dark: the system's choice until the button is pressed.

const theme = one("theme");
const isDark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};
const nameTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
theme.hidden = false;
nameTheme();
theme.addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  nameTheme();
  player?.draw();
});

// ---- Player: image and masks of a frame on one canvas; the wipe parts two layers.

const percent = (value) => (value === null || value === undefined ? "–" : (100 * value).toFixed(1));

class Pictures {
  // Loaded images by address, the latest few hundred of them.
  constructor(limit = 300) {
    this.limit = limit;
    this.known = new Map();
  }

  get(url) {
    let entry = this.known.get(url);
    if (entry) this.known.delete(url);
    else {
      const image = new Image();
      entry = new Promise((resolve) => {
        image.onload = () => resolve(image);
        image.onerror = () => resolve(null);
      });
      image.src = url;
    }
    this.known.set(url, entry);
    if (this.known.size > this.limit) this.known.delete(this.known.keys().next().value);
    return entry;
  }
}

class Player {
  constructor(data) {
    this.data = data;
    this.pictures = new Pictures();
    this.canvas = one("p-canvas");
    this.layer = document.createElement("canvas"); // a mask, tinted
    this.edge = document.createElement("canvas");
    this.index = 0;
    this.playing = false;
    this.turn = 0; // the latest drawing asked for; older ones are dropped
    this.listen();
    this.open(0);
  }

  get sequence() { return this.data.sequences[Number(one("p-sequence").value)]; }

  open(number, index = 0) {
    one("p-sequence").value = number;
    const { frames, size, measures } = this.sequence;
    for (const canvas of [this.canvas, this.layer, this.edge]) [canvas.width, canvas.height] = size;
    this.canvas.parentElement.style.setProperty("--aspect", size[0] / size[1]);
    const runs = this.data.runs.map((name, run) => [`run${run}`, name, measures[run] !== null]);
    const choices = [...runs, ["truth", "ground truth", true], ["none", "image only", true]];
    const first = choices.filter(([, , there]) => there);
    for (const [id, standard] of [["p-left", first[0]], ["p-right", first[1]]]) {
      const select = one(id);
      const before = select.value;
      select.replaceChildren(...choices.map(([value, name, there]) => {
        const option = new Option(name, value);
        option.disabled = !there;
        return option;
      }));
      const kept = choices.find(([value, , there]) => value === before && there);
      select.value = (kept ?? standard)[0];
    }
    one("p-frame").max = frames.length - 1;
    this.curves();
    return this.show(index);
  }

  curves() {
    // J (or the first measure) of the runs on either side, as a track for the slider.
    const { measures, frames } = this.sequence;
    const paths = [one("p-left").value, one("p-right").value].flatMap((side) => {
      const run = Number(side.replace("run", ""));
      const values = side.startsWith("run") && Object.values(measures[run])[0];
      if (!values) return [];
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      const step = 1000 / Math.max(1, frames.length - 1);
      let pen = "M";
      path.setAttribute("d", values.map((value, i) => {
        if (value === null) { pen = "M"; return ""; }
        const word = `${pen}${(i * step).toFixed(1)} ${(100 - 100 * value).toFixed(1)}`;
        pen = "L";
        return word;
      }).join(""));
      path.setAttribute("class", `line line-${run % 6}`);
      return [path];
    });
    one("p-curves").replaceChildren(...paths);
  }

  // Showing

  url(kind, index) {
    const ending = kind === "frames" ? "webp" : "png";
    return `${this.sequence.folder}/${kind}/${String(index).padStart(5, "0")}.${ending}`;
  }

  load(index) {
    const kinds = new Set(["frames", "truth", one("p-left").value, one("p-right").value]);
    kinds.delete("none");
    const names = [...kinds];
    return Promise.all(names.map((kind) => this.pictures.get(this.url(kind, index))))
      .then((images) => Object.fromEntries(names.map((kind, i) => [kind, images[i]])));
  }

  async show(index) {
    const last = this.sequence.frames.length - 1;
    this.index = Math.min(Math.max(index, 0), last);
    one("p-frame").value = this.index;
    for (let i = 1; i <= 6; i++) this.load((this.index + i) % (last + 1));
    this.tell();
    await this.draw();
  }

  async draw() {
    const turn = ++this.turn;
    const images = await this.load(this.index);
    if (turn !== this.turn || !images.frames) return;
    const { width, height } = this.canvas;
    const at = Math.round((width * Number(one("p-wipe").value)) / 100);
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    this.side(context, images, one("p-left").value, 0, at);
    this.side(context, images, one("p-right").value, at, width);
    this.names();
    this.canvas.dataset.frame = this.index;
  }

  side(context, images, kind, from, to) {
    const { width, height } = this.canvas;
    const opacity = Number(one("p-opacity").value) / 100;
    const errors = one("p-view").value === "errors" && kind.startsWith("run");
    context.save();
    context.beginPath();
    context.rect(from, 0, to - from, height);
    context.clip();
    context.drawImage(images.frames, 0, 0, width, height);
    if (errors) {
      context.globalCompositeOperation = "saturation";
      context.fillStyle = "#808080";
      context.fillRect(0, 0, width, height);
      context.globalCompositeOperation = "source-over";
      context.fillStyle = "rgb(0 0 0 / .4)"; // dimmed, so that the colours stand out
      context.fillRect(0, 0, width, height);
      const { extra, missed } = this.data.colors;
      this.tint(context, images[kind], images.truth, "destination-in", "#ffffff", 0.4 * opacity);
      this.tint(context, images[kind], images.truth, "destination-out", extra, opacity);
      this.tint(context, images.truth, images[kind], "destination-out", missed, opacity);
    } else if (images[kind]) {
      this.tint(context, images[kind], null, null, this.color(kind), opacity);
      this.rim(context, images[kind], this.color(kind), opacity);
    }
    if (one("p-outline").checked) this.rim(context, images.truth, "#ffffff", 1);
    context.restore();
  }

  color(kind) {
    if (kind === "truth") return "#ffffff";
    // Light shades show on dark pictures and on bright ones, whatever the page's theme.
    return ["#2fd0c3", "#ff8a5c", "#9a9dff", "#e6c34a", "#f07fc8", "#b9c8d4"][Number(kind.slice(3)) % 6];
  }

  tint(context, mask, other, operation, color, opacity) {
    if (!mask) return;
    const { width, height } = this.layer;
    const layer = this.layer.getContext("2d");
    layer.globalCompositeOperation = "source-over";
    layer.clearRect(0, 0, width, height);
    layer.drawImage(mask, 0, 0, width, height);
    if (other) {
      layer.globalCompositeOperation = operation;
      layer.drawImage(other, 0, 0, width, height);
    }
    layer.globalCompositeOperation = "source-in";
    layer.fillStyle = color;
    layer.fillRect(0, 0, width, height);
    context.globalAlpha = opacity;
    context.drawImage(this.layer, 0, 0);
    context.globalAlpha = 1;
  }

  rim(context, mask, color, opacity) {
    // The mask, a pixel larger all round, less the mask itself.
    if (!mask) return;
    const { width, height } = this.edge;
    const edge = this.edge.getContext("2d");
    edge.globalCompositeOperation = "source-over";
    edge.clearRect(0, 0, width, height);
    for (const [x, y] of [[-1, 0], [1, 0], [0, -1], [0, 1], [-1, -1], [1, 1], [-1, 1], [1, -1]]) {
      edge.drawImage(mask, x, y, width, height);
    }
    this.tint(context, this.edge, mask, "destination-out", color, Math.min(1, 1.8 * opacity));
  }

  names() {
    // What is on either side, and where they part.
    const share = Number(one("p-wipe").value);
    for (const side of ["p-left", "p-right"]) {
      one(`${side}-name`).textContent = one(side).selectedOptions[0].text;
      one(`${side}-name`).hidden = side === "p-left" ? share < 5 : share > 95;
    }
    one("p-divider").hidden = share <= 0 || share >= 100;
    one("p-divider").style.left = `${share}%`;
  }

  words() {
    const { name, frames, measures } = this.sequence;
    const sides = [...new Set([one("p-left").value, one("p-right").value])];
    const figures = sides.filter((side) => side.startsWith("run")).map((side) => {
      const run = Number(side.slice(3));
      const values = Object.entries(measures[run]).map(([m, v]) => `${m} ${percent(v[this.index])}`);
      return { run, text: `${this.data.runs[run]}: ${values.join(", ")}` };
    });
    return [`${name}, frame ${frames[this.index]} (${this.index + 1} of ${frames.length})`, ...figures];
  }

  tell() {
    const [where, ...figures] = this.words();
    const bold = document.createElement("b");
    bold.textContent = where;
    const spans = figures.map(({ run, text }) => {
      const span = document.createElement("span");
      const key = document.createElement("i");
      key.className = `key key-${run % 6}`;
      span.append(key, text);
      return span;
    });
    one("p-status").replaceChildren(bold, ...spans);
    one("p-frame").setAttribute("aria-valuetext", where);
    clearTimeout(this.speaking); // a screen reader hears where it stops, not every frame
    if (!this.playing) {
      this.speaking = setTimeout(() => { one("p-spoken").textContent = [where, ...figures.map(({ text }) => text)].join(". "); }, 500);
    }
  }

  // Playing

  play() {
    if (this.playing) return;
    this.playing = true;
    this.label();
    this.tick();
  }

  async tick() {
    const begun = performance.now();
    const next = (this.index + 1) % this.sequence.frames.length;
    await this.load(next); // never ahead of what can be shown
    if (!this.playing) return;
    await this.show(next);
    const rest = 1000 / Number(one("p-speed").value) - (performance.now() - begun);
    this.timer = setTimeout(() => this.tick(), Math.max(0, rest));
  }

  pause() {
    this.playing = false;
    clearTimeout(this.timer);
    this.label();
    this.tell();
  }

  label() {
    const button = one("p-play");
    button.classList.toggle("playing", this.playing);
    button.setAttribute("aria-label", this.playing ? "Pause" : "Play");
  }

  step(by) {
    this.pause();
    return this.show(this.index + by);
  }

  // Listening

  listen() {
    const { canvas } = this;
    one("p-play").addEventListener("click", () => (this.playing ? this.pause() : this.play()));
    one("p-back").addEventListener("click", () => this.step(-1));
    one("p-next").addEventListener("click", () => this.step(1));
    one("p-frame").addEventListener("input", (event) => {
      this.pause();
      this.show(Number(event.target.value));
    });
    one("p-sequence").addEventListener("change", (event) => this.open(Number(event.target.value)));
    for (const id of ["p-left", "p-right"]) {
      one(id).addEventListener("change", () => { this.curves(); this.show(this.index); });
    }
    one("p-view").addEventListener("change", (event) => {
      one("p-legend").hidden = event.target.value !== "errors";
      this.draw();
    });
    one("p-outline").addEventListener("change", () => this.draw());
    for (const id of ["p-opacity", "p-wipe"]) one(id).addEventListener("input", () => this.draw());

    const wipe = (event) => {
      const box = canvas.getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      one("p-wipe").value = Math.round(100 * Math.min(1, Math.max(0, share)));
      this.draw();
    };
    canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); wipe(event); });
    canvas.addEventListener("pointermove", (event) => { if (event.buttons) wipe(event); });
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const keys = {
        " ": () => (this.playing ? this.pause() : this.play()),
        ArrowLeft: () => this.step(-1),
        ArrowRight: () => this.step(1),
        Home: () => this.step(-Infinity),
        End: () => this.step(Infinity),
      };
      if (keys[event.key]) {
        event.preventDefault();
        keys[event.key]();
      }
    });
  }
}

const source = one("player-data");
const player = source ? new Player(JSON.parse(source.textContent)) : null;

// ---- Curves: the pointer reads the figures; a click takes the player there.

function readCurves(figure, sequence, number) {
  const reading = figure.querySelector(".reading");
  const at = (event, panel) => {
    const box = panel.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    return Math.round(share * (sequence.frames.length - 1));
  };
  for (const panel of all(".panel", figure)) {
    const measure = panel.querySelector(".measure").textContent;
    panel.addEventListener("pointermove", (event) => {
      const index = at(event, panel);
      for (const cursor of all(".cursor", figure)) {
        cursor.hidden = false;
        cursor.style.left = `${(100 * index) / Math.max(1, sequence.frames.length - 1)}%`;
      }
      const values = sequence.measures.flatMap((measures) => (measures?.[measure] ? percent(measures[measure][index]) : []));
      reading.textContent = `${sequence.frames[index]}: ${measure} ${values.join(" / ")}`;
    });
    panel.addEventListener("pointerleave", () => {
      reading.textContent = "";
      for (const cursor of all(".cursor", figure)) cursor.hidden = true;
    });
    panel.addEventListener("click", (event) => go(number, at(event, panel)));
  }
  figure.classList.add("clickable");
}

function go(number, index) {
  player.pause();
  one("player").scrollIntoView();
  player.canvas.focus({ preventScroll: true });
  return player.open(number, index);
}

if (player) {
  player.data.sequences.forEach((sequence, number) => {
    const figure = all(".multiple").find((each) => each.dataset.sequence === sequence.name);
    readCurves(figure, sequence, number);
    figure.querySelector(".open").addEventListener("click", () => go(number, 0).then(() => player.play()));
  });
}
