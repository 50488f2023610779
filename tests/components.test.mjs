// What the components of spt/ui draw, in node's own test runner with a pretended page: `node --test tests/components.test.mjs`.
// The pretended page answers every question with itself, notes texts and attributes, and so finds names that nobody defined.
import test from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const script = async (name) =>
  import("data:text/javascript," + encodeURIComponent(readFileSync(new URL(`../spt/ui/${name}.js`, import.meta.url), "utf-8")));
const component = async (name) => (await script(name)).default;

/** An element of the pretended page: finds any child by its selector, always the same one. */
class Element {
  constructor(tag = "") {
    this.tag = tag; this.tagName = tag.toUpperCase(); this.found = {}; this.attributes = {}; this.children = []; this.dataset = {}; this.drawn = [];
    this.style = { setProperty() {} }; this.isConnected = true; this.clientWidth = 100;
  }
  get firstElementChild() { return this.children[0]; }
  /** All elements below that pass a test. */
  all(test) { return this.children.flatMap((child) => child instanceof Element ? [...(test(child) ? [child] : []), ...child.all(test)] : []); }
  querySelector(name) { return (this.found[name] ??= new Element(name)); }
  setAttribute(name, value) { this.attributes[name] = value; }
  removeAttribute(name) { delete this.attributes[name]; }
  addEventListener(name, listener) { this["on" + name] = listener; }
  replaceChildren(...children) { this.children = children; }
  append(...children) { this.children.push(...children); }
  get classList() { return { toggle: (name, on) => { this.attributes["class " + name] = on; }, add() {}, remove() {} }; }
  getBoundingClientRect() { return { left: 0, top: 0, width: 100, height: 100 }; }
  getContext() {
    return new Proxy({}, { get: (_, name) => (...given) => {
      this.drawn.push([name, ...given]);
      if (name === "getImageData") return { data: new Uint8ClampedArray(4 * given[2] * given[3]).fill(51) };
      return name === "createImageData" ? { data: new Uint8ClampedArray(4 * given[0] * given[1]) } : undefined;
    }, set: () => true });
  }
}

const listeners = [];
globalThis.document = {
  createElement: (tag) => new Element(tag), createElementNS: (_, tag) => new Element(tag),
  addEventListener: (name, listener) => listeners.push([name, listener]), removeEventListener() {},
  dispatchEvent: (event) => listeners.forEach(([name, listener]) => name === event.type && listener(event)),
};
globalThis.matchMedia = () => ({ matches: true });
globalThis.requestAnimationFrame = () => 0;
globalThis.cancelAnimationFrame = () => {};
globalThis.Image = class { set src(url) { this.url = url; queueMicrotask(() => this.onload?.()); } };
const settled = () => new Promise((done) => setTimeout(done, 5));
const floats = (...values) => Buffer.from(new Float32Array(values).buffer).toString("base64");

test("the gallery is a list box: a click or Enter chooses, arrow keys go on", async () => {
  const page = new Element(), chosen = [];
  const mount = await component("shared/pixel_grid");
  const data = { kind: "gallery", chosen: 1, pictures: ["one", "two", "three"].map((caption) => ({ url: "a", caption })) };
  mount({ parentElement: page, data, setTriggerValue: (name, value) => chosen.push([name, value]) });
  const list = page.querySelector(".pixel-grid").children[0], options = list.children;
  assert.equal(list.attributes.role, "listbox");
  assert.deepEqual(options.map((each) => each.attributes["aria-selected"]), ["false", "true", "false"]);
  assert.equal(options[0].children[0].attributes.alt, "one");
  options[0].onclick();
  const press = (key) => list.onkeydown({ key, preventDefault() {} });
  press("End");
  assert.equal(list.attributes["aria-activedescendant"], "option-2");
  press("ArrowLeft"); press("Enter");
  assert.deepEqual(chosen, [["chosen", 0], ["chosen", 1]]);
});

