// What the components of spt/ui draw, in node's own test runner with a pretended page: `node --test tests/components.test.mjs`.
// The pretended page answers every question with itself, notes texts and attributes, and so finds names that nobody defined.
import test from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const component = async (name) => {
  const script = readFileSync(new URL(`../spt/ui/${name}.js`, import.meta.url), "utf-8");
  return (await import("data:text/javascript," + encodeURIComponent(script))).default;
};

/** An element of the pretended page: finds any child by its selector, always the same one. */
class Element {
  constructor(tag = "") { this.tag = tag; this.found = {}; this.attributes = {}; this.children = []; this.dataset = {}; this.style = {}; this.drawn = []; }
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
      return name === "createImageData" ? { data: new Uint8ClampedArray(4 * given[0] * given[1]) } : undefined;
    }, set: () => true });
  }
}

globalThis.document = { createElement: (tag) => new Element(tag) };
globalThis.matchMedia = () => ({ matches: true });
globalThis.requestAnimationFrame = () => 0;
globalThis.cancelAnimationFrame = () => {};
globalThis.Image = class { set src(url) { this.url = url; queueMicrotask(() => this.onload?.()); } };
const settled = () => new Promise((done) => setTimeout(done, 5));
const floats = (...values) => Buffer.from(new Float32Array(values).buffer).toString("base64");

test("the gallery has a button for every picture, and a click says which", async () => {
  const page = new Element(), clicks = [];
  const mount = await component("shared/gallery");
  const data = { name: "digits", chosen: 1, pictures: [{ url: "a", caption: "one" }, { url: "b", caption: "two" }] };
  mount({ parentElement: page, data, setTriggerValue: (name, value) => clicks.push([name, value]) });
  const buttons = page.querySelector(".gallery").children;
  assert.deepEqual(buttons.map((each) => each.attributes["aria-pressed"]), ["false", "true"]);
  assert.equal(buttons[0].children[0].alt, "one");
  buttons[0].onclick();
  assert.deepEqual(clicks, [["chosen", 0]]);
});

test("the turning digit says what both classifiers answer at each angle", async () => {
  const page = new Element();
  const data = { frames: Buffer.alloc(3 * 784).toString("base64"), angles: [-2, 0, 2], base: ["7", "7", "9"], smoothed: ["7", "7", "–"], truth: "7", radius: 1 };
  (await component("start/turning"))({ parentElement: page, data });
  const root = page.querySelector(".turning");
  const said = (name) => root.querySelector(name).textContent;
  assert.deepEqual([said(".base"), said(".smoothed"), said(".angle")], ["7", "7", "0°"]);
  const slider = root.querySelector("input");
  slider.value = "2";
  slider.oninput();
  assert.deepEqual([said(".base"), said(".smoothed"), said(".angle")], ["9 ✗", "–", "2°"]);
  assert.equal(root.querySelector(".base").attributes["class wrong"], true);
  slider.value = "0";
  slider.oninput();
  assert.equal(said(".angle"), "−2°");
});

test("hovering says what a pixel reads, its bounds rounded outward", async () => {
  const page = new Element();
  const data = {
    width: 1, height: 1, channels: 1, points: 2, start: 0, moved: "a", image: "b",
    arcs: floats(0.1, 0.2, 0.3, 0.4), boxes: floats(0.1, 0.3, 0.2, 0.4), low: floats(0.25049), high: floats(0.75051),
  };
  (await component("interpolation/sources"))({ parentElement: page, data });
  await settled();
  const words = page.querySelector(".arcs").querySelector(".words").textContent;
  assert.match(words, /row 0, column 0/);
  assert.match(words, /1 interpolation cell\n/);
  assert.match(words, /value in \[0\.250, 0\.751\]/);
});

test("a figure of ours becomes part of the page", async () => {
  const page = new Element();
  (await component("inverse/drawing"))({ parentElement: page, data: { svg: "<svg></svg>", width: 300 } });
  const drawing = page.querySelector(".drawing");
  assert.equal(drawing.innerHTML, "<svg></svg>");
  assert.equal(drawing.style.maxWidth, "300px");
});

