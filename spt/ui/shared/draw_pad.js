export const SIDE = 28, FINE = 4, RADIUS = 1.3; // pixels of the grid; parts of one along an axis; half of the pen's width in pixels
const WIDTH = SIDE * FINE, SHOWN = 10; // SHOWN: of the canvas for a pixel
const pads = new WeakMap();

/** How far a point is from the line between two others. */
const distance = (x, y, [x0, y0], [x1, y1]) => {
  const [dx, dy] = [x1 - x0, y1 - y0], length = dx * dx + dy * dy;
  const t = length ? Math.min(1, Math.max(0, ((x - x0) * dx + (y - y0) * dy) / length)) : 0;
  return Math.hypot(x - x0 - t * dx, y - y0 - t * dy);
};

/** Ink (or take it away) along the line between two points, in pixels of the grid: a round pen with a soft edge. The eraser is
    wider, so that it leaves nothing on the pen's way. */
export const line = (ink, from, to, erases = false, radius = RADIUS + (erases ? 0.5 : 0)) => {
  const [a, b] = [from, to].map((point) => point.map((each) => each * FINE)), reach = radius * FINE, edge = reach + 1;
  const range = (axis) => [Math.max(0, Math.floor(Math.min(a[axis], b[axis]) - edge)), Math.min(WIDTH - 1, Math.ceil(Math.max(a[axis], b[axis]) + edge))];
  const [[left, right], [top, bottom]] = [range(0), range(1)];
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const covered = Math.round(255 * Math.min(1, Math.max(0, reach + 0.5 - distance(x + 0.5, y + 0.5, a, b))));
      const at = y * WIDTH + x;
      ink[at] = erases ? Math.min(ink[at], 255 - covered) : Math.max(ink[at], covered);
    }
  }
};

/** The drawing on the grid: the mean of the parts of each pixel. */
export const onGrid = (ink) => Uint8ClampedArray.from({ length: SIDE * SIDE }, (_, k) => {
  const [row, column] = [Math.floor(k / SIDE), k % SIDE];
  let sum = 0;
  for (let y = 0; y < FINE; y++) for (let x = 0; x < FINE; x++) sum += ink[(row * FINE + y) * WIDTH + column * FINE + x];
  return Math.round(sum / (FINE * FINE));
});

export const packed = (ink) => ink.some((each) => each) ? btoa(String.fromCharCode(...ink)) : "";
export const unpacked = (text) => text ? Uint8Array.from(atob(text), (each) => each.charCodeAt(0)) : new Uint8Array(WIDTH * WIDTH);

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".pad"), find = (name) => root.querySelector(name);
  const canvas = find("canvas"), context = canvas.getContext("2d"), said = find(".said");
  const pad = pads.get(root) || { sent: null, ink: unpacked(""), before: [], erases: false, at: [13.5, 13.5], down: false, moved: false };
  pads.set(root, pad);
  if (data.ink !== pad.sent) { // another drawing than this pad has made
    Object.assign(pad, { sent: data.ink, ink: unpacked(data.ink), before: [], down: false });
  }

  const show = () => {
    onGrid(pad.ink).forEach((value, k) => {
      context.fillStyle = `rgb(${value} ${value} ${value})`;
      context.fillRect(SHOWN * (k % SIDE), SHOWN * Math.floor(k / SIDE), SHOWN, SHOWN);
    });
    context.strokeStyle = "rgb(136 136 136 / .35)";
    context.lineWidth = 1;
    context.beginPath();
    for (let k = 1; k < SIDE; k++) {
      context.moveTo(k * SHOWN, 0); context.lineTo(k * SHOWN, SIDE * SHOWN);
      context.moveTo(0, k * SHOWN); context.lineTo(SIDE * SHOWN, k * SHOWN);
    }
    context.stroke();
    if (pad.moved) {
      context.strokeStyle = "#E69F00";
      context.lineWidth = pad.down ? 4 : 2;
      context.strokeRect(SHOWN * (pad.at[0] - 0.5), SHOWN * (pad.at[1] - 0.5), SHOWN, SHOWN);
    }
    find(".pen").setAttribute("aria-pressed", String(!pad.erases));
    find(".eraser").setAttribute("aria-pressed", String(pad.erases));
    find(".undo").disabled = !pad.before.length;
    find(".clear").disabled = !pad.ink.some((each) => each);
  };
  const tell = () => {
    const ink = packed(pad.ink);
    if (ink !== pad.sent) setTriggerValue("drawn", pad.sent = ink);
  };
  const begin = () => { pad.before = [...pad.before.slice(-49), pad.ink.slice()]; };
  const draw = (from, to) => { line(pad.ink, from, to, pad.erases); show(); };
  const undo = () => {
    if (!pad.before.length) return;
    pad.ink = pad.before.pop();
    pad.down = false;
    show();
    tell();
  };
  const clear = () => { begin(); pad.ink = unpacked(""); pad.down = false; show(); tell(); };
  const erase = (erases) => { pad.erases = erases; show(); };
  const here = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width * SIDE, (event.clientY - box.top) / box.height * SIDE];
  };

  let last = null; // where the pointer was, while it draws
  canvas.onpointerdown = (event) => {
    if (event.button) return;
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    pad.moved = pad.down = false;
    begin();
    last = here(event);
    draw(last, last);
  };
  canvas.onpointermove = (event) => {
    if (!last) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) {
      const next = here(each);
      line(pad.ink, last, next, pad.erases);
      last = next;
    }
    show();
  };
  canvas.onpointerup = canvas.onpointercancel = () => {
    if (!last) return;
    last = null;
    tell();
  };
  canvas.onkeydown = (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const next = pad.at.map((each, axis) => Math.min(SIDE - 0.5, Math.max(0.5, each + step[axis])));
      if (pad.down) line(pad.ink, pad.at, next, pad.erases);
      Object.assign(pad, { at: next, moved: true });
      show();
      said.textContent = `Column ${Math.ceil(next[0])}, row ${Math.ceil(next[1])}, ${pad.erases ? "eraser" : "pen"} ${pad.down ? "down" : "up"}`;
    } else if (event.key === " ") {
      pad.moved = true;
      pad.down = !pad.down;
      if (pad.down) { begin(); draw(pad.at, pad.at); } else { show(); tell(); }
      said.textContent = `${pad.erases ? "Eraser" : "Pen"} ${pad.down ? "down" : "up"}`;
    } else if (event.key === "e" || event.key === "E") erase(!pad.erases);
    else if (event.key === "u" || event.key === "U" || (event.key === "z" && (event.ctrlKey || event.metaKey))) undo();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  canvas.onblur = () => {
    if (pad.down) { pad.down = false; show(); tell(); }
  };
  find(".pen").onclick = () => erase(false);
  find(".eraser").onclick = () => erase(true);
  find(".undo").onclick = undo;
  find(".clear").onclick = clear;
  show();
}
