"""The start page's live example: a digit that turns by itself, with the answers of f and of g beside it.

Everything is computed once by the real classifiers and cached; the browser only plays it.
"""

import base64
from typing import Any

import numpy as np
import streamlit as st
import torch

from spt.datasets import load_dataset
from spt.images import to_8_bit
from spt.smoothing import SmoothedClassifier
from spt.transforms import Rotation
from spt.ui import cache
from spt.ui.controls import where_it_answers

DIGIT, ORDINARY, SMOOTHED = 7, "mnist-plain", "mnist-rotation"
LIMIT, STEP, VOTES, ALPHA, SIGMA = 70, 2, 200, 0.01, 30.0

_HTML = """
<div class="turning">
  <canvas width="28" height="28" role="img"></canvas>
  <svg viewBox="-110 -110 220 125" role="img" aria-label="Dial of the angle, with the heuristic radius as an arc">
    <path class="track"/><path class="range"/><line class="needle" x1="0" y1="0" x2="0" y2="-84"/><circle r="6"/>
    <text class="angle" y="-30" text-anchor="middle"></text>
    <text class="left" x="-100" y="12"></text><text class="right" x="100" y="12" text-anchor="end"></text>
  </svg>
  <div class="answers" aria-live="off">
    <p><span class="who">An ordinary network</span><b class="base"></b></p>
    <p><span class="who">The smoothed classifier g</span><b class="smoothed"></b></p>
    <p class="controls"><button type="button"></button><input type="range" aria-label="Angle of the digit"></p>
  </div>
</div>
"""

_CSS = """
.turning { display: flex; flex-wrap: wrap; gap: 2rem; align-items: center; color: var(--st-text-color);
  font-family: var(--st-font); }
canvas { width: min(250px, 60vw); aspect-ratio: 1; image-rendering: pixelated; border-radius: 8px; background: #000; }
svg { width: min(280px, 70vw); }
.track { fill: none; stroke: var(--st-border-color); stroke-width: 12; }
.range { fill: none; stroke: #7F4FC9; stroke-width: 12; opacity: .75; }
.needle { stroke: var(--st-text-color); stroke-width: 4; stroke-linecap: round; }
circle { fill: var(--st-text-color); }
text { fill: var(--st-text-color); font-size: 13px; }
text.angle { font-size: 20px; font-weight: 600; paint-order: stroke; stroke: var(--st-background-color); stroke-width: 6; }
.answers p { margin: .3rem 0; display: flex; gap: 1rem; align-items: baseline; font-size: 1.05rem; }
.who { min-width: 12.5rem; }
b { font-size: 2rem; min-width: 3.5ch; padding: 0 .4rem; border-radius: 6px; border: 2px solid transparent; }
b.wrong { border: 2px dashed #D55E00; }
.controls { gap: .6rem; margin-top: .8rem; }
button { font: inherit; color: inherit; background: transparent; border: 1px solid var(--st-border-color); border-radius: 8px;
  padding: .2rem .8rem; cursor: pointer; min-width: 6rem; }
input { flex: 1; accent-color: var(--st-primary-color); }
"""

_JS = """
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
"""

_turning_digit = st.components.v2.component("spt_turning_digit", html=_HTML, css=_CSS, js=_JS)


@st.cache_data(show_spinner="A digit is being turned …")
def example(fingerprints: tuple[str, str]) -> dict[str, Any]:
    """The turned digit's frames, f's and g's answers for each ("–" where g abstains), and the heuristic radius at 0°.

    ``fingerprints`` of the two classifiers make the cache forget what other weights answered.
    """
    ordinary, base = cache.classifier(ORDINARY), cache.classifier(SMOOTHED)
    data = load_dataset("digits", shape=base.input_shape)
    image, rotation = data.image(DIGIT), Rotation()
    angles = torch.arange(-LIMIT, LIMIT + STEP, STEP, dtype=torch.float64)
    frames = to_8_bit(rotation(image, angles))
    smoothed = SmoothedClassifier(base, rotation, SIGMA)
    predictions = [smoothed.predict(frame, VOTES, ALPHA, seed=number) for number, frame in enumerate(frames)]
    answers = ordinary.logits(frames).argmax(dim=1).tolist()
    return {
        "frames": base64.b64encode((frames * 255).round().byte().numpy().tobytes()).decode(),
        "angles": np.asarray(angles).tolist(),
        "base": [ordinary.class_names[answer] for answer in answers],
        "smoothed": [prediction.class_name or "–" for prediction in predictions],
        "truth": data.class_names[data.label(DIGIT) or 0],
        "radius": smoothed.certify(image, 100, 1000, ALPHA).radius,
    }


def show() -> None:
    """The turning digit and one sentence on what is seen."""
    shown = example((cache.classifier(ORDINARY).fingerprint, cache.classifier(SMOOTHED).fingerprint))
    _turning_digit(key="turning", data=shown)
    wrong = sum(answer != shown["truth"] for answer in shown["base"])
    held = sum(answer == shown["truth"] for answer in shown["smoothed"])
    total = len(shown["angles"])
    st.caption(
        f"A handwritten {shown['truth']}, turned by up to ±{LIMIT}°. The ordinary network ({ORDINARY}) is wrong at {wrong} of "
        f"{total} angles; the smoothed classifier (votes of {SMOOTHED}, n = {VOTES}) is right at {held}. Violet: the radius that "
        f"BaseSPT reports at 0°, {shown['radius']:.3g}° – a heuristic, not yet a proof. "
        + where_it_answers(cache.classifier(SMOOTHED))
    )