test("the images of the inverse say what is known of a pixel, rounded outward", async () => {
  const page = new Element(), clicks = [];
  const data = {
    name: "a", width: 1, height: 1, channels: 1, frame: 0, frames: [{ lower: "l", upper: "u", width: "w", words: "pass 0" }],
    low: floats(0.25049), high: floats(0.75051), receivedLow: floats(0.5), receivedHigh: floats(0.5), truth: floats(0.5),
    received: "r", original: "o", truthWords: "inside", scale: 0.5, chosen: [0, 0],
  };
  (await component("inverse/images"))({ parentElement: page, data, setTriggerValue: (name, value) => clicks.push([name, value]) });
  await settled();
  const root = page.querySelector(".inverse");
  const texts = Object.values(root.found).map((each) => each.textContent ?? "").join("\n");
  assert.match(texts, /\[0\.250, 0\.751\]/);
});

/** A pretended window with a history: the addresses that Back would lead through, and what a listener of Back is told. */
const pretendedWindow = (address) => {
  const entries = [address], listeners = [], told = [];
  const window = {
    location: { get href() { return entries[at]; } },
    history: {
      state: null,
      pushState: (_data, _title, to) => { entries.splice(++at, entries.length, new URL(to, entries[at - 1]).href); },
      replaceState: (_data, _title, to) => { entries[at] = new URL(to, entries[at]).href; },
    },
    addEventListener: (_name, listener) => listeners.push(listener),
    dispatchEvent: (event) => { told.push(window.location.href); listeners.forEach((each) => each(event)); },
    back: () => { at -= 1; window.dispatchEvent(new Event("popstate")); },
    told,
    entries,
  };
  let at = 0;
  return window;
};

const addressScript = async () => {
  const script = readFileSync(new URL("../spt/ui/shared/address.js", import.meta.url), "utf-8");
  return import("data:text/javascript," + encodeURIComponent(script));
};

test("what changes on a page replaces its entry of the history, another page and a preset make one", async () => {
  const window = pretendedWindow("http://localhost/votes?angle=5"), { own } = await addressScript();
  assert.equal(own(window), own(window));
  window.history.pushState({}, "", "/votes?angle=6&visit=.0");
  window.history.pushState({}, "", "/votes?angle=7&visit=.0");
  assert.deepEqual(window.entries, ["http://localhost/votes?angle=7"]);
  window.history.pushState({}, "", "/inverse");
  window.history.pushState({}, "", "/inverse?angle=7&visit=.0");
  window.history.pushState({}, "", "/inverse?angle=25&visit=.1");
  window.history.replaceState({}, "", "/inverse?angle=26&visit=.1");
  assert.deepEqual(window.entries.map((each) => each.slice(16)), ["/votes?angle=7", "/inverse?angle=7", "/inverse?angle=26"]);
});

test("Back is told by a number in the address, and what came too late from the state before it is not shown", async () => {
  const window = pretendedWindow("http://localhost/votes?angle=5"), { own } = await addressScript();
  const state = own(window);
  window.history.pushState({}, "", "/inverse");
  window.history.pushState({}, "", "/inverse?angle=7&visit=.0");
  window.back();
  assert.match(window.location.href, /^http:\/\/localhost\/votes\?angle=5&visit=[0-9]+$/);
  assert.deepEqual(window.told, ["http://localhost/votes?angle=5", window.location.href]);
  window.history.pushState({}, "", "/votes?angle=7&visit=.0");
  assert.match(window.location.href, /angle=5/);
  window.history.replaceState({}, "", `/votes?angle=5&visit=${state.visit}.0`);
  assert.equal(window.location.href, "http://localhost/votes?angle=5");
});

test("mounting the address takes the page's own window", async () => {
  globalThis.window = pretendedWindow("http://localhost/start");
  (await component("shared/address"))({});
  assert.equal(globalThis.window.sptAddress.visit, "");
  delete globalThis.window;
});
