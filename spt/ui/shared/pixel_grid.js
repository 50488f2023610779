// ------------------------------------------------------------------------------------------------------------- formulas
// The same as spt/interpolation.py and spt/transforms.py: coordinates are centred, in pixels; outside all is 0.

/** What becomes of a value v after the warp: k v + b, clipped to [0, 1], where the transformation changes values. */
const CHANGES = {
  brightness: ([percent]) => [1, percent / 100],
  contrast: ([logPercent]) => [Math.exp(logPercent / 100), 0],
  "rotation-brightness": ([, percent]) => [1, percent / 100],
};

/** Where the transformed image's (x, y) reads: [a, b, e, c, d, f] with source (a x + b y + e, c x + d y + f). */
export const affine = (kind, values) => {
  if (kind === "translation") return [1, 0, -values[0], 0, 1, -values[1]];
  if (kind in CHANGES && kind !== "rotation-brightness") return [1, 0, 0, 0, 1, 0];
  if (kind === "shear") return [1, values[0] / 100, 0, 0, 1, 0];
  if (kind === "scaling") {
    const factor = Math.exp(-values[0] / 100);
    return [factor, 0, 0, 0, factor, 0];
  }
  const radians = values[0] * (Math.PI / 180), factor = kind === "rotation-scaling" ? Math.exp(-values[1] / 100) : 1;
  const cosine = factor * Math.cos(radians), sine = factor * Math.sin(radians);
  return [cosine, -sine, 0, sine, cosine, 0];
};

/** Where (x, y) of a transformed image lies in its original. */
export const source = (kind, values, x, y) => {
  const [a, b, e, c, d, f] = affine(kind, values);
  return [a * x + b * y + e, c * x + d * y + f];
};

/** T_values of an image: planes of numbers, one after the other. */
export const warp = (image, [channels, height, width], kind, values) => {
  const found = new Float64Array(image.length), plane = width * height, [a, b, e, c, d, f] = affine(kind, values);
  const halfX = (width - 1) / 2, halfY = (height - 1) / 2, reachX = (width + 1) / 2, reachY = (height + 1) / 2;
  for (let row = 0; row < height; row++) for (let column = 0; column < width; column++) {
    const x = column - halfX, y = row - halfY;
    const sx = Math.min(reachX, Math.max(-reachX, a * x + b * y + e)) + halfX;
    const sy = Math.min(reachY, Math.max(-reachY, c * x + d * y + f)) + halfY;
    const left = Math.floor(sx), top = Math.floor(sy), right = sx - left, down = sy - top;
    const inLeft = left >= 0 && left < width, inRight = left + 1 >= 0 && left + 1 < width;
    const inTop = top >= 0 && top < height, inBottom = top + 1 >= 0 && top + 1 < height;
    for (let channel = 0; channel < channels; channel++) {
      const at = channel * plane + top * width + left;
      let value = 0;
      if (inTop && inLeft) value += image[at] * (1 - right) * (1 - down);
      if (inTop && inRight) value += image[at + 1] * right * (1 - down);
      if (inBottom && inLeft) value += image[at + width] * (1 - right) * down;
      if (inBottom && inRight) value += image[at + width + 1] * right * down;
      found[channel * plane + row * width + column] = value;
    }
  }
  if (!(kind in CHANGES)) return found;
  const [gain, offset] = CHANGES[kind](values);
  return found.map((value) => Math.min(1, Math.max(0, gain * value + offset)));
};

/** The grey level 0 to 255 that Python's to_8_bit gives a value: in float32, halves to the even one. */
export const level = (value) => {
  const scaled = Math.fround(Math.min(1, Math.max(0, Math.fround(value))) * 255), below = Math.floor(scaled);
  const rest = scaled - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
};

/** All parameters that warps add up to; the parameters of every transformation add. */
export const total = (warps, values) => {
  const found = [];
  for (const one of warps) one.added.forEach((added, k) => { found[k] = (found[k] || 0) + added + (one.by_control ? values[k] : 0); });
  return found;
};

/** A value that the control offers: a multiple of its step within its range; an angle goes round. */
export const offered = (value, { limit, step, unit }) => {
  if (unit === "°" && limit === 180 && Math.abs(value) > 180) value -= 360 * Math.round(value / 360);
  const found = Number((Math.round(Math.min(limit, Math.max(-limit, value)) / step) * step).toFixed(6));
  return found + 0 || 0;
};

/** How far a key moves a control: 1, with Shift a tenth or the smallest step above it. */
export const keyStep = (axis, fine) => fine ? Math.max(0.1, axis.step) : 1;

/** Degrees, counter-clockwise as seen, from one place to another around the middle. */
export const turned = ([x0, y0], [x1, y1]) => {
  const degrees = (Math.atan2(-y1, x1) - Math.atan2(-y0, x0)) * 180 / Math.PI;
  return degrees - 360 * Math.round(degrees / 360);
};

/** What a drag from one place to another around the middle adds to the parameters of a transformation: the image follows the pointer. */
export const dragged = (kind, last, here) => {
  const [from, to] = [Math.hypot(...last), Math.hypot(...here)];
  if (kind === "translation") return here.map((value, axis) => value - last[axis]);
  if (kind === "brightness" || kind === "contrast") return [here[0] - last[0]];
  if (kind === "shear") return [Math.abs(last[1]) > 1.5 ? -100 * (here[0] - last[0]) / last[1] : 0];
  if (Math.min(from, to) <= 1.5) return [0, 0];
  const grown = 100 * Math.log(to / from);
  return kind === "scaling" ? [grown, 0] : [turned(last, here), kind === "rotation-scaling" ? grown : 0];
};

// ---------------------------------------------------------------------------------------------------------------- words