/** One image of 2 x 1 pixels, and how it is mounted. */
const picture = (more = {}) => ({
  kind: "image", title: "original x: a <b>", alt: "alt", urls: ["u"], size: [1, 1, 2], warps: [], preview: "", shapes: [], sources: null,
  reading: { words: "original x", eightBit: true, channels: 1, values: null, low: null, high: null, truth: null }, ...more,
});
const mounted = async (pictures, more = {}) => {
  const page = new Element(), sent = [];
  const data = { kind: "images", key: "k", pictures, control: null, frames: null, chosen: null, choosable: true, ...more };
  const mount = async (next) => {
    (await component("shared/pixel_grid"))({ parentElement: page, data: next, setTriggerValue: (name, value) => sent.push([name, value]) });
    await settled();
  };
  await mount(data);
  const root = page.querySelector(".pixel-grid"), named = (name) => root.all((each) => each.attributes.class === name);
  const canvases = root.all((each) => each.tag === "canvas");
  return { data, mount, sent, root, canvases, words: () => named("words")[0].textContent, group: root.all((each) => each.attributes.role === "group")[0], root };
};
const at = (x, y) => ({ clientX: x, clientY: y, type: "pointerup", preventDefault() {}, stopPropagation() {} });

test("a pixel is said and chosen, and marked in all images of the page", async () => {
  const ends = { words: "original", eightBit: false, channels: 1, values: null, low: floats(0.25049, 0), high: floats(0.75051, 1), truth: floats(0.5, 2) };
  const first = await mounted([picture(), picture({ reading: ends })]), other = await mounted([picture()]);
  assert.match(first.words(), /Point at a pixel/);
  first.canvases[0].onpointermove(at(25, 50));
  assert.equal(first.words(), "Pixel row 0, column 0: original x 0.200 · original [0.250, 0.751], is 0.500 ✓ inside");
  assert.match(other.words(), /row 0, column 0/);
  first.group.onkeydown({ ...at(), key: "ArrowRight", target: first.group });
  assert.match(first.words(), /column 1: .*\[0\.000, 1\.000\], is 2\.000$/);
  first.group.onkeydown({ ...at(), key: "Enter", target: first.group });
  assert.deepEqual(first.sent, [["chosen", [0, 1]]]);
  first.group.onblur();
  assert.match(other.words(), /Point at a pixel/);
});

test("two fingers, the wheel with Ctrl and keys zoom; a drag then moves what is seen", async () => {
  const page = await mounted([picture({ size: [1, 16, 16] })]), [canvas] = page.canvases;
  const seen = () => canvas.drawn.filter(([name]) => name === "drawImage").at(-1).slice(2, 6);
  const finger = (pointerId, x, y) => ({ ...at(x, y), pointerId });
  canvas.onpointerdown(finger(1, 40, 50)); canvas.onpointerdown(finger(2, 60, 50));
  canvas.onpointermove(finger(2, 80, 50));
  assert.equal(seen()[2], 8, "twice as far apart: half is seen");
  canvas.onpointerup(finger(1, 40, 50)); canvas.onpointerup(finger(2, 80, 50));
  const left = seen()[0];
  canvas.onpointerdown(finger(1, 50, 50)); canvas.onpointermove(finger(1, 75, 50)); canvas.onpointerup(finger(1, 75, 50));
  assert.equal(seen()[0], left - 2);
  assert.deepEqual(page.sent, []);
  canvas.ondblclick();
  assert.deepEqual(seen(), [0, 0, 16, 16]);
  canvas.onwheel({ ...at(50, 50), ctrlKey: true, deltaY: -1 });
  assert.equal(seen()[2], 16 / 1.25);
  page.group.onkeydown({ ...at(), key: "0", target: page.group });
  assert.deepEqual(seen(), [0, 0, 16, 16]);
});

test("pointing says what a pixel reads, its bounds rounded outward", async () => {
  const sources = { of: 0, points: 2, arcs: floats(0.1, 0.2, 0.3, 0.4, 0, 0, 0, 0), boxes: floats(0.1, 0.3, 0.2, 0.4, 0, 0, 0, 0), low: floats(0.25049, 0), high: floats(0.75051, 0) };
  const page = await mounted([picture({ warps: [{ kind: "rotation", added: [3], by_control: false }] }), picture({ sources })]);
  page.canvases[0].onpointermove(at(25, 50));
  assert.match(page.words(), /reads columns 0\.100 to 0\.300 and rows 0\.200 to 0\.400: 1 interpolation cell, value in \[0\.250, 0\.751\]/);
});

