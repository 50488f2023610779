const motions = new WeakMap();
export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".turning");
  const find = (name) => root.querySelector(name);
  const bytes = Uint8Array.from(atob(data.frames), (c) => c.charCodeAt(0));
  const context = find("canvas").getContext("2d");
  const arc = (from, to) => {
    const at = (degrees) => { const t = (-90 - degrees) * Math.PI / 180; return `${90 * Math.cos(t)} ${90 * Math.sin(t)}`; };
    return `M ${at(from)} A 90 90 0 0 0 ${at(to)}`;
  };
  const limit = -data.angles[0], radius = Math.min(data.radius, limit);
  find(".track").setAttribute("d", arc(-limit, limit));
  find(".range").setAttribute("d", radius > 0 ? arc(-radius, radius) : "");
  find(".left").textContent = `+${limit}°`; find(".right").textContent = `−${limit}°`;
  const slider = find("input"), button = find("button");
  slider.min = 0; slider.max = data.angles.length - 1; slider.step = 1;
  const previous = motions.get(root);
  const motion = { position: previous ? previous.position : (data.angles.length - 1) / 2, speed: previous ? previous.speed : 0.45,
    playing: previous ? previous.playing : !matchMedia("(prefers-reduced-motion: reduce)").matches };
  if (previous) cancelAnimationFrame(previous.frame);
  motions.set(root, motion);
  const draw = () => {
    const k = Math.round(motion.position), pixels = context.createImageData(28, 28);
    for (let i = 0; i < 784; i++) { pixels.data.fill(bytes[k * 784 + i], 4 * i, 4 * i + 3); pixels.data[4 * i + 3] = 255; }
    context.putImageData(pixels, 0, 0);
    const angle = data.angles[k], label = `${angle < 0 ? "−" : ""}${Math.abs(angle)}°`;
    find(".needle").setAttribute("transform", `rotate(${-angle})`);
    find(".angle").textContent = label;
    find("canvas").setAttribute("aria-label", `A handwritten ${data.truth}, turned by ${label}`);
    for (const [name, answer] of [[".base", data.base[k]], [".smoothed", data.smoothed[k]]]) {
      find(name).textContent = answer + (answer === data.truth ? "" : answer === "–" ? "" : " ✗");
      find(name).classList.toggle("wrong", answer !== data.truth);
    }
    slider.value = k; slider.setAttribute("aria-valuetext", label);
    button.textContent = motion.playing ? "❚❚ Pause" : "▶ Turn";
  };
  let last = 0;
  const step = (now) => {
    if (!root.isConnected) return;
    if (motion.playing && now - last > 33) {
      last = now;
      motion.position += motion.speed;
      if (motion.position >= data.angles.length - 1 || motion.position <= 0) {
        motion.speed = -motion.speed;
        motion.position = Math.min(Math.max(motion.position, 0), data.angles.length - 1);
      }
      draw();
    }
    motion.frame = requestAnimationFrame(step);
  };
  button.onclick = () => { motion.playing = !motion.playing; draw(); };
  slider.oninput = () => { motion.playing = false; motion.position = Number(slider.value); draw(); };
  draw();
  motion.frame = requestAnimationFrame(step);
  return () => cancelAnimationFrame(motion.frame);
}