const minus = (text) => text.replace("-", "−");
export const down = (value) => minus((Math.floor(value * 1000 + 1e-6) / 1000).toFixed(3));
export const up = (value) => minus((Math.ceil(value * 1000 - 1e-6) / 1000).toFixed(3));
const near = (value) => minus(value.toFixed(3)).replace(/^−(0\.000)$/, "$1");
const channelNames = (count) => count === 1 ? [""] : ["red ", "green ", "blue "];
export const shown = (value, axis) => `${minus(value.toFixed(axis.step < 0.1 ? 2 : 1))}${axis.unit === "°" ? "" : " "}${axis.unit}`;

/** What is said of one pixel of one image. */
export const reading = ({ size, reading: said, bytes }, row, column) => {
  const [, height, width] = size, words = [];
  if (!said.eightBit && !said.values && !said.low) return said.words;
  channelNames(said.channels).forEach((name, channel) => {
    const at = (channel * height + row) * width + column;
    if (said.low) {
      const truth = said.truth ? said.truth[at] : null, inside = truth !== null && truth >= said.low[at] && truth <= said.high[at];
      words.push(`${name}[${down(said.low[at])}, ${up(said.high[at])}]`
        + (truth === null ? "" : `, is ${near(truth)}${inside ? " ✓ inside" : ""}`));
    } else words.push(name + near(said.eightBit ? bytes[4 * (row * width + column) + channel] / 255 : said.values[at]));
  });
  return `${said.words} ${words.join(", ")}`;
};

/** What is said of the way of a pixel's source: its arc's range, the cells that it meets, the interval of its value. */
export const sourceWords = (sources, size, at) => {
  const [channels, height, width] = size, [x0, x1, y0, y1] = sources.boxes.subarray(4 * at, 4 * at + 4), values = [];
  for (let channel = 0; channel < channels; channel++) {  // what is interpolated between pixels lies in [0, 1] as they do
    const k = channel * width * height + at;
    values.push(`[${down(Math.max(0, sources.low[k]))}, ${up(Math.min(1, sources.high[k]))}]`);
  }
  const count = cells(x0, x1).length * cells(y0, y1).length;
  return `reads columns ${near(x0)} to ${near(x1)} and rows ${near(y0)} to ${near(y1)}: ${count} interpolation cell`
    + `${count > 1 ? "s" : ""}, value in ${values.join(", ")}`;
};
const cells = (from, to) => {
  const first = Math.floor(from), last = Math.max(first, Math.ceil(to) - 1);
  return Array.from({ length: last - first + 1 }, (_, k) => first + k);
};

// --------------------------------------------------------------------------------------------------------------- marks

const MARK = "#E69F00", CELL = "#56B4E9", POINTED = "#FFFFFF";
/** A pixel's frame; around it by some part of a pixel. */
const corners = (row, column, outside = 0, half = 0.5 + outside) => [[-1, -1], [1, -1], [1, 1], [-1, 1]].map(([x, y]) => [column + x * half, row + y * half]);

/** The arc and the cells of one pixel's source, as lines. */
const sourceMarks = (sources, at) => {
  const [x0, x1, y0, y1] = sources.boxes.subarray(4 * at, 4 * at + 4), arc = [];
  for (let k = 0; k < sources.points; k++) arc.push([0, 1].map((axis) => sources.arcs[2 * (at * sources.points + k) + axis]));
  const boxes = cells(y0, y1).flatMap((row) => cells(x0, x1).map((column) => corners(row + 0.5, column + 0.5)));
  return [...boxes.map((points) => ({ points, closed: true, colour: CELL, wide: 1 })), { points: arc, colour: MARK, wide: 2.5 }];
};

const paint = (context, mark, place, unit) => {
  const path = () => {
    context.beginPath();
    if (mark.radius) {
      const [x, y] = place(mark.points[0]), [edge] = place([mark.points[0][0] + mark.radius, mark.points[0][1]]);
      context.arc(x, y, edge - x, 0, 2 * Math.PI);
    } else mark.points.forEach((point, k) => context[k ? "lineTo" : "moveTo"](...place(point)));
    if (mark.closed) context.closePath();
  };
  context.lineJoin = context.lineCap = "round";
  context.setLineDash(mark.dashed ? [4 * unit, 3 * unit] : []);
  for (const [colour, width] of [["rgba(0,0,0,.65)", (mark.wide || 2) + 2], [mark.colour, mark.wide || 2]]) {
    context.strokeStyle = colour; context.lineWidth = width * unit;
    path(); context.stroke();
  }
  context.setLineDash([]);
};

const escaped = (text) => text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
const markSvg = (mark, place) => {
  const dash = mark.dashed ? ' stroke-dasharray="6 5"' : "", style = `fill="none" stroke="${mark.colour}" stroke-width="${mark.wide || 2}"${dash}`;
  if (mark.radius) {
    const [x, y] = place(mark.points[0]), [edge] = place([mark.points[0][0] + mark.radius, mark.points[0][1]]);
    return `<circle cx="${x}" cy="${y}" r="${edge - x}" ${style}/>`;
  }
  return `<${mark.closed ? "polygon" : "polyline"} points="${mark.points.map((point) => place(point).join(",")).join(" ")}" ${style}/>`;
};