test("dragging shows a preview until Python's image is there", async () => {
  const axes = [{ name: "dx", words: "Shifted right by", symbol: "γ₁", unit: "px", limit: 8, step: 0.05, value: 0 }, { name: "dy", words: "Shifted down by", symbol: "γ₂", unit: "px", limit: 8, step: 0.05, value: 0 }];
  const control = { kind: "translation", axes, base: 0, url: null, image: null, size: [1, 1, 2], plays: [], badge: "preview", tells: true, answered: 0 };
  const moved = picture({ warps: [{ kind: "translation", added: [0, 0], by_control: true }], preview: "8-bit" });
  const page = await mounted([picture(), moved], { control });
  const canvas = page.canvases[1], badge = page.root.all((each) => each.attributes.class === "badge")[1];
  assert.deepEqual([canvas.attributes.role, canvas.attributes["aria-valuenow"], badge.hidden], ["slider", "0", true]);
  const later = globalThis.requestAnimationFrame;
  globalThis.requestAnimationFrame = queueMicrotask;
  canvas.onpointerdown(at(50, 50)); canvas.onpointermove(at(75, 50));
  await settled();
  globalThis.requestAnimationFrame = later;
  assert.deepEqual([badge.hidden, badge.textContent, canvas.attributes["aria-valuetext"]], [false, "preview", "Shifted right by 0.50 px (γ₁), Shifted down by 0.00 px (γ₂)"]);
  canvas.onpointerup(at(75, 50));
  assert.deepEqual(page.sent, [["moved", { serial: 1, values: [0.5, 0] }]]);
  await page.mount({ ...page.data, control: { ...control, axes: [{ ...axes[0], value: 0.1 }, axes[1]] } });
  assert.equal(badge.hidden, false, "an earlier answer does not end it");
  await page.mount({ ...page.data, control: { ...control, answered: 1, axes: [{ ...axes[0], value: 0.5 }, axes[1]] } });
  assert.equal(badge.hidden, true);
});

test("an image turns by itself, there and back, tells the page, and stops", async () => {
  const axes = [{ name: "angle", words: "Turned by", symbol: "γ", unit: "°", limit: 180, step: 0.1, value: 0 }], heard = [], frames = [];
  const control = { kind: "rotation", axes, base: 0, url: null, image: null, size: [1, 1, 2], plays: [-2, 0, 2], badge: "", tells: false, answered: 0 };
  const moved = picture({ warps: [{ kind: "rotation", added: [0], by_control: true }], preview: "8-bit" });
  const before = [globalThis.requestAnimationFrame, globalThis.matchMedia];
  globalThis.requestAnimationFrame = (act) => frames.push(act);
  globalThis.matchMedia = () => ({ matches: false });
  document.addEventListener("spt:moved", ({ detail }) => heard.push(detail.values[0]));
  const page = await mounted([picture(), moved], { control, key: "hero" });
  const pass = (from, to) => { for (let now = from; now < to; now += 100) frames.splice(0).forEach((act) => act(now)); };
  pass(100, 700);
  assert.deepEqual(heard.filter((value, k) => value !== heard[k - 1]).slice(0, 5), [0, 2, 0, -2, 0]);
  document.dispatchEvent(new CustomEvent("spt:move", { detail: { key: "hero", values: [1.26] } }));
  pass(700, 1200);
  assert.equal(heard.at(-1), 1.3, "who asks for a value stops it");
  const [play] = page.root.all((each) => each.attributes.class === "play");
  assert.equal(play.textContent, "▶ Turn");
  play.onclick(); pass(1200, 1500);
  assert.equal(play.textContent, "❚❚ Pause");
  assert.notEqual(heard.at(-1), 1.3);
  [globalThis.requestAnimationFrame, globalThis.matchMedia] = before;
});

