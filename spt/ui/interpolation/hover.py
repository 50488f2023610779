"""Hovering a pixel of T_(beta+gamma) x shows where it reads x for the gammas of a split: its arc, the interpolation cells
that the arc's box meets, and the interval that encloses its value. One canvas component; everything in it is computed here.
"""

import base64
from typing import Any

import numpy as np
import streamlit as st
import torch

from spt.interpolation import pixel_grid
from spt.interval_warp import source_boxes
from spt.ui.interpolation import data
from spt.ui.interpolation.data import Request
from spt.ui.pictures import png_data_url

ARC_POINTS = 9

_HTML = """
<div class="arcs">
  <figure><canvas class="to" tabindex="0" role="img"></canvas>
    <figcaption>T<sub>β+γ</sub> x: hover a pixel (or arrow keys)</figcaption></figure>
  <figure><canvas class="from" role="img" aria-label="The image x with the source of the pixel"></canvas>
    <figcaption>x: where it reads</figcaption></figure>
  <p class="words" aria-live="polite"></p>
</div>
"""

_CSS = """
.arcs { display: flex; flex-wrap: wrap; gap: 1rem; color: var(--st-text-color); font-family: var(--st-font); }
figure { margin: 0; flex: 1 1 140px; max-width: 280px; }
canvas { width: 100%; display: block; border-radius: 8px; image-rendering: pixelated; cursor: crosshair; }
canvas:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
figcaption { font-size: .85rem; opacity: .75; text-align: center; margin-top: .3rem; }
.words { flex: 1 1 180px; margin: 0; line-height: 1.7; align-self: center; white-space: pre-line; }
"""

_JS = """
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
    const words = `Pixel: row ${row}, column ${column}\\nreads columns ${number(x0)} to ${number(x1)}`
      + `\\nand rows ${number(y0)} to ${number(y1)}\\n`
      + `${count} interpolation cell${count > 1 ? "s" : ""}\\nvalue in ${values.join(", ")}`;
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
"""

_arcs = st.components.v2.component("spt_source_arcs", html=_HTML, css=_CSS, js=_JS)


def sources(request: Request, split: tuple[tuple[float, float], ...]) -> dict[str, np.ndarray]:
    """Where the pixels of T_(beta+gamma) x read, in pixel indices (column, row) from 0, for gamma in the split.

    ``arcs``: (H * W, ARC_POINTS, 2), the way as gamma goes through the split (a diagonal of it for two parameters);
    ``boxes``: (H * W, 4), the least and largest column and row; ``low`` and ``high``: (C, H, W), the enclosure of the values.
    """
    height, width = request.image.shape[1:]
    ends = torch.tensor(split, dtype=torch.float64) + torch.tensor(request.beta, dtype=torch.float64)[:, None]
    along = torch.linspace(0, 1, ARC_POINTS, dtype=torch.float64)
    angles = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * along
    parameters = tuple(axis[:, None, None] for axis in angles)
    grid = pixel_grid(height, width)
    x, y = (axis.expand(ARC_POINTS, height, width) for axis in request.transform.source(*grid, parameters))
    offset = torch.tensor([(width - 1) / 2, (height - 1) / 2], dtype=torch.float64)
    arcs = (torch.stack((x, y), dim=-1) + offset).flatten(1, 2).transpose(0, 1)
    columns, rows = source_boxes(request.transform, height, width, ends[None])
    sides = (columns.lower + offset[0], columns.upper + offset[0], rows.lower + offset[1], rows.upper + offset[1])
    boxes = torch.stack([side.flatten() for side in sides], dim=1)
    low, high = data.enclosure(request, split).once
    return {"arcs": arcs.numpy(), "boxes": boxes.numpy(), "low": low.numpy(), "high": high.numpy()}


def _packed(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()


def area(request: Request, split: tuple[tuple[float, float], ...]) -> None:
    """Draw the two canvases for one split."""
    found = sources(request, split)
    channels, height, width = request.image.shape
    middle = [(low + high) / 2 + beta for (low, high), beta in zip(split, request.beta, strict=True)]
    moved = request.transform(request.image, torch.tensor([middle], dtype=torch.float64))[0]
    sizes: dict[str, Any] = {"width": width, "height": height, "channels": channels, "points": ARC_POINTS}
    seen = request.preprocessing.mask(height, width).numpy()
    widest = int(((found["high"] - found["low"]).max(axis=0) * seen).argmax())
    packed = {name: _packed(values) for name, values in found.items()}
    images = {"moved": png_data_url(moved), "image": png_data_url(request.image)}
    _arcs(key="source_arcs", data=sizes | packed | images | {"start": widest})