/** Images side by side as one SVG: [{url, size, title, marks}]. */
export const asSvg = (images, factor, gap = 16) => {
  let left = 0, body = "", height = 0;
  for (const { url, size: [, rows, columns], title, marks } of images) {
    const from = left;
    body += `<image href="${url}" x="${from}" y="0" width="${columns * factor}" height="${rows * factor}" style="image-rendering:pixelated"/>`
      + marks.map((mark) => markSvg(mark, ([x, y]) => [from + (x + 0.5) * factor, (y + 0.5) * factor])).join("")
      + `<text x="${from + columns * factor / 2}" y="${rows * factor + 22}" text-anchor="middle">${escaped(title)}</text>`;
    left += columns * factor + gap; height = Math.max(height, rows * factor);
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${left - gap}" height="${height + 32}" font-family="sans-serif" font-size="14">${body}</svg>`;
};

/** By which whole number an export enlarges pixels. */
export const enlargement = (height, width) => Math.max(1, Math.floor(560 / Math.max(height, width)));

// ------------------------------------------------------------------------------------------------------ pieces of a page

const floats = (text) => text ? new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer) : null;
const element = (tag, attributes = {}, ...children) => {
  const found = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) found.setAttribute(name, value);
  found.append(...children);
  return found;
};
const same = (a, b) => a.length === b.length && a.every((value, k) => value === b[k]);
const isStill = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
const save = (name, url) => element("a", { href: url, download: name }).click();

/** A picture as a canvas of its own size. */
const decoded = async (url, [, height, width]) => {
  const image = new Image();
  await new Promise((done, failed) => { image.onload = done; image.onerror = failed; image.src = url; });
  const canvas = element("canvas");
  canvas.width = width; canvas.height = height;
  canvas.getContext("2d", { willReadFrequently: true }).drawImage(image, 0, 0);
  return canvas;
};
const bytesOf = (canvas) => canvas.getContext("2d", { willReadFrequently: true }).getImageData(0, 0, canvas.width, canvas.height).data;

/** Planes of numbers from a canvas of 8 bits. */
const planes = (bytes, [channels, height, width]) => {
  const plane = height * width, found = new Float64Array(channels * plane);
  for (let channel = 0; channel < channels; channel++) for (let k = 0; k < plane; k++) found[channel * plane + k] = bytes[4 * k + channel] / 255;
  return found;
};