test("the passes of the inverse play to the chosen one", async () => {
  const frames = { name: "a", words: ["pass 0", "pass 1"], at: 1, label: "▶ Play the passes" };
  const page = await mounted([picture({ urls: ["u", "v"] }), { kind: "drawing", title: "dial", svg: ["<svg>0</svg>", "<svg>1</svg>"] }], { frames });
  const drawing = page.root.all((each) => each.attributes.class === "drawing")[0];
  assert.equal(drawing.innerHTML, "<svg>1</svg>", "who wants no motion sees the last one");
  assert.equal(page.root.all((each) => each.attributes.class === "pass")[0].textContent, "pass 1");
});

test("what is saved has whole pixels, marks and titles as text", async () => {
  const { asSvg, enlargement } = await script("shared/pixel_grid");
  assert.deepEqual([enlargement(28, 28), enlargement(224, 224), enlargement(900, 600)], [20, 2, 1]);
  const mark = { points: [[0, 0], [1, 0]], colour: "#E69F00" };
  const svg = asSvg([{ url: "data:a", size: [1, 1, 2], title: "<i>&", marks: [mark] }, { url: "data:b", size: [1, 1, 2], title: "t", marks: [] }], 10);
  assert.match(svg, /width="56" height="42"/);
  assert.match(svg, /points="5,5 15,5"/);
  assert.match(svg, /&lt;i&gt;&amp;/);
  assert.match(svg, /x="36"/);
});

test("values that a control offers are steps within its range; keys go by 1, with Shift by 0.1", async () => {
  const { offered, keyStep, turned, level } = await script("shared/pixel_grid");
  const angle = { unit: "°", limit: 180, step: 0.1 }, shift = { unit: "px", limit: 8, step: 0.05 };
  assert.deepEqual([24.96, -190, 180, 365, -0.01].map((value) => offered(value, angle)), [25, 170, 180, 5, 0]);
  assert.deepEqual([9, -9, 0.33].map((value) => offered(value, shift)), [8, -8, 0.35]);
  assert.deepEqual([keyStep(angle, false), keyStep(angle, true), keyStep(shift, true)], [1, 0.1, 0.1]);
  assert.ok(Math.abs(turned([1, 0], [0, -1]) - 90) < 1e-9, "counter-clockwise as seen");
  assert.deepEqual([0.5, -1, 2, 0.5 / 255, 1.5 / 255].map(level), [128, 0, 255, 0, 2]);
});

const turning = async () => import("data:text/javascript," + encodeURIComponent(
  readFileSync(new URL("../spt/ui/start/turning.js", import.meta.url), "utf-8")));

test("the turning digit says what the network answers alone and in the vote at each angle, and what is proved", async () => {
  const page = new Element(), angles = Array.from({ length: 360 }, (_, k) => k - 180);
  const alone = angles.map((angle) => (angle === -3 ? "8" : "2")), voted = angles.map((angle) => (angle === -4 ? "–" : "2"));
  const data = { sheet: "s", angles, alone, voted, truth: "2", proved: "2", reach: 2.5, network: "one", trained: "other" };
  (await component("start/turning"))({ parentElement: page, data: new TextEncoder().encode(JSON.stringify(data)) });
  const root = page.querySelector(".turning"), dial = root.querySelector(".dial");
  const said = () => [".angle", ".alone b", ".voted b", ".proof b"].map((name) => root.querySelector(name).textContent);
  const key = (name) => dial.onkeydown({ key: name, preventDefault() {} });
  assert.deepEqual(said(), ["Turned by 0°", "2", "2", "2"]);
  for (let k = 0; k < 3; k++) key("ArrowRight");
  assert.deepEqual(said(), ["Turned by −3°", "8 ✗", "2", "–"]);
  assert.equal(root.querySelector(".alone b").attributes["class wrong"], true);
  key("ArrowRight");
  assert.deepEqual(said(), ["Turned by −4°", "2", "–", "–"]);
  assert.equal(dial.attributes["aria-valuetext"], "−4°: alone 2, vote –, nothing proved");
  key("Home");
  assert.equal(dial.attributes["aria-valuenow"], 0);
  dial.setPointerCapture = dial.focus = () => {};
  dial.onpointerdown({ button: 0, clientX: 50, clientY: 0, pointerId: 1, preventDefault() {} });
  dial.onpointermove({ clientX: 0, clientY: 50 });  // a quarter of a turn to the left
  dial.onpointerup();
  assert.equal(said()[0], "Turned by 90°");
  dial.onpointermove({ clientX: 100, clientY: 50 });  // not held any more
  assert.equal(said()[0], "Turned by 90°");
});

