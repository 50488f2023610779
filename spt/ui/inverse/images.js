const states = new WeakMap();
export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".inverse"), find = (name) => root.querySelector(name);
  const { width: W, height: H, channels: C, frames, frame: last } = data;
  const floats = (text) => text ? new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer) : null;
  const low = floats(data.low), high = floats(data.high), truth = floats(data.truth);
  const got = [floats(data.receivedLow), floats(data.receivedHigh)];
  const S = Math.max(4, Math.round(560 / Math.max(W, H)));
  let state = states.get(root);
  if (state) { clearTimeout(state.timer); }
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (!state || state.name !== data.name) state = { name: data.name, shown: still ? last : 0, hovered: null };
  states.set(root, state);
  const names = ["received", "lower", "upper", "width", ...(data.original ? ["original"] : [])];
  const canvases = Object.fromEntries(names.map((name) => [name, find("canvas." + name)]));
  find("figure.six").style.visibility = data.original ? "visible" : "hidden";
  find(".truth").textContent = data.truthWords;
  find(".scale").innerHTML = "0 <i></i> " + Number(data.scale) + " and more";
  const picture = (url) => { const image = new Image(); image.onload = () => draw(); image.src = url; return image; };
  const steady = { received: picture(data.received), original: data.original ? picture(data.original) : null };
  const moving = frames.map((one) => ({ lower: picture(one.lower), upper: picture(one.upper), width: picture(one.width) }));
  for (const name of names) { canvases[name].width = W * S; canvases[name].height = H * S; }
  const frameOf = (context, pixel, colour, line) => {
    if (!pixel) return;
    context.lineWidth = line + 3; context.strokeStyle = "rgba(0,0,0,.6)"; context.strokeRect(pixel[1] * S, pixel[0] * S, S, S);
    context.lineWidth = line; context.strokeStyle = colour; context.strokeRect(pixel[1] * S, pixel[0] * S, S, S);
  };
  const down = (v) => (Math.floor(v * 1000 + 1e-6) / 1000).toFixed(3), up = (v) => (Math.ceil(v * 1000 - 1e-6) / 1000).toFixed(3);
  const draw = () => {
    const one = moving[state.shown];
    for (const name of names) {
      const image = steady[name] || one[name], context = canvases[name].getContext("2d");
      context.imageSmoothingEnabled = false;
      if (image.complete && image.naturalWidth) context.drawImage(image, 0, 0, W * S, H * S);
      frameOf(context, state.hovered, "#ffffff", 3);
      if (name !== "received") frameOf(context, data.chosen, "#E69F00", 4);
    }
    const dial = find(".dial");
    if (dial.dataset.shown !== data.name + state.shown) {
      dial.innerHTML = frames[state.shown].dial; dial.dataset.shown = data.name + state.shown;
    }
    find(".pass").textContent = frames[state.shown].words;
    const pixel = state.hovered || data.chosen;
    let words = "Hover a pixel to read its bounds, click it to see where they come from.";
    if (pixel) {
      const at = pixel[0] * W + pixel[1], lines = [];
      for (let c = 0; c < C; c++) {
        const k = c * H * W + at, channel = C === 1 ? "" : ["red ", "green ", "blue "][c];
        const known = low ? `original in [${down(Math.max(0, low[k]))}, ${up(Math.min(1, high[k]))}]` : "nothing is left";
        const inside = low && truth && truth[k] >= low[k] && truth[k] <= high[k] ? " ✓ inside" : "";
        lines.push(`${channel}${known}${truth ? `, is ${truth[k].toFixed(3)}${inside}` : ""}`
          + ` · received here [${down(got[0][k])}, ${up(got[1][k])}]`);
      }
      words = `${state.hovered ? "Pixel" : "Chosen pixel"} row ${pixel[0]}, column ${pixel[1]}: ${lines.join("\n")}`;
    }
    find(".words").textContent = words;
    canvases.received.setAttribute("aria-label", "The received image. " + words);
  };
  const advance = () => {
    if (!root.isConnected || state.shown === last) return;
    state.shown += state.shown < last ? 1 : -1;
    draw();
    state.timer = setTimeout(advance, 260);
  };
  find(".play").onclick = () => { clearTimeout(state.timer); state.shown = 0; draw(); state.timer = setTimeout(advance, 500); };
  const place = (event, canvas) => {
    const box = canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / box.width * W);
    const row = Math.floor((event.clientY - box.top) / box.height * H);
    return column >= 0 && column < W && row >= 0 && row < H ? [row, column] : null;
  };
  for (const name of names) {
    const canvas = canvases[name];
    canvas.onpointermove = (event) => { state.hovered = place(event, canvas); draw(); };
    canvas.onpointerleave = () => { state.hovered = null; draw(); };
    canvas.onclick = (event) => { const pixel = place(event, canvas); if (pixel) setTriggerValue("chosen", pixel); };
  }
  canvases.received.onkeydown = (event) => {
    const from = state.hovered || data.chosen || [Math.floor(H / 2), Math.floor(W / 2)];
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (event.key === "Enter") setTriggerValue("chosen", from);
    if (!step) return;
    event.preventDefault();
    state.hovered = [Math.min(H - 1, Math.max(0, from[0] + step[0])), Math.min(W - 1, Math.max(0, from[1] + step[1]))];
    draw();
  };
  draw();
  if (state.shown !== last) state.timer = setTimeout(advance, 400);
  return () => clearTimeout(state.timer);
}
