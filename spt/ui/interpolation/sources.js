const chosen = new WeakMap();
export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".arcs"), { width: W, height: H, channels: C, points: K } = data;
  const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const arcs = floats(data.arcs), boxes = floats(data.boxes), low = floats(data.low), high = floats(data.high);
  const to = root.querySelector(".to"), from = root.querySelector(".from"), S = Math.max(4, Math.round(560 / Math.max(W, H)));
  for (const canvas of [to, from]) { canvas.width = W * S; canvas.height = H * S; }
  const pictures = [data.moved, data.image].map((url) => { const p = new Image(); p.src = url; return p; });
  let pixel = chosen.has(root) && chosen.get(root) < W * H ? chosen.get(root) : data.start;
  const number = (v) => v.toFixed(3).replace("-", "−");
  const draw = () => {
    chosen.set(root, pixel);
    const [a, b] = [to, from].map((canvas, i) => {
      const context = canvas.getContext("2d");
      context.imageSmoothingEnabled = false;
      context.drawImage(pictures[i], 0, 0, W * S, H * S);
      return context;
    });
    const row = Math.floor(pixel / W), column = pixel % W, colour = "#E69F00";
    a.strokeStyle = colour; a.lineWidth = 4; a.strokeRect(column * S, row * S, S, S);
    const [x0, x1, y0, y1] = boxes.subarray(4 * pixel, 4 * pixel + 4);
    const cells = (p, q) => [Math.floor(p), Math.max(Math.floor(p), Math.ceil(q) - 1)];
    const [c0, c1] = cells(x0, x1), [r0, r1] = cells(y0, y1);
    b.strokeStyle = "#56B4E9"; b.lineWidth = 2;
    for (let r = r0; r <= r1; r++) for (let c = c0; c <= c1; c++) b.strokeRect((c + .5) * S, (r + .5) * S, S, S);
    b.strokeStyle = colour; b.lineWidth = 5; b.lineCap = "round"; b.beginPath();
    for (let k = 0; k < K; k++) {
      const at = 2 * (pixel * K + k);
      b[k ? "lineTo" : "moveTo"]((arcs[at] + .5) * S, (arcs[at + 1] + .5) * S);
    }
    b.stroke();
    const count = (c1 - c0 + 1) * (r1 - r0 + 1), values = [];
    for (let c = 0; c < C; c++) {  // rounded outward; pixels, and so what is interpolated between them, lie in [0, 1]
      const least = Math.max(0, Math.floor(low[c * W * H + pixel] * 1000 - 1e-3) / 1000);
      const most = Math.min(1, Math.ceil(high[c * W * H + pixel] * 1000 + 1e-3) / 1000);
      values.push(`[${number(least)}, ${number(most)}]`);
    }
    const words = `Pixel: row ${row}, column ${column}\nreads columns ${number(x0)} to ${number(x1)}`
      + `\nand rows ${number(y0)} to ${number(y1)}\n`
      + `${count} interpolation cell${count > 1 ? "s" : ""}\nvalue in ${values.join(", ")}`;
    root.querySelector(".words").textContent = words;
    to.setAttribute("aria-label", words);
  };
  const place = (event) => {
    const box = to.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / box.width * W);
    const row = Math.floor((event.clientY - box.top) / box.height * H);
    if (column >= 0 && column < W && row >= 0 && row < H) { pixel = row * W + column; draw(); }
  };
  to.onpointermove = place; to.onpointerdown = place;
  to.onkeydown = (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const column = Math.min(W - 1, Math.max(0, pixel % W + step[0]));
    const row = Math.min(H - 1, Math.max(0, Math.floor(pixel / W) + step[1]));
    pixel = row * W + column; draw();
  };
  let waiting = pictures.length;
  for (const picture of pictures) picture.onload = () => { if (--waiting === 0) draw(); };
}