test("angles beyond a turn, and rings of answers", async () => {
  const { frameAt, arcsOf } = await turning();
  const angles = Array.from({ length: 360 }, (_, k) => k - 180);
  assert.deepEqual([0, 179.6, 180, 540, -181, 361].map((angle) => angles[frameAt(angle, angles)]), [0, -180, -180, -180, 179, 1]);
  assert.deepEqual(arcsOf(["2", "2", "8", "–"], [0, 1, 2, 3], "2"),
    [{ kind: "right", from: -0.5, to: 1.5 }, { kind: "wrong", from: 1.5, to: 2.5 }, { kind: "open", from: 2.5, to: 3.5 }]);
});

test("a figure of ours becomes part of the page", async () => {
  const page = new Element();
  (await component("inverse/drawing"))({ parentElement: page, data: { svg: "<svg></svg>", width: 300 } });
  const drawing = page.querySelector(".drawing");
  assert.equal(drawing.innerHTML, "<svg></svg>");
  assert.equal(drawing.style.maxWidth, "300px");
});

test("a click on a cell of the dial says its number, one beside them nothing", async () => {
  const page = new Element(), chosen = [];
  const setTriggerValue = (name, value) => chosen.push([name, value]);
  (await component("certify/cells_dial"))({ parentElement: page, data: { svg: "<svg></svg>" }, setTriggerValue });
  const dial = page.querySelector(".cells-dial");
  assert.equal(dial.innerHTML, "<svg></svg>");
  dial.onclick({ target: { closest: () => ({ dataset: { cell: "12" } }) } });
  dial.onclick({ target: { closest: () => null } });
  assert.deepEqual(chosen, [["chosen", 12]]);
});

/** A pretended window with a history: the addresses that Back would lead through. */
const pretendedWindow = (address) => {
  const entries = [address], listeners = [];
  let at = 0;
  return {
    location: { get href() { return entries[at]; }, get pathname() { return new URL(entries[at]).pathname; } },
    history: {
      state: null,
      pushState: (_data, _title, to) => { entries.splice(++at, entries.length, new URL(to, entries[at - 1]).href); },
      replaceState: (_data, _title, to) => { entries[at] = new URL(to, entries[at]).href; },
    },
    addEventListener: (_name, listener) => listeners.push(listener),
    back: () => { at -= 1; listeners.forEach((each) => each()); },
    entries,
  };
};

test("what changes on a page replaces its entry of the history, another page and a preset make one", async () => {
  const window = pretendedWindow("http://localhost/votes?angle=5"), own = await component("shared/address");
  own(window);
  window.history.pushState({}, "", "/votes?angle=6&visit=.0.votes");
  window.history.pushState({}, "", "/votes?angle=7&visit=.0.votes");
  assert.deepEqual(window.entries, ["http://localhost/votes?angle=7"]);
  window.history.pushState({}, "", "/inverse");
  window.history.pushState({}, "", "/inverse?angle=7&visit=.0.inverse");
  window.history.pushState({}, "", "/inverse?angle=25&visit=.1.inverse");
  window.history.replaceState({}, "", "/inverse?angle=26&visit=.1.inverse");
  assert.deepEqual(window.entries.map((each) => each.slice(16)), ["/votes?angle=7", "/inverse?angle=7", "/inverse?angle=26"]);
});

test("an address that comes before its page is not written over the page before, and the page has it", async () => {
  const window = pretendedWindow("http://localhost/spt/votes?angle=5"), own = await component("shared/address");
  own(Object.assign(window, { __streamlit: { BACKEND_BASE_URL: "http://localhost/spt/" } }));
  window.history.pushState({}, "", "/spt/votes?angle=7&n=5&visit=.0.inverse");
  window.history.pushState({}, "", "/spt/inverse?angle=7&n=5&visit=.0.inverse");
  window.history.pushState({}, "", "/spt/");
  window.history.pushState({}, "", "/spt/?visit=.0.");
  assert.deepEqual(window.entries.map((each) => each.slice(20)), ["/votes?angle=5", "/inverse?angle=7&n=5", "/"]);
});

