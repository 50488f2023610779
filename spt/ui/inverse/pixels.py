"""The images of the page "Inverse" as one component: linked hovering, a click that chooses a pixel, and an animation over the
passes. Everything in it is computed here; the browser draws, and rounds the numbers under the pointer outward.
"""

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from spt.figures import errors as error_figures
from spt.figures import inverse as inverse_figures
from spt.ui.inverse.data import Found, Pass, Request, received_interval
from spt.ui.pictures import png_data_url

WIDTH_SCALE = 0.5  # yellow from here on: fixed, so that colours can be compared

_HTML = """
<div class="inverse">
  <div class="pictures">
    <figure class="one"><canvas class="received" tabindex="0" role="img"></canvas>
      <figcaption>received image x′</figcaption></figure>
    <figure class="three"><canvas class="lower" role="img" aria-label="Lower bound of every original pixel"></canvas>
      <figcaption>original: at least</figcaption></figure>
    <figure class="four"><canvas class="upper" role="img" aria-label="Upper bound of every original pixel"></canvas>
      <figcaption>original: at most</figcaption></figure>
    <figure class="two"><div class="dial"></div><figcaption>what survives of Γ</figcaption></figure>
    <figure class="five"><canvas class="width" role="img" aria-label="Width of every interval"></canvas>
      <figcaption>width: <span class="scale"></span></figcaption></figure>
    <figure class="six"><canvas class="original" role="img" aria-label="The original"></canvas>
      <figcaption class="truth"></figcaption></figure>
  </div>
  <p class="line"><button type="button" class="play">▶ Play the passes</button> <span class="pass" aria-live="polite"></span></p>
  <p class="words" aria-live="polite"></p>
</div>
"""

_CSS = """
.inverse { color: var(--st-text-color); font-family: var(--st-font); }
.pictures { display: grid; grid-template-columns: repeat(3, minmax(0, 280px)); gap: .8rem 2.2rem; }
figure { margin: 0; position: relative; }
.one::after, .two::after { content: ""; position: absolute; inset: 0 -1.1rem 0 auto; border-right: 1px solid rgba(136,136,136,.4); }
canvas { width: 100%; display: block; border-radius: 8px; image-rendering: pixelated; cursor: crosshair;
  border: 1px solid rgba(136,136,136,.45); box-sizing: border-box; }
canvas:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
figcaption { font-size: .85rem; opacity: .8; text-align: center; margin-top: .3rem; }
.scale i { display: inline-block; width: 4em; height: .7em; border-radius: 2px; vertical-align: baseline;
  background: linear-gradient(90deg, #00224e, #35456c, #666970, #948e77, #c8b866, #fee838); }
.line { margin: .8rem 0 .2rem; min-height: 2.2rem; }
.words { margin: 0; line-height: 1.6; min-height: 3.2em; font-variant-numeric: tabular-nums; white-space: pre-line; }
button { font: inherit; color: inherit; background: none; border: 1px solid rgba(136,136,136,.6); border-radius: 8px;
  padding: .25rem .8rem; cursor: pointer; margin-right: .6rem; }
button:hover { border-color: var(--st-primary-color); color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
@media (max-width: 560px) {
  .pictures { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: .8rem; }
  .one::after, .two::after { display: none; }
  .one { order: 1; } .two { order: 2; } .three { order: 3; } .four { order: 4; } .five { order: 5; } .six { order: 6; }
}
"""

_JS = """
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
      words = `${state.hovered ? "Pixel" : "Chosen pixel"} row ${pixel[0]}, column ${pixel[1]}: ${lines.join("\\n")}`;
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
"""

_pixels = st.components.v2.component("spt_inverse_pixels", html=_HTML, css=_CSS, js=_JS)


def show(
    request: Request, found: Found, part: int, number: int, chosen: tuple[int, int], choose: Callable[[int, int], None]
) -> None:
    """The images after pass ``number`` on a part of Gamma, with ``chosen`` (row, column) framed; ``choose`` is called with
    a clicked pixel."""
    key = "inverse_pixels"

    def clicked() -> None:
        pixel: Any = st.session_state[key].chosen
        if pixel is not None:
            choose(int(pixel[0]), int(pixel[1]))

    _pixels(
        key=key,
        data=contents(request, found, part, number) | {"chosen": list(chosen)},
        on_chosen_change=clicked,
        height="content",
    )


def contents(request: Request, found: Found, part: int, number: int) -> dict[str, Any]:
    """What the component is given (without the chosen pixel)."""
    channels, height, width = request.received.shape
    hull = found.passes[number].hulls[part]
    low, high = (None, None) if hull is None else (_packed(hull[0], -1), _packed(hull[1], 1))
    received = received_interval(request)
    original = request.original
    return {
        "name": f"{hash((request.key, part)):x}",
        "width": width,
        "height": height,
        "channels": channels,
        "scale": WIDTH_SCALE,
        "received": png_data_url(request.received.float()),
        "original": None if original is None else png_data_url(original.float()),
        "low": low,
        "high": high,
        "truth": None if original is None else _packed(original, 0),
        "receivedLow": _packed(received[0], -1),
        "receivedHigh": _packed(received[1], 1),
        "frames": [_frame(request, found, part, one) for one in found.passes],
        "frame": number,
        "truthWords": _truth(request, found),
    }


def _truth(request: Request, found: Found) -> str:
    if found.inside is None:
        return ""
    count = f"{request.received.numel():,}"
    return f"the true original: all {count} values inside ✓" if found.inside else "the true original"


def _frame(request: Request, found: Found, part: int, one: Pass) -> dict[str, str]:
    hull = one.hulls[part]
    if hull is None:  # nothing is left: show what was left before
        hull = found.passes[one.number - 1].hulls[part]
    assert hull is not None
    widths = error_figures.unsigned_picture((hull[1] - hull[0]).clamp(min=0).numpy(), WIDTH_SCALE)
    boxes = [[(low, high) for low, high in box] for box in one.surviving.tolist()]
    return {
        "lower": png_data_url(hull[0].clamp(0, 1).float()),
        "upper": png_data_url(hull[1].clamp(0, 1).float()),
        "width": png_data_url(torch.from_numpy(widths).float()),
        "dial": inverse_figures.surviving_svg(request.gamma_range, boxes, request.transform.unit, request.gamma),
        "words": one.what,
    }


def _packed(values: Tensor, side: int) -> str:
    """float32 in base64, rounded down (side -1), up (1) or to nearest (0)."""
    exact = values.double().numpy()
    packed = exact.astype("<f4")
    if side:
        wrong = (packed > exact) if side < 0 else (packed < exact)
        packed = np.where(wrong, np.nextafter(packed, np.float32(side * np.inf)), packed).astype("<f4")
    return base64.b64encode(np.ascontiguousarray(packed).tobytes()).decode()
