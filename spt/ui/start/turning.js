const ACROSS = 20, SIDE = 28, TURN = 360, SPEED = 14; // frames in a row of the sheet; pixels; degrees; degrees a second
const NAMES = "http://www.w3.org/2000/svg";
const motions = new WeakMap();

export function inWords(degrees) {
  return `${degrees < 0 ? "−" : ""}${Math.abs(degrees)}°`;
}

/** The place of the frame that is nearest to an angle, which may be any number of turns away. */
export function frameAt(angle, angles) {
  const first = angles[0];
  return ((Math.round(angle - first) % TURN) + TURN) % TURN;
}

/** Arcs of a ring: where one answer follows the other, from which angle to which, and how the answer counts. */
export function arcsOf(answers, angles, truth) {
  const kind = (answer) => (answer === truth ? "right" : answer === "–" ? "open" : "wrong");
  const arcs = [];
  answers.forEach((answer, k) => {
    const last = arcs[arcs.length - 1];
    if (last && last.kind === kind(answer)) last.to = angles[k] + 0.5;
    else arcs.push({ kind: kind(answer), from: angles[k] - 0.5, to: angles[k] + 0.5 });
  });
  return arcs;
}

/** The angle in the picture's sense (counter-clockwise, 0 at the top) of a point, y downward, around the middle. */
export function angleOf(x, y) {
  return Math.atan2(-x, -y) * 180 / Math.PI;
}

function path(radius, from, to) {
  const at = (degrees) => {
    const t = (-90 - degrees) * Math.PI / 180;
    return `${(radius * Math.cos(t)).toFixed(2)} ${(radius * Math.sin(t)).toFixed(2)}`;
  };
  const middle = (from + to) / 2; // two halves: an arc may be a whole turn
  return `M ${at(from)} A ${radius} ${radius} 0 0 0 ${at(middle)} A ${radius} ${radius} 0 0 0 ${at(to)}`;
}

function drawRings(group, data) {
  group.replaceChildren();
  const add = (kind, radius, from, to) => {
    const one = document.createElementNS(NAMES, "path");
    one.setAttribute("class", kind);
    one.setAttribute("d", path(radius, from, to));
    group.append(one);
  };
  [data.alone, data.voted].forEach((answers, ring) => {
    for (const arc of arcsOf(answers, data.angles, data.truth)) add(arc.kind, 97 + 18 * ring, arc.from, arc.to);
  });
  add("track", 133, -180, 180);
  add("proved", 133, -data.reach, data.reach);
}

export default function ({ parentElement, data: bytes }) {
  const data = JSON.parse(new TextDecoder().decode(bytes));
  const root = parentElement.querySelector(".turning"), find = (name) => root.querySelector(name);
  const dial = find(".dial"), canvas = find("canvas"), context = canvas.getContext("2d"), button = find("button");
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const motion = motions.get(root) || { angle: 0, playing: !still };
  cancelAnimationFrame(motion.frame);
  motions.set(root, motion);
  const sheet = new Image();
  const draw = () => {
    const k = frameAt(motion.angle, data.angles), angle = data.angles[k], label = inWords(angle);
    if (sheet.complete) {
      context.drawImage(sheet, SIDE * (k % ACROSS), SIDE * Math.floor(k / ACROSS), SIDE, SIDE, 0, 0, SIDE, SIDE);
    }
    find(".hand").setAttribute("transform", `rotate(${-angle})`);
    find(".angle").textContent = `Turned by ${label}`;
    canvas.setAttribute("aria-label", `A handwritten ${data.truth}, turned by ${label}`);
    for (const [name, answer] of [[".alone b", data.alone[k]], [".voted b", data.voted[k]]]) {
      const fooled = answer !== data.truth && answer !== "–";
      find(name).textContent = answer + (fooled ? " ✗" : "");
      find(name).classList.toggle("wrong", fooled);
    }
    const proved = Math.abs(angle) < data.reach;
    find(".proof b").textContent = proved ? data.proved : "–";
    find(".proof b").classList.toggle("shown", proved);
    dial.setAttribute("aria-valuenow", angle);
    dial.setAttribute("aria-valuetext", `${label}: alone ${data.alone[k]}, vote ${data.voted[k]}, ${proved ? `proved ${data.proved}` : "nothing proved"}`);
    const words = motion.playing ? "❚❚ Pause" : "▶ Turn";
    if (button.textContent !== words) button.textContent = words;
  };
  const words = { ".alone": `${data.network}: inner ring`, ".voted": `${data.network}: middle ring`,
    ".proof": `${data.network}: outer ring, up to ±${data.reach}°` };
  for (const name in words) find(`${name} small`).textContent = words[name];
  drawRings(find(".rings"), data);
  let last = performance.now();
  const step = (now) => {
    if (!root.isConnected) return;
    if (motion.playing) {
      motion.angle += SPEED * Math.min(0.1, (now - last) / 1000);
      draw();
    }
    last = now;
    motion.frame = requestAnimationFrame(step);
  };
  const turnTo = (angle) => { motion.playing = false; motion.angle = angle; draw(); };
  const under = (event) => {
    const box = dial.getBoundingClientRect();
    return angleOf(event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2);
  };
  dial.onpointerdown = (event) => {
    if (event.button) return;
    dial.setPointerCapture(event.pointerId);
    motion.held = under(event) - motion.angle;
    event.preventDefault();
    dial.focus({ preventScroll: true });
  };
  dial.onpointermove = (event) => { if (motion.held !== undefined) turnTo(under(event) - motion.held); };
  dial.onpointerup = dial.onpointercancel = () => { delete motion.held; };
  dial.onkeydown = (event) => {
    const by = { ArrowLeft: 1, ArrowUp: 1, ArrowRight: -1, ArrowDown: -1, PageUp: 15, PageDown: -15 }[event.key];
    if (by) turnTo(motion.angle + by);
    else if (event.key === "Home") turnTo(0);
    else if (event.key === " ") button.onclick();
    else return;
    event.preventDefault();
  };
  button.onclick = () => { motion.playing = !motion.playing; draw(); };
  sheet.onload = draw;
  sheet.src = data.sheet;
  draw();
  motion.frame = requestAnimationFrame(step);
  return () => cancelAnimationFrame(motion.frame);
}