test("Back is told by a number in the address, and what came too late from the state before it is not shown", async () => {
  const window = pretendedWindow("http://localhost/votes?angle=5"), own = await component("shared/address");
  const state = own(window);
  window.history.pushState({}, "", "/inverse");
  window.history.pushState({}, "", "/inverse?angle=7&visit=.0.inverse");
  window.back();
  assert.match(window.location.href, /^http:\/\/localhost\/votes\?angle=5&visit=[0-9]+$/);
  window.history.pushState({}, "", "/votes?angle=7&visit=.0.votes");
  assert.match(window.location.href, /angle=5/);
  window.history.replaceState({}, "", `/votes?angle=5&visit=${state.visit}.0.votes`);
  assert.equal(window.location.href, "http://localhost/votes?angle=5");
});

test("keys: a question mark opens and closes the words, unless it is typed; what scrolls sideways can be reached", async () => {
  globalThis.addEventListener = globalThis.removeEventListener = () => {};
  globalThis.MutationObserver = class { observe() {} disconnect() {} };
  document.body = new Element("body");
  const wide = Object.assign(new Element("pre"), { scrollWidth: 500 }), narrow = Object.assign(new Element("pre"), { scrollWidth: 100 });
  document.querySelectorAll = () => [wide, narrow];
  const page = new Element(), before = listeners.length;
  const data = { symbols: [["γ", "attack", "The angle."]], words: [["", "PROVED", "By calculation."]] };
  const leave = (await component("shared/keys"))({ parentElement: page, data });
  const dialog = page.querySelector("dialog");
  Object.assign(dialog, { showModal() { this.open = true; }, close() { this.open = false; } });
  const [[name, pressed]] = listeners.slice(before);
  const press = (key, target) => pressed({ key, target, preventDefault() {} });
  assert.equal(name, "keydown");
  press("?", new Element("input"));
  assert.ok(!dialog.open);
  press("?", new Element("body"));
  assert.ok(dialog.open);
  assert.deepEqual(page.querySelector("dl.symbols").children.map((each) => each.tag), ["dt", "dd"]);
  assert.deepEqual(page.querySelector("dl.words").children.map((each) => each.textContent), ["PROVED", "By calculation."]);
  press("?", new Element("body"));
  dialog.onclose();
  assert.ok(!dialog.open);
  assert.deepEqual(page.querySelector("dl.words").children, []);
  (await script("shared/keys")).reach(document);
  assert.deepEqual([wide.tabIndex, narrow.tabIndex], [0, undefined]);
  leave();
});

test("keys: an arrow takes an angle's slider one degree on, with Shift a tenth, and never beyond its ends", async () => {
  const { moved } = await script("shared/keys");
  const slider = (value, rest = {}) => ({ type: "range", step: "0.1", min: "-180", max: "180", value: String(value), ...rest });
  const cases = [
    [12.5, "ArrowRight", false, 13.5], [12.5, "ArrowRight", true, 12.6], [12.5, "ArrowDown", false, 11.5], [12.5, "ArrowLeft", true, 12.4],
    [179.7, "ArrowUp", false, 180], [-180, "ArrowLeft", false, -180], [0.3, "ArrowLeft", true, 0.2],
  ];
  for (const [from, key, shift, to] of cases) assert.equal(moved(slider(from), key, shift), to);
  assert.equal(moved(slider(1, { step: "0.05" }), "ArrowRight", false), null);
  assert.equal(moved(slider(1, { type: "text" }), "ArrowRight", false), null);
  assert.equal(moved(slider(1), "Home", false), null);
});