/** Numbers drawn on a canvas of the image's size, as `level` rounds them (as bytes that are clamped are rounded, too). */
const drawnOn = (canvas, values, [channels, height, width]) => {
  const context = canvas.getContext("2d"), image = context.createImageData(width, height), plane = height * width, bytes = image.data;
  const second = channels === 3 ? plane : 0, third = 2 * second;
  for (let k = 0, at = 0; k < plane; k++, at += 4) {
    bytes[at] = Math.fround(Math.fround(values[k]) * 255);
    bytes[at + 1] = second ? Math.fround(Math.fround(values[k + second]) * 255) : bytes[at];
    bytes[at + 2] = second ? Math.fround(Math.fround(values[k + third]) * 255) : bytes[at];
    bytes[at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
};

// -------------------------------------------------------------------------------------------------------------- gallery

/** Pictures of which one is chosen: a list box, one stop of the Tab key. */
const gallery = (root, data, send) => {
  const move = (index) => {
    list.active = Math.min(data.pictures.length - 1, Math.max(0, index));
    [...list.children].forEach((option, k) => option.classList.toggle("active", k === list.active));
    list.setAttribute("aria-activedescendant", `option-${list.active}`);
    list.children[list.active]?.scrollIntoView?.({ block: "nearest" });
  };
  let list = root.firstElementChild;
  const name = data.pictures.map((picture) => picture.caption + picture.url.length).join();
  if (!list || root.dataset.name !== name) {
    root.dataset.name = name;
    list = element("div", { class: "gallery", role: "listbox", tabindex: "0", "aria-label": "Images to choose from" },
      ...data.pictures.map(({ url, caption }, k) =>
        element("div", { role: "option", id: `option-${k}`, title: caption }, element("img", { src: url, alt: caption }))));
    root.replaceChildren(list);
  }
  list.onkeydown = (event) => {
    const across = Math.max(1, [...list.children].findIndex((option) => option.offsetTop > list.children[0].offsetTop));
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === "Enter" || event.key === " ") send("chosen", list.active);
    else if (by === undefined) return;
    else move(list.active + by);
    event.preventDefault();
  };
  [...list.children].forEach((option, k) => {
    option.onclick = () => { move(k); send("chosen", k); };
    option.setAttribute("aria-selected", String(k === data.chosen));
  });
  move(data.chosen);
};

// --------------------------------------------------------------------------------------------------------------- images

const HINT = "Point at a pixel to read its values (keys: arrows, Enter, + − 0).";

/** The images of one mount and what a person does with them. */
class Images {
  constructor(root) {
    this.root = root;
    this.zoom = { factor: 1, x: 0, y: 0 };
    this.serial = 0; this.waiting = 0; this.taken = 0; this.painted = 0;
    this.preview = null; this.mark = null; this.drag = null; this.pinch = null; this.playing = false;
    this.fingers = new Map();
    this.pictures = element("div", { class: "pictures", role: "group", tabindex: "0" });
    this.sliders = element("div", { class: "sliders" });
    this.words = element("p", { class: "words", role: "status" });
    this.tools = element("div", { class: "tools", role: "toolbar", "aria-label": "Zoom and save" });
    this.play = element("button", { type: "button", class: "play" });
    this.pass = element("span", { class: "pass", role: "status" });
    this.line = element("p", { class: "line" }, this.play, " ", this.pass);
    root.replaceChildren(this.pictures, this.sliders, this.line, element("div", { class: "below" }, this.words, this.tools));
    this.makeTools();
    this.pictures.onkeydown = (event) => this.key(event);
    this.pictures.onblur = () => this.point(null);
    this.linked = (event) => root.isConnected ? this.follow(event.detail) : document.removeEventListener("spt:pixel", this.linked);
    this.asked = (event) => root.isConnected ? this.obey(event.detail) : document.removeEventListener("spt:move", this.asked);
    document.addEventListener("spt:pixel", this.linked);
    document.addEventListener("spt:move", this.asked);
    if (globalThis.ResizeObserver) new ResizeObserver(() => this.layOut()).observe(this.pictures);
  }

  // ------------------------------------------------------------------------------------------ what Python sends

  /** Show what Python sent, all of it at once. */
  async take(data, send) {
    const turn = ++this.taken;
    this.send = send;
    const readings = data.pictures.map((one) => one.reading && { ...one.reading, ...Object.fromEntries(
      ["values", "low", "high", "truth"].map((name) => [name, floats(one.reading[name])])) });
    const items = await Promise.all(data.pictures.map(async (one, k) => {
      if (one.kind === "drawing") return { ...one };
      const canvases = await Promise.all(one.urls.map((url) => decoded(url, one.size)));
      const said = readings[one.reading.of ?? k];
      const sources = one.sources && { ...one.sources, ...Object.fromEntries(
        ["arcs", "boxes", "low", "high"].map((name) => [name, floats(one.sources[name])])) };
      return { ...one, canvases, reading: said, sources, bytes: said.eightBit ? bytesOf(canvases[0]) : null };
    }));
    const control = data.control, base = control && await this.baseOf(control, items);
    if (turn !== this.taken) return;
    this.data = data; this.base = base;
    this.build(items);
    if (control) {
      this.serial = Math.max(this.serial, control.answered);
      if (!this.drag && !this.timer && !(this.waiting > control.answered)) this.endPreview();
      this.makeSliders();
    } else this.sliders.replaceChildren();
    this.startFrames();
    this.startPlaying();
    this.layOut();
  }

  async baseOf(control, items) {
    if (control.image) return floats(control.image);
    const canvas = control.url ? await decoded(control.url, control.size) : items[control.base].canvases[0];
    return planes(bytesOf(canvas), control.size);
  }

  /** The figures, as few new ones as can be. */
  build(items) {
    const shape = items.map((one) => one.kind + (one.preview ? "moves" : "")).join();
    if (this.shape !== shape) {
      this.shape = shape;
      this.figures = items.map((one) => this.makeFigure(one));
      this.pictures.replaceChildren(...this.figures.map((figure) => figure.box));
    }
    const drawn = items.some((one) => one.kind === "drawing");
    this.pictures.setAttribute("class", drawn ? "pictures beside" : `pictures of${items.length}`);
    this.pictures.setAttribute("aria-label", `Images: ${items.map((one) => one.title).join("; ")}. Arrow keys move the marked pixel.`);
    this.pictures.style.setProperty("--count", items.length);
    this.items = items;
    items.forEach((one, k) => {
      this.figures[k].caption.textContent = one.title;
      this.figures[k].canvas?.setAttribute("aria-label", one.alt);
    });
  }

  makeFigure(item) {
    const caption = element("figcaption");
    if (item.kind === "drawing") {
      const drawing = element("div", { class: "drawing" });
      return { box: element("figure", { class: "drawn" }, drawing, caption), caption, drawing };
    }
    const canvas = element("canvas", { role: "img" }), badge = element("span", { class: "badge" });
    const figure = { box: element("figure", {}, element("div", { class: "frame" }, canvas, badge), caption), caption, canvas, badge };
    const number = () => this.figures.indexOf(figure);
    badge.hidden = true;
    canvas.onpointermove = (event) => this.pointerMoves(event, number());
    canvas.onpointerleave = (event) => { if (!this.drag && event.pointerType !== "touch") this.point(null); };
    canvas.onpointerdown = (event) => this.pointerDown(event, number());
    canvas.onpointerup = canvas.onpointercancel = (event) => this.pointerUp(event, number());
    canvas.ondblclick = () => this.zoomTo(1);
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const [row, column] = this.pixelAt(event, number());
      this.zoomTo(this.zoom.factor * (event.deltaY < 0 ? 1.25 : 0.8), [column, row]);
    }, { passive: false });
    if (item.preview) {
      canvas.setAttribute("role", "slider");
      canvas.setAttribute("tabindex", "0");
      canvas.setAttribute("class", "moves");
      canvas.onkeydown = (event) => this.turnByKey(event, 0);
    }
    return figure;
  }

  // ------------------------------------------------------------------------------------------------------ drawing

  layOut() {
    if (!this.items) return;
    const dense = globalThis.devicePixelRatio || 1;
    this.items.forEach((one, k) => {
      const { canvas, box } = this.figures[k];
      if (!canvas) return;
      const [, height, width] = one.size, room = Math.max(24, box.clientWidth || 24) * dense;
      const factor = room >= width ? Math.floor(room / width) : room / width;
      const size = [Math.round(width * factor), Math.round(height * factor)];
      if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
      canvas.style.width = `${size[0] / dense}px`; canvas.style.height = `${size[1] / dense}px`;
    });
    this.draw();
  }

  /** The part of an image that is seen: left, upper edge, width and height in pixels. */
  part([, height, width]) {
    const { factor, x, y } = this.zoom, seen = [width / factor, height / factor];
    return [Math.min(width - seen[0], Math.max(0, x)), Math.min(height - seen[1], Math.max(0, y)), ...seen];
  }

  draw() {
    if (!this.items) return;
    const dense = globalThis.devicePixelRatio || 1;
    this.items.forEach((one, k) => {
      const figure = this.figures[k];
      if (one.kind === "drawing") {
        const svg = one.svg[Math.min(this.shownFrame || 0, one.svg.length - 1)];
        if (figure.svg !== svg) { figure.drawing.innerHTML = svg; figure.svg = svg; }
        return;
      }
      const { canvas } = figure, context = canvas.getContext("2d"), [left, top, wide, high] = this.part(one.size);
      const scale = canvas.width / wide, place = ([x, y]) => [(x + 0.5 - left) * scale, (y + 0.5 - top) * scale];
      context.imageSmoothingEnabled = scale < 1;
      context.drawImage(this.pictureOf(k), left, top, wide, high, 0, 0, canvas.width, canvas.height);
      for (const mark of this.marksOf(k, scale / dense)) paint(context, mark, place, dense);
    });
    this.words.textContent = this.wordsOf();
  }

  /** What image k shows now: its preview, its frame, or the image itself. */
  pictureOf(k) {
    const one = this.items[k];
    if (this.preview && one.preview) return this.figures[k].moved;
    return one.canvases[one.canvases.length > 1 ? Math.min(this.shownFrame || 0, one.canvases.length - 1) : 0];
  }

  // ------------------------------------------------------------------------------------------------ linked pixels

  /** Parameters of all that image k has gone through, as it is shown. */
  frameOf(k) {
    const { warps, preview } = this.items[k], control = this.data.control;
    return total(warps, control ? (preview && this.preview) || control.axes.map((axis) => axis.value) : []);
  }
  kindOf(k) { return this.items[k].warps[0]?.kind || "rotation"; }

  /** Where a place (column, row) of a mark's image lies in image k. */
  carried(mark, k, [column, row]) {
    const frame = this.frameOf(k), [, height, width] = this.items[k].size;
    if (same(frame, mark.frame)) return [column, row];
    let x = column - (width - 1) / 2, y = row - (height - 1) / 2;
    if (mark.frame.length) [x, y] = source(mark.kind, mark.frame, x, y);
    if (frame.length) [x, y] = source(this.kindOf(k), frame.map((value) => -value), x, y);
    return [x + (width - 1) / 2, y + (height - 1) / 2];
  }
  fits(mark, k) { const one = this.items[k]; return one.kind === "image" && one.size[1] === mark.height && one.size[2] === mark.width; }

  /** Whether image k's pixels are those of the mark's image. */
  isSame(mark, k) { return same(this.frameOf(k), mark.frame); }

  chosenMark() {
    const chosen = this.data.chosen, one = this.items.find((item) => item.kind === "image");
    return chosen && { row: chosen[0], column: chosen[1], frame: [], kind: "rotation", height: one.size[1], width: one.size[2] };
  }

  /** The pixel whose sources are shown at first. */
  firstMark() {
    const shown = this.items.find((item) => item.sources);
    return shown && { row: Math.floor(shown.sources.first / shown.size[2]), column: shown.sources.first % shown.size[2], ...this.placed(shown.sources.of) };
  }
  placed(k) { return { frame: this.frameOf(k), kind: this.kindOf(k), height: this.items[k].size[1], width: this.items[k].size[2] }; }

  /** What is drawn over image k where a pixel is ``scale`` long: frames of small pixels lie around them. */
  marksOf(k, scale) {
    const one = this.items[k], found = one.shapes.map((shape) => ({ ...shape, wide: 1.5 }));
    const chosen = this.chosenMark(), mark = this.mark || this.firstMark();
    for (const [each, colour, wide] of [[chosen, MARK, 2.5], [mark, POINTED, 2]]) {
      if (!each || !this.fits(each, k)) continue;
      if (each === mark && one.sources) {
        const at = this.placeIn(mark, one.sources.of);
        if (at && !this.isSame(mark, k)) { found.push(...sourceMarks(one.sources, at[0] * one.size[2] + at[1])); continue; }
      }
      found.push({ points: corners(each.row, each.column, Math.max(0, 1.5 / scale - 0.1)).map((point) => this.carried(each, k, point)), closed: true, colour, wide });
    }
    return found;
  }

  /** Row and column of the pixel of image k nearest to a mark; null outside. */
  placeIn(mark, k) {
    const [column, row] = this.carried(mark, k, [mark.column, mark.row]).map((value) => Math.round(value)), [, height, width] = this.items[k].size;
    return row >= 0 && row < height && column >= 0 && column < width ? [row, column] : null;
  }

  wordsOf() {
    if (this.preview && (this.drag || this.waiting || !this.mark)) return this.controlWords().join(", ");
    const mark = this.mark || this.chosenMark() || this.firstMark();
    if (!mark) return HINT;
    const parts = [[], []];
    this.items.forEach((one, k) => {
      if (!this.fits(mark, k) || (this.preview && !one.preview)) return;
      const at = this.placeIn(mark, k), here = this.isSame(mark, k);
      if (one.sources && !here) {
        const from = this.placeIn(mark, one.sources.of);
        if (from) parts[0].push(sourceWords(one.sources, one.size, from[0] * one.size[2] + from[1]));
        return;
      }
      const [column, row] = this.carried(mark, k, [mark.column, mark.row]);
      const where = here ? "" : ` at row ${near(row)}, column ${near(column)}`;
      if (!at) parts[1].push(`outside ${one.reading.words}`);
      else if (this.preview) { if (here) parts[0].push(this.previewed(k, at)); }
      else parts[here ? 0 : 1].push(reading(one, ...at) + where);
    });
    return `${!this.mark && this.data.chosen ? "Chosen pixel" : "Pixel"} row ${mark.row}, column ${mark.column}: ${[...new Set(parts.flat())].join(" · ")}`;
  }

  previewed(k, [row, column]) {
    const { size: [channels, height, width], preview } = this.items[k];
    const values = channelNames(channels).map((name, c) => {
      const value = this.figures[k].numbers[(c * height + row) * width + column];
      return name + near(preview === "8-bit" ? level(value) / 255 : value);
    });
    return `${this.items[k].reading.words} ${values.join(", ")} (preview)`;
  }

  /** Mark a pixel (of image k), here and in the page's other images. */
  point(k, row, column) {
    const mark = k === null ? null : { row, column, ...this.placed(k) };
    if (!mark && !this.mark) return;
    this.mark = mark;
    if (k !== null) this.active = k;
    this.draw();
    document.dispatchEvent(new CustomEvent("spt:pixel", { detail: { from: this, mark } }));
  }
  follow({ from, mark }) {
    if (from === this || !this.items || (!mark && !this.mark)) return;
    this.mark = mark && this.items.some((_, k) => this.fits(mark, k)) ? mark : null;
    this.draw();
  }

  /** Choose the marked pixel: in the images that went through nothing. */
  choose() {
    const mark = this.mark || this.chosenMark(), plain = this.items.findIndex((one) => one.kind === "image" && !one.warps.length);
    const at = mark && (plain < 0 ? [mark.row, mark.column] : this.placeIn(mark, plain));
    if (at && this.data.choosable) this.send("chosen", at);
  }

  // ------------------------------------------------------------------------------------------- pointer, keys, zoom

  pixelAt(event, k) {
    const box = this.figures[k].canvas.getBoundingClientRect(), [left, top, wide, high] = this.part(this.items[k].size);
    return [Math.floor(top + (event.clientY - box.top) / box.height * high), Math.floor(left + (event.clientX - box.left) / box.width * wide)];
  }
  /** From the middle of an image, in its pixels. */
  fromMiddle(event, k) {
    const box = this.figures[k].canvas.getBoundingClientRect(), [, height, width] = this.items[k].size;
    return [((event.clientX - box.left) / box.width - 0.5) * width, ((event.clientY - box.top) / box.height - 0.5) * height];
  }

  pointerDown(event, k) {
    this.fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (this.fingers.size === 2) {
      if (this.drag?.moved && this.drag.moves) this.commit();
      this.drag = null;
      const [row, column] = this.pixelAt(event, k);
      this.pinch = { apart: this.apart(), factor: this.zoom.factor, around: [column, row] };
    }
    if (this.fingers.size > 1) return;
    const moves = this.items[k].preview && this.zoom.factor === 1;
    this.drag = { k, moves, moved: false, at: [event.clientX, event.clientY], last: this.fromMiddle(event, k), values: this.values(), zoom: { ...this.zoom } };
    this.playing = false;
    this.figures[k].canvas.setPointerCapture?.(event.pointerId);
  }

  /** How far two fingers are from one another. */
  apart() {
    const [[x0, y0], [x1, y1]] = this.fingers.values();
    return Math.max(1, Math.hypot(x1 - x0, y1 - y0));
  }

  pointerMoves(event, k) {
    const drag = this.drag;
    if (this.fingers.has(event.pointerId)) this.fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (this.pinch) return this.zoomTo(this.pinch.factor * this.apart() / this.pinch.apart, this.pinch.around);
    if (!drag || (!drag.moves && this.zoom.factor === 1)) {
      if (drag && Math.hypot(event.clientX - drag.at[0], event.clientY - drag.at[1]) > 4) drag.moved = true;
      this.words.setAttribute("aria-live", "off");
      const [row, column] = this.pixelAt(event, k), [, height, width] = this.items[k].size;
      return row >= 0 && row < height && column >= 0 && column < width ? this.point(k, row, column) : this.point(null);
    }
    const dx = event.clientX - drag.at[0], dy = event.clientY - drag.at[1];
    if (!drag.moved && Math.hypot(dx, dy) > 4) { drag.moved = true; this.point(null); }
    if (!drag.moved) return;
    if (drag.moves) {
      const here = this.fromMiddle(event, k);
      const more = dragged(this.data.control.kind, drag.last, here);
      drag.values = drag.values.map((value, axis) => value + more[axis]);
      drag.last = here;
      this.move(drag.values);
    } else {
      const box = this.figures[k].canvas.getBoundingClientRect(), [, , wide, high] = this.part(this.items[k].size);
      this.zoom = { ...drag.zoom, x: drag.zoom.x - dx / box.width * wide, y: drag.zoom.y - dy / box.height * high };
      this.draw();
    }
  }

  pointerUp(event, k) {
    const drag = this.drag;
    this.fingers.delete(event.pointerId);
    if (this.fingers.size < 2) this.pinch = null;
    this.drag = null;
    if (!drag) return;
    if (drag.moved && drag.moves) this.commit();
    else if (!drag.moved && event.type === "pointerup") {
      const [row, column] = this.pixelAt(event, k);
      this.point(k, row, column);
      this.choose();
    }
  }

  key(event) {
    if (event.target !== this.pictures) return;
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    this.words.setAttribute("aria-live", "polite");
    if (step) {
      const k = this.active ?? this.items.findIndex((one) => one.kind === "image"), [, height, width] = this.items[k].size;
      const from = (this.mark || this.chosenMark()) ?? { row: height >> 1, column: width >> 1, frame: this.frameOf(k) };
      const [row, column] = this.isSame(from, k) ? [from.row, from.column] : this.placeIn(from, k) ?? [height >> 1, width >> 1];
      this.point(k, Math.min(height - 1, Math.max(0, row + step[0])), Math.min(width - 1, Math.max(0, column + step[1])));
    } else if (event.key === "Enter" || event.key === " ") this.choose();
    else if (event.key === "+" || event.key === "=") this.zoomTo(this.zoom.factor * 2);
    else if (event.key === "-") this.zoomTo(this.zoom.factor / 2);
    else if (event.key === "0") this.zoomTo(1);
    else if (event.key === "Escape") this.pictures.blur();
    else return;
    event.preventDefault();
  }

  /** Zoom around a pixel: the one given, the marked one, or the middle. */
  zoomTo(factor, around = null) {
    const one = this.items.find((item) => item.kind === "image"), [left, top, wide, high] = this.part(one.size);
    const most = Math.max(1, Math.min(one.size[1], one.size[2]) / 4), next = Math.min(most, Math.max(1, factor));
    const [x, y] = around || (this.mark ? [this.mark.column, this.mark.row] : [left + wide / 2, top + high / 2]);
    const share = [(x + 0.5 - left) / wide, (y + 0.5 - top) / high];
    this.zoom = { factor: next, x: x + 0.5 - share[0] * one.size[2] / next, y: y + 0.5 - share[1] * one.size[1] / next };
    this.root.classList.toggle("zoomed", next > 1);
    this.draw();
  }

  // -------------------------------------------------------------------------------------------- a control's preview

  values() { return this.preview || (this.data.control ? this.data.control.axes.map((axis) => axis.value) : []); }

  /** Show the images of other values of the control, as a preview; at most once a frame. */
  move(values) {
    this.preview = values.map((value, k) => offered(value, this.data.control.axes[k]));
    this.words.setAttribute("aria-live", "off");  // the slider itself says its value
    this.said();
    if (this.asksFrame) return;
    this.asksFrame = true;
    requestAnimationFrame(() => { this.asksFrame = false; this.drawPreview(); });
  }

  drawPreview() {
    if (!this.preview) return;
    this.items.forEach((one, k) => {
      if (one.preview) {
        this.warpInto(k);
        const words = this.controlWords().map((text) => text[0].toLowerCase() + text.slice(1));
        this.figures[k].caption.textContent = `${one.title.split(":")[0]}: ${words.join(", ")}`;
      }
      const figure = this.figures[k], depends = one.depends || one.kind === "drawing";
      if (figure.badge) { figure.badge.textContent = this.data.control.badge; figure.badge.hidden = !one.preview || !this.data.control.badge; }
      figure.box.classList.toggle("old", depends && !one.preview);
    });
    this.root.dataset.painted = String(++this.painted);
    this.root.dataset.preview = this.preview.join();
    this.draw();
  }

  warpInto(k) {
    const one = this.items[k], figure = this.figures[k];
    let values = this.base;
    for (const each of one.warps) values = warp(values, one.size, each.kind, total([each], this.preview));
    figure.moved ||= element("canvas");
    if (figure.moved.width !== one.size[2] || figure.moved.height !== one.size[1]) [figure.moved.width, figure.moved.height] = [one.size[2], one.size[1]];
    drawnOn(figure.moved, values, one.size);
    figure.numbers = values;
  }

  endPreview() {
    this.preview = null; this.waiting = 0;
    delete this.root.dataset.preview;
    this.figures.forEach((figure, k) => {
      if (figure.badge) figure.badge.hidden = true;
      figure.box.classList.toggle("old", false);
      figure.caption.textContent = this.items[k].title;
    });
    this.said();
  }

  /** Tell Python the values of the preview. */
  commit() {
    const control = this.data.control, values = this.preview;
    clearTimeout(this.timer);
    this.timer = null;
    if (!values || !control.tells) return;
    if (same(values, control.axes.map((axis) => axis.value)) && !this.waiting) { this.endPreview(); this.draw(); return; }
    this.waiting = ++this.serial;
    this.send("moved", { serial: this.serial, values });
  }

  turnByKey(event, axis) {
    const back = event.key === "ArrowLeft" || event.key === "ArrowDown", on = event.key === "ArrowRight" || event.key === "ArrowUp";
    const axes = this.data.control.axes, ends = { Home: -axes[axis].limit, End: axes[axis].limit };
    if (axes.length > 1 && event.currentTarget.tagName === "CANVAS") axis = event.key === "ArrowUp" || event.key === "ArrowDown" ? 1 : 0;
    if (!back && !on && !(event.key in ends)) return;
    event.preventDefault(); event.stopPropagation();
    const downwards = axis === 1 && event.currentTarget.tagName === "CANVAS" ? -1 : 1;  // an arrow down shifts down
    const values = [...this.values()];
    values[axis] = event.key in ends ? ends[event.key] : values[axis] + (on ? 1 : -1) * downwards * keyStep(axes[axis], event.shiftKey);
    this.playing = false;
    this.move(values);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.commit(), 250);
  }

  makeSliders() {
    const { axes } = this.data.control;
    if (this.ranges?.length !== axes.length || !this.sliders.children.length) {
      this.ranges = axes.map((axis, k) => {
        const text = element("span"), input = element("input", { type: "range" });
        input.oninput = () => {
          const values = [...this.values()];
          values[k] = Number(input.value);
          this.playing = false;
          this.move(values);
        };
        input.onchange = () => this.commit();
        input.onkeydown = (event) => this.turnByKey(event, k);
        return { box: element("label", {}, text, input), text, input };
      });
      this.play.onclick = null;
      this.sliders.replaceChildren(...this.ranges.map((range) => range.box));
    }
    axes.forEach((axis, k) => {
      const { input } = this.ranges[k];
      [input.min, input.max, input.step] = [-axis.limit, axis.limit, axis.step];
    });
    this.said();
  }

  /** Say the control's values: at the sliders, and to who cannot see them. */
  said() {
    const control = this.data.control, values = this.values();
    if (!control) return;
    const texts = this.controlWords();
    this.ranges?.forEach(({ text, input }, k) => {
      if (!control.axes[k]) return;
      text.textContent = texts[k]; input.value = values[k]; input.setAttribute("aria-valuetext", texts[k]);
    });
    this.figures.forEach(({ canvas }, k) => {
      if (!canvas || !this.items[k].preview) return;
      for (const [name, value] of [["min", -control.axes[0].limit], ["max", control.axes[0].limit], ["now", values[0]], ["text", texts.join(", ")]])
        canvas.setAttribute(`aria-value${name}`, String(value));
    });
    document.dispatchEvent(new CustomEvent("spt:moved", { detail: { key: this.data.key, values, playing: this.playing } }));
  }

  controlWords() {
    return this.data.control.axes.map((axis, k) => `${axis.words} ${shown(this.values()[k], axis)} (${axis.symbol})`);
  }

  obey({ key, values }) {
    if (!this.data || key !== this.data.key || !this.data.control) return;
    this.playing = false;
    this.move(values);
  }

  // ----------------------------------------------------------------------------------------- what moves by itself

  startPlaying() {
    const plays = this.data.control?.plays ?? [];
    if (plays.length < 2) return;
    this.line.hidden = false;
    if (this.began) return;
    this.began = true; this.playing = !isStill();
    let last = 0, at = plays.length >> 1, way = 1;
    const step = (now) => {
      if (!this.root.isConnected) return;
      const { plays } = this.data.control;
      if (this.playing && now - last > 66) {
        last = now;
        if (at + way < 0 || at + way >= plays.length) way = -way;
        at += way;
        this.move([plays[at]]);
      } else if (!this.playing && this.preview) at = plays.reduce((best, value, k) => Math.abs(value - this.preview[0]) < Math.abs(plays[best] - this.preview[0]) ? k : best, 0);
      this.play.textContent = this.playing ? "❚❚ Pause" : "▶ Turn";
      requestAnimationFrame(step);
    };
    this.play.onclick = () => { this.playing = !this.playing; };
    requestAnimationFrame(step);
  }

  startFrames() {
    const frames = this.data.frames;
    this.line.hidden = !frames && !(this.data.control?.plays?.length > 1);
    if (!frames) return;
    clearTimeout(this.frameTimer);
    if (this.framesName !== frames.name) { this.framesName = frames.name; this.shownFrame = isStill() ? frames.at : 0; }
    this.play.textContent = frames.label;
    const say = () => { this.pass.textContent = frames.words[this.shownFrame]; };
    const advance = () => {
      if (!this.root.isConnected || this.shownFrame === frames.at) return;
      this.shownFrame += this.shownFrame < frames.at ? 1 : -1;
      say(); this.draw();
      this.frameTimer = setTimeout(advance, 260);
    };
    this.play.onclick = () => { clearTimeout(this.frameTimer); this.shownFrame = 0; say(); this.draw(); this.frameTimer = setTimeout(advance, 500); };
    this.shownFrame = Math.min(this.shownFrame, frames.words.length - 1);
    say();
    if (isStill()) { this.shownFrame = frames.at; say(); }
    else if (this.shownFrame !== frames.at) this.frameTimer = setTimeout(advance, 400);
  }

  // ------------------------------------------------------------------------------------------------- tools, export

  makeTools() {
    const tools = [
      ["+", "Zoom in", () => this.zoomTo(this.zoom.factor * 2)], ["−", "Zoom out", () => this.zoomTo(this.zoom.factor / 2)],
      ["PNG", "Save the images as PNG", () => this.savePng(false)], ["PNG + marks", "Save the images with their marks as PNG", () => this.savePng(true)],
      ["SVG", "Save the images with their marks as SVG", () => this.saveSvg()],
    ];
    const buttons = tools.map(([text, label, act], k) => {
      const button = element("button", { type: "button", "aria-label": label, title: label, tabindex: k ? "-1" : "0" });
      button.textContent = text; button.onclick = act;
      return button;
    });
    this.tools.replaceChildren(...buttons);
    this.tools.onkeydown = (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      const next = buttons[(buttons.indexOf(event.target) + by + buttons.length) % buttons.length];
      buttons.forEach((button) => button.setAttribute("tabindex", button === next ? "0" : "-1"));
      next.focus();
    };
  }

  exported() {
    return this.items.flatMap((one, k) => one.kind !== "image" ? [] : [{ canvas: this.pictureOf(k), size: one.size, title: one.title, marks: this.marksOf(k, 20) }]);
  }
  fileName() {
    const at = this.data.control ? "-" + this.data.control.axes.map((axis, k) => `${axis.name}${this.values()[k]}`).join("-") : "";
    return `${this.data.key}${at}`.replace(/[^\w.-]+/g, "-");
  }
  savePng(marked, gap = 16) {
    const images = this.exported(), [, rows, columns] = images[0].size, factor = enlargement(rows, columns);
    const canvas = element("canvas"), widths = images.map((one) => one.size[2] * factor);
    canvas.width = widths.reduce((sum, width) => sum + width + gap, -gap); canvas.height = Math.max(...images.map((one) => one.size[1] * factor));
    const context = canvas.getContext("2d");
    let left = 0;
    images.forEach((one, k) => {
      const from = left;
      context.imageSmoothingEnabled = false;
      context.drawImage(one.canvas, from, 0, widths[k], one.size[1] * factor);
      if (marked) for (const mark of one.marks) paint(context, mark, ([x, y]) => [from + (x + 0.5) * factor, (y + 0.5) * factor], 2);
      left += widths[k] + gap;
    });
    save(`${this.fileName()}${marked ? "-marked" : ""}.png`, canvas.toDataURL("image/png"));
  }
  saveSvg() {
    const images = this.exported(), [, rows, columns] = images[0].size;
    const svg = asSvg(images.map((one) => ({ ...one, url: one.canvas.toDataURL("image/png") })), enlargement(rows, columns));
    save(`${this.fileName()}.svg`, URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" })));
  }
}

const mounts = new WeakMap();
export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".pixel-grid");
  if (data.kind === "gallery") return gallery(root, data, setTriggerValue);
  if (!mounts.has(root)) mounts.set(root, new Images(root));
  mounts.get(root).take(data, setTriggerValue);
}