test("the pen leaves a line of its width, the eraser takes it away, and a drawing comes back from its text", async () => {
  const { line, onGrid, packed, unpacked, SIDE } = await script("shared/draw_pad");
  const ink = unpacked("");
  assert.equal(packed(ink), "");
  line(ink, [4, 14.5], [24, 14.5]);
  const row = (number) => [...onGrid(ink).slice(number * SIDE, (number + 1) * SIDE)];
  assert.ok(row(14).slice(4, 24).every((value) => value === 255) && row(14)[1] === 0 && row(14)[26] === 0);
  assert.ok(row(13)[14] === row(15)[14] && row(13)[14] > 150 && row(13)[14] < 255 && row(12)[14] === 0, "2.6 pixels wide");
  assert.deepEqual(unpacked(packed(ink)), ink);
  line(ink, [4, 14.5], [24, 14.5], true);
  assert.ok(onGrid(ink).every((value) => value === 0));
  line(ink, [-5, -5], [40, 40]);
  assert.ok([0, 13, 27].every((k) => onGrid(ink)[k * SIDE + k] > 200), "what leaves the pad is cut off");
});

test("the pad tells of every finished stroke, takes strokes back, and is drawn on by keys", async () => {
  const page = new Element(), sent = [], mount = await component("shared/draw_pad");
  const given = { parentElement: page, setTriggerValue: (name, value) => sent.push([name, value]) };
  const pad = page.querySelector(".pad"), canvas = pad.querySelector("canvas");
  canvas.setPointerCapture = canvas.focus = () => {};
  mount({ ...given, data: { ink: "" } });
  const at = (x, y) => ({ clientX: x, clientY: y, pointerId: 1, button: 0, preventDefault() {}, stopPropagation() {} });
  const stroke = (...points) => { canvas.onpointerdown(at(...points[0])); points.slice(1).forEach((each) => canvas.onpointermove(at(...each))); canvas.onpointerup(); };
  stroke([20, 20], [80, 20]);
  stroke([80, 20], [40, 90]);
  assert.deepEqual(sent.map(([name]) => name), ["drawn", "drawn"]);
  pad.querySelector(".undo").onclick();
  assert.equal(sent[2][1], sent[0][1]);
  mount({ ...given, data: { ink: sent[2][1] } }); // Python gives it back: nothing is lost
  pad.querySelector(".undo").onclick();
  assert.equal(sent[3][1], "");
  assert.ok(pad.querySelector(".undo").disabled && pad.querySelector(".clear").disabled);
  mount({ ...given, data: { ink: sent[1][1] } }); // another drawing
  assert.ok(pad.querySelector(".undo").disabled && !pad.querySelector(".clear").disabled);
  pad.querySelector(".clear").onclick();
  const press = (key) => canvas.onkeydown({ ...at(0, 0), key });
  press(" "); press("ArrowRight"); press("ArrowDown"); press(" ");
  assert.notEqual(sent.at(-1)[1], "");
  assert.equal(pad.querySelector(".said").textContent, "Pen up");
  press("e"); press(" "); press("ArrowUp"); press("ArrowLeft"); canvas.onblur();
  assert.ok(sent.at(-1)[1] === "", "erased on the same way");
});

test("a picture that is pasted is sent, text and what is too large is not", async () => {
  const { packed, large, MOST } = await script("shared/paste"), mount = await component("shared/paste");
  const page = new Element(), sent = [], bytes = Uint8Array.from({ length: 70000 }, (_, k) => k % 256);
  mount({ parentElement: page, data: { button: false }, setTriggerValue: (name, value) => sent.push([name, value]) });
  const file = (size, type = "image/png") => ({ size, type, arrayBuffer: async () => bytes.buffer });
  const paste = async (...files) => { document.dispatchEvent({ type: "paste", target: new Element("div"), clipboardData: { files }, preventDefault() {} }); await settled(); };
  await paste(file(10, "text/plain"));
  await paste(file(MOST + 1));
  assert.equal(page.querySelector(".said").textContent, large(MOST + 1));
  assert.deepEqual(sent, []);
  await paste(file(70000));
  assert.deepEqual(sent, [["pasted", Buffer.from(bytes).toString("base64")]]);
  assert.equal(packed(bytes), sent[0][1]);
});

test("pointer: what a step points at comes into view between the upper edge and the strip, and is marked; remote controls go on", async () => {
  const { distance } = await script("tours/pointer");
  assert.equal(distance(100, 300, 500), 0);
  assert.equal(distance(400, 600, 500), 100);
  assert.equal(distance(-50, 150, 500), -120);
  assert.equal(distance(100, 900, 500), 30, "too high: its beginning");
  const scrolled = [], marked = Object.assign(new Element("div"), { getClientRects: () => [1] }), clicked = [];
  const area = { scrollBy: (by) => scrolled.push(by), scrollTo() {} }, button = { click: () => clicked.push("next") };
  const found = { "[data-testid='stMain']": area, "[data-testid='stApp']": { dataset: { testScriptState: "notRunning" } } };
  document.querySelector = (name) => found[name] ?? (name.includes("tour_next") ? button : null);
  document.querySelectorAll = (name) => (name === ".part" || "data-tour-point" in marked.attributes ? [marked] : []);
  globalThis.window = { ...globalThis.window, innerWidth: 1280, innerHeight: 102 };
  globalThis.MutationObserver = class { observe() {} disconnect() {} };
  const before = listeners.length, mount = await component("tours/pointer");
  const leave = mount({ data: { step: "a 1", selector: ".part", present: true } });
  await new Promise((done) => setTimeout(done, 300));
  assert.equal(marked.attributes["data-tour-point"], "");
  assert.deepEqual(scrolled, [{ top: -70 }]);
  const press = listeners.slice(before).find(([name]) => name === "keydown")[1];
  for (const key of ["PageDown", "x"]) press({ key, preventDefault() {}, stopPropagation() {} });
  assert.deepEqual(clicked, ["next"]);
  const end = mount({ data: { step: "a 2", selector: ".part", present: false } });
  assert.equal(marked.attributes["data-tour-point"], undefined);
  await new Promise((done) => setTimeout(done, 300));
  leave(); // what the step before has is taken away late
  assert.equal(marked.attributes["data-tour-point"], "");
  end();
  assert.equal(marked.attributes["data-tour-point"], undefined);
});

test("the menu Share copies the address, says whose picture a link is to, and saves a chart with all that is drawn of it", async () => {
  const { figureOf, lines, copied, default: mount } = await script("shared/share");
  assert.equal(await component("shared/share"), mount);
  assert.deepEqual(lines("one two three four", 9), ["one two", "three", "four"]);
  const page = new Element(), written = [];
  Object.defineProperty(globalThis, "navigator", { configurable: true, value: { clipboard: { writeText: async (text) => written.push(text) } } });
  globalThis.location = { href: "http://here/votes?upload=0123&n=50" };
  Element.prototype.focus = function () { this.focused = true; };
  mount({ parentElement: page, data: { kind: "link", own: { upload: "yours", camera: "taken" } } });
  const parts = page.querySelector(".parts"), [field, copy] = parts.children[0].children;
  assert.ok(parts.querySelector("input").focused, "the keyboard is in the menu");
  assert.equal(field.value, "http://here/votes?upload=0123&n=50");
  assert.deepEqual(parts.children.slice(1).map((each) => each.children[0]), ["yours"]);
  globalThis.location = { href: "http://here/votes?n=100" };
  await copy.onclick();
  assert.deepEqual(written, ["http://here/votes?n=100"]);
  assert.equal(copy.textContent, "Copied");

  Object.defineProperty(globalThis, "navigator", { configurable: true, value: {} });
  const root = new Element(), commands = [];
  Element.prototype.select = function () { this.selected = true; };
  Element.prototype.remove = () => {};
  document.execCommand = (name) => commands.push(name);
  await copied("python", root);
  assert.deepEqual([root.children[0].value, root.children[0].selected, commands], ["python", true, ["copy"]]);

  const chart = new Element("div"), layer = new Element("svg");
  layer.querySelectorAll = () => [];
  layer.cloneNode = () => layer;
  chart.querySelectorAll = () => [layer];
  const figure = figureOf(chart, "SPT Explorer: digits", { ground: "white", text: "black" });
  const [ground, drawn, ...words] = figure.children;
  assert.deepEqual([figure.attributes.width, ground.attributes.fill, drawn], [132, "white", layer]);
  assert.deepEqual(words.map((each) => each.children[0]), ["SPT Explorer:", "digits"]);
  assert.deepEqual([layer.attributes.x, layer.attributes.width], [16, 100]);
});
