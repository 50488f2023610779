"""The page "Votes": images, the live vote, its conclusions, the response curve, the attack and the explanation.

A run belongs to one `View`: its key holds everything that decides the votes, so a result whose key is not that of the
controls is never drawn. The votes come from a stream; every drawn update is a Streamlit call, at which a new run of the
script (Stop, or any changed control) takes over at once.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from torch import Tensor

from spt import figures
from spt.attacks import AttackResult, WorstOfK
from spt.certificates import HEURISTIC_NOTE, Certificate, Prediction, quantity
from spt.classifiers import Classifier
from spt.images import image_digest, to_8_bit
from spt.smoothing import SmoothedClassifier, Votes, generators
from spt.statistics import largest_certified_radius, votes_needed_to_certify
from spt.transforms import Transform
from spt.ui import cache, pictures
from spt.ui.controls import BOUND, Smoothing, Statistics, Subject

WATCH_UPDATES, WATCH_PAUSE = 40, 0.05  # a watched run takes about three seconds, however fast the network
FAST_UPDATES_A_SECOND = 8
ATTACK_TRIES = 100
CURVE_STEPS = {1: 361, 2: 33}


@dataclass(frozen=True, eq=False)
class View:
    """What the controls say."""

    classifier: Classifier
    subject: Subject
    transform: Transform
    gamma: tuple[float, ...]
    smoothing: Smoothing
    statistics: Statistics
    watch: bool

    @cached_property
    def received(self) -> Tensor:
        """x' = T_gamma x, rounded to 8 bits: what the attacker hands over."""
        return to_8_bit(self.transform(self.subject.image, [self.gamma])[0])

    @cached_property
    def smoothed(self) -> SmoothedClassifier:
        """g."""
        noise = self.smoothing
        return SmoothedClassifier(self.classifier, self.transform, noise.parameter_sigma, noise.pixel_sigma)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """f's class probabilities for the received image."""
        return np.asarray(self.classifier.logits(self.received[None]).softmax(dim=1)[0].cpu())

    @cached_property
    def key(self) -> tuple[Any, ...]:
        """Everything that decides the votes and the conclusions, as plain values."""
        return (image_digest(self.received), self.subject.sha256, self.classifier.fingerprint, self.transform.name,
                self.gamma, self.smoothing, self.statistics)  # fmt: skip

    @property
    def names(self) -> tuple[str, ...]:
        """The class names."""
        return self.classifier.class_names

    @property
    def truth(self) -> int:
        """The true class if it is known, else what f answers for the untouched image."""
        if self.subject.label is not None:
            return self.subject.label
        return int(self.classifier.logits(self.subject.image[None].to(self.classifier.device)).argmax())


@dataclass
class Run:
    """The state of one run, kept in the session."""

    key: tuple[Any, ...]
    status: str = "running"  # "running", "stopped" or "done"
    selection: Votes | None = None
    estimation: Votes | None = None
    prediction: Prediction | None = None
    certificate: Certificate | None = None


def choose_pace() -> bool:
    """Whether to slow the votes down so that they can be watched."""
    pace = st.segmented_control(
        "Pace", ["watch", "fast"], default="watch", required=True, key="pace",
        help="Watch: the votes come in over about three seconds. Fast: as fast as the network is.", **BOUND,
    )  # fmt: skip
    return pace == "watch"


def show(view: View) -> None:
    """The whole page below the title. What stands still is drawn first, then the votes come in."""
    _show_images(view)
    run_area = st.container()
    response_area = st.container()
    attack_area = st.container()
    explanation_area = st.container()
    with response_area:
        draw_response = _response_area(view)
    run = _current_run(view)
    if run.status == "running":
        draw_response(run)  # the curve at once; its votes when they are counted
    with attack_area:
        draw_verdict = _attack_area(view)
    with run_area:
        _run_area(view, run)
    draw_response(run)
    draw_verdict(run)
    with explanation_area:
        _show_explanation(view, run)


# ---------------------------------------------------------------------------------------------------------------- images


def _show_images(view: View) -> None:
    first, second, third, answer = st.columns([1, 1, 1, 1.5], gap="medium")
    where = view.transform.describe(view.gamma)
    with first:
        pictures.show(view.subject.image, f"original x: {view.subject.caption}", "The original image.")
    with second:
        pictures.show(view.received, f"received x′ = T_γ x: {where}", "The image the attacker hands over, in 8 bits.")
    with third:
        preprocessed = view.classifier.preprocessing(view.received)
        steps = _preprocessing_in_words(view.classifier)
        pictures.show(preprocessed, f"seen by f, P x′: {steps}", "The received image after preprocessing.")
    with answer:
        winner = int(view.probabilities.argmax())
        mark = "" if view.subject.label is None else " ✓" if winner == view.subject.label else " ✗ wrong"
        st.markdown(f"Base classifier f answers **{view.names[winner]}**{mark}")
        rows = figures.histogram_rows(view.probabilities, view.names)
        specification = figures.bars_specification("probability", 1.15, number_format=".2f", height=215)
        st.vega_lite_chart(pd.DataFrame(rows), specification, alt=f"Class probabilities of f; most likely {view.names[winner]}.")


def _preprocessing_in_words(classifier: Classifier) -> str:
    settings, words = classifier.preprocessing, []
    if settings.resize or settings.crop:
        words.append(f"resize {settings.resize}, crop {settings.crop}")
    if settings.vignette:
        words.append(f"{settings.vignette} vignette")
    if settings.blur_size > 1:
        words.append(f"{settings.blur_size}×{settings.blur_size} blur")
    return ", ".join(words) or "no preprocessing"


# ------------------------------------------------------------------------------------------------------------------- run


def _current_run(view: View) -> Run:
    run = st.session_state.get("votes_run")
    if not isinstance(run, Run) or run.key != view.key:
        run = st.session_state["votes_run"] = Run(view.key)
    return run


def _restart() -> None:
    st.session_state.pop("votes_run", None)


def _stop() -> None:
    run = st.session_state.get("votes_run")
    if isinstance(run, Run) and run.status == "running":
        run.status = "stopped"


def _run_area(view: View, run: Run) -> None:
    st.subheader("The vote of g", anchor=False)
    left, right = st.columns([1.5, 1], gap="large")
    with left:
        slots = _Slots(st.empty(), st.empty())
    with right:
        button, panel = st.empty(), st.empty()
    if run.status == "running":
        button.button("Stop", key="stop", icon=":material/stop_circle:", on_click=_stop, help="End the run now; what it has is provisional.", shortcut="s")
        with cache.heavy_work():
            _count(view, run, slots, panel)
    slots.draw(view, run)
    button.button("Run again", key="again", icon=":material/replay:", on_click=_restart, help="Count the same votes again (same seed).", shortcut="g")
    with panel.container():
        _show_conclusions(view, run)


@dataclass(frozen=True)
class _Slots:
    """Where the histogram and the progress line are drawn."""

    chart: Any
    progress: Any

    def draw(self, view: View, run: Run) -> None:
        n, votes = view.statistics.n, run.estimation
        counts = votes.counts if votes else (0,) * len(view.names)
        needed = votes_needed_to_certify(n, view.statistics.alpha)
        rows = figures.histogram_rows(counts, view.names)
        label = f"{needed:,} certify" if needed else ""
        specification = figures.bars_specification(f"votes of {n:,}", 1.12 * n, needed, label)
        leader = max(range(len(counts)), key=lambda index: counts[index])
        alt = f"Vote histogram: {sum(counts)} of {n} votes, {counts[leader]} for {view.names[leader]}."
        self.chart.vega_lite_chart(pd.DataFrame(rows), specification, alt=alt)
        done = sum(counts)
        self.progress.progress(done / n, text=f"{done:,} of {n:,} votes")


def _count(view: View, run: Run, slots: _Slots, panel: Any) -> None:
    """Draw all votes of the run and its conclusions; a run that was interrupted without Stop catches up first."""
    started = time.perf_counter()
    statistics, smoothed = view.statistics, view.smoothed
    selection_generator, estimation_generator = generators(statistics.seed)
    run.selection = smoothed.count(view.received, statistics.n0, selection_generator)
    shown_before = run.estimation.n if run.estimation else 0
    batch = max(1, statistics.n // WATCH_UPDATES)
    drawn = 0.0
    for votes in smoothed.votes(view.received, statistics.n, estimation_generator, batch):
        if votes.n <= shown_before:
            continue
        run.estimation = votes
        now = time.perf_counter()
        if view.watch or now - drawn > 1 / FAST_UPDATES_A_SECOND:
            drawn = now
            slots.draw(view, run)
            panel.markdown(_standing(view, run))
        if view.watch:
            time.sleep(max(0.0, WATCH_PAUSE - (time.perf_counter() - now)))
    assert run.estimation is not None
    seconds = time.perf_counter() - started
    run.prediction = smoothed.conclude_prediction(view.received, run.estimation, statistics.alpha, statistics.seed)
    run.certificate = smoothed.conclude_certificate(
        view.received, run.selection, run.estimation, statistics.alpha, statistics.seed, seconds
    )
    run.status = "done"


def _standing(view: View, run: Run) -> str:
    """The running share and what is still needed, in words; no bound, because the run is still going on."""
    assert run.estimation is not None and run.selection is not None
    counts = run.estimation.counts
    leader = max(range(len(counts)), key=lambda index: counts[index])
    chosen = int(np.argmax(run.selection.counts))
    needed = votes_needed_to_certify(view.statistics.n, view.statistics.alpha)
    lines = [
        ":gray-badge[PROVISIONAL] the votes are coming in",
        f"**{view.names[leader]}** has **{counts[leader]:,}** of {run.estimation.n:,} votes "
        f"({counts[leader] / run.estimation.n:.1%}).",
        f"The {view.statistics.n0} selection votes chose **{view.names[chosen]}**.",
    ]
    if needed is None:
        lines.append(f"With n = {view.statistics.n} no vote can certify at this α: choose a larger n.")
    else:
        missing = max(0, needed - counts[chosen])
        lines.append(f"It needs **{missing:,}** more votes to certify." if missing else "It has votes enough to certify.")
    return "\n\n".join(lines)


def _show_conclusions(view: View, run: Run) -> None:
    if run.status == "stopped":
        seen = run.estimation.n if run.estimation else 0
        st.markdown(
            f":gray-badge[PROVISIONAL] stopped after {seen:,} of {view.statistics.n:,} votes.\n\n"
            "A run that was stopped concludes nothing: when to stop may have depended on the votes. Run again, or choose a smaller n."
        )
        return
    if run.prediction is None or run.certificate is None:
        return
    _show_prediction(view, run.prediction)
    _show_certificate(view, run.certificate)


def _mark(view: View, label: int) -> str:
    if view.subject.label is None:
        return ""
    return " ✓" if label == view.subject.label else f" ✗ (truth: {view.names[view.subject.label]})"


def _show_prediction(view: View, prediction: Prediction) -> None:
    with st.container(border=True):
        if prediction.label is None:
            st.markdown(f"**PREDICT** :orange-badge[ABSTAIN]\n\n{_escape(prediction.reason())}")
        else:
            st.markdown(
                f"**PREDICT** :blue-badge[g answers {_escape(view.names[prediction.label])}]{_mark(view, prediction.label)}\n\n"
                f"{_escape(prediction.reason())}"
            )


def _show_certificate(view: View, certificate: Certificate) -> None:
    statistics = view.statistics
    with st.container(border=True):
        if certificate.label is None:
            st.markdown(f"**CERTIFY** :orange-badge[ABSTAIN]\n\n{_escape(certificate.reason())}")
            return
        most = largest_certified_radius(statistics.n, statistics.alpha, view.smoothing.parameter_sigma)
        st.markdown(
            f"**CERTIFY** :violet-badge[HEURISTIC] {_escape(view.names[certificate.label])} within **{quantity(certificate.radius, certificate.unit)}** "
            f"of this image\n\n{_escape(certificate.reason())} With n = {statistics.n:,} at most "
            f"{quantity(most, certificate.unit)} can be reached.\n\n*{HEURISTIC_NOTE}*"
        )


def _escape(text: str) -> str:
    """Text for Streamlit's Markdown: class names may hold any character."""
    for character in "\\`*_[]<>$#|~:":
        text = text.replace(character, "\\" + character)
    return text


# -------------------------------------------------------------------------------------------------------------- response


def _response_area(view: View) -> Callable[[Run], None]:
    st.subheader(f"How f answers over the whole range of {view.transform.name}", anchor=False)
    slot = st.empty()
    st.caption(
        "Curves: f(P T_θ x) for every θ. Points: the votes f(P T_β x′), drawn at γ + β. Transformed twice is not quite the "
        "same as transformed once by the sum, because both interpolate: a vote may differ from the curve below it. This "
        "difference is what stands between BaseSPT and a proof."
    )

    def draw(run: Run) -> None:
        slot.plotly_chart(_response_figure(view, run), alt=_response_alt(view))

    return draw


def _response_alt(view: View) -> str:
    return f"Class probabilities of the base classifier over {view.transform.name}, with the votes as points."


def _response_figure(view: View, run: Run) -> Any:
    transform, steps = view.transform, CURVE_STEPS[view.transform.dimensions]
    limit = transform.parameters[0].limit
    values = cache.responses(
        view.subject.sha256, view.classifier.fingerprint, transform.name, limit, steps,
        view.classifier, transform, view.subject.image,
    )  # fmt: skip
    axis = np.linspace(-limit, limit, steps)
    votes = run.estimation if run.status != "running" else None
    where = None if votes is None else votes.points.numpy() + np.array(view.gamma)
    classes = None if votes is None else votes.classes.numpy()
    if transform.dimensions == 1:
        points = None if where is None or classes is None else ((where[:, 0] + limit) % (2 * limit) - limit, classes)
        parameter = transform.parameters[0]
        return figures.response_curve(
            axis, values, view.names, view.gamma[0], parameter.unit, parameter.symbol, points, view.smoothing.parameter_sigma
        )
    points = None if where is None or classes is None else (where, classes)
    return figures.response_map(
        axis, values.reshape(steps, steps, -1), view.names, (view.gamma[0], view.gamma[1]), transform.unit, points
    )


# ---------------------------------------------------------------------------------------------------------------- attack


def _attack_key(view: View, limit: float) -> tuple[Any, ...]:
    return (view.subject.sha256, view.classifier.fingerprint, view.transform.name, limit, view.statistics.seed)


def _set_parameters(names: list[str], values: list[float]) -> None:
    for name, value in zip(names, values, strict=True):
        st.session_state[name] = value


def _attack(view: View, limit: float) -> None:
    attack = WorstOfK(view.transform, limit, k=ATTACK_TRIES, resolution=view.transform.parameters[0].step)
    result = attack(view.classifier, view.subject.image, view.truth, view.statistics.seed)
    st.session_state["attack"] = (_attack_key(view, limit), result)
    _set_parameters([parameter.name for parameter in view.transform.parameters], _rounded(view, result.points[0]))


def _rounded(view: View, point: Tensor) -> list[float]:
    return [round(float(value), 6) for value in point]


def _attack_area(view: View) -> Callable[[Run], None]:
    st.subheader("Attack f: which parameter fools it?", anchor=False)
    first = view.transform.parameters[0]
    left, right = st.columns([1, 2], gap="large", vertical_alignment="bottom")
    limit = left.slider(
        f"Attack range Γ: ± {first.unit}", first.step, first.limit, 30.0 if first.unit == "°" else 4.0, first.step,
        key=f"{view.transform.name}_range", help="The attacker chooses every parameter between minus and plus this.", **BOUND,
    )  # fmt: skip
    right.button(
        f"Attack: worst of {ATTACK_TRIES} random parameters", key="attack_button", type="primary", icon=":material/swords:",
        on_click=_attack, args=(view, limit), shortcut="a",
        help="Tries random parameters within Γ and moves the slider to the one with the largest loss of f.",
    )  # fmt: skip
    key, result = st.session_state.get("attack", (None, None))
    if key != _attack_key(view, limit) or result is None:
        st.caption("No attack has been run for this image, classifier, range and seed.")
        return lambda run: None
    _show_attack(view, result)
    verdict = st.empty()

    def draw(run: Run) -> None:
        at = next((i for i in range(len(result.points)) if _rounded(view, result.points[i]) == [round(g, 6) for g in view.gamma]), None)
        if at is not None:
            verdict.markdown(_verdict(view, result, at, run))

    return draw


def _show_attack(view: View, result: AttackResult) -> None:
    truth = view.names[result.label]
    outcome = "fools f" if result.fooled else "does not fool f"
    st.markdown(f"Of {result.tried} parameters tried, the worst **{outcome}** (truth: {_escape(truth)}). The three worst:")
    columns = st.columns(len(result.points))
    for index, column in enumerate(columns):
        answer = view.names[int(result.predictions[index])]
        column.button(
            f"{view.transform.describe(result.points[index])} → f: {answer}, loss {float(result.losses[index]):.2f}",
            key=f"attack_{index}", width="stretch", help="Move the sliders there.", on_click=_set_parameters,
            args=([parameter.name for parameter in view.transform.parameters], _rounded(view, result.points[index])),
        )  # fmt: skip


def _verdict(view: View, result: AttackResult, at: int, run: Run) -> str:
    """What g answers at the attacked parameter, in words."""
    truth, answer = view.names[result.label], view.names[int(result.predictions[at])]
    base = f"At {view.transform.describe(result.points[at])} f answers **{_escape(answer)}**"
    base += " (right)" if int(result.predictions[at]) == result.label else f" instead of {_escape(truth)}"
    if run.prediction is None:
        return f"{base}. g has not finished its vote."
    if run.prediction.label is None:
        return f"{base}. :orange-badge[ABSTAIN] g does not decide with n = {view.statistics.n}."
    name = _escape(view.names[run.prediction.label])
    if run.prediction.label == result.label:
        return f"{base}; **g answers {name}**. :blue-badge[g holds here] (evidence, not a proof)"
    return f"{base}; **g answers {name}** as well. :red-badge[g does not hold here]"


# ----------------------------------------------------------------------------------------------------------- explanation


def _show_explanation(view: View, run: Run) -> None:
    with st.expander("How it works, with this image's numbers"):
        _show_formulas(view, run)
    with st.expander("Export: numbers, command, Python"):
        _show_export(view, run)


def _show_formulas(view: View, run: Run) -> None:
    sigma, statistics = view.smoothing.parameter_sigma, view.statistics
    unit = r"^\circ" if view.transform.unit == "°" else r"\,\mathrm{px}"
    pixel = rf" + \varepsilon,\ \varepsilon\sim\mathcal N(0,{view.smoothing.pixel_sigma:g}^2)" if view.smoothing.pixel_sigma else ""
    st.latex(rf"g(x') = \arg\max_c\ \Pr\big(f(P\,T_\beta\,x'{pixel.split(',')[0]}) = c\big),\quad \beta\sim\mathcal N(0, ({sigma:g}{unit})^2){pixel[pixel.find(','):] if pixel else ''}")
    certificate, prediction = run.certificate, run.prediction
    if certificate is None or prediction is None:
        st.caption("The numbers appear when the run has ended.")
        return
    st.markdown(
        "**PREDICT** (Cohen, Rosenfeld, Kolter 2019): two-sided binomial test of the top two counts. "
        "Code: `spt.smoothing.SmoothedClassifier.predict`."
    )
    first, second = prediction.top_two()
    n_a, n_b = prediction.counts[first], prediction.counts[second] if second != first else 0
    relation = r"\le" if prediction.label is not None else ">"
    st.latex(rf"p\text{{-value}}({n_a}, {n_a}+{n_b}, \tfrac12) = {_latex(prediction.p_value)} {relation} \alpha = {statistics.alpha:g}")
    st.markdown(
        "**CERTIFY**: the class comes from the selection votes, the Clopper–Pearson bound from the others. "
        "Code: `spt.smoothing.SmoothedClassifier.certify`."
    )
    votes = certificate.counts[certificate.selected]
    st.latex(rf"\underline p = \mathrm{{LowerConfBound}}({votes}, {certificate.n}, 1-{statistics.alpha:g}) = {certificate.p_lower:.4f}")
    if certificate.label is None:
        st.latex(rf"\underline p = {certificate.p_lower:.4f} \le \tfrac12 \;\Rightarrow\; \mathrm{{ABSTAIN}}")
    else:
        st.latex(
            rf"r = \sigma_\gamma\,\Phi^{{-1}}(\underline p) = {sigma:g}\cdot\Phi^{{-1}}({certificate.p_lower:.4f}) = {certificate.radius:.3g}{unit}"
        )
        st.markdown(
            "Theorem 3.2 makes this a certified radius *if* T_β T_γ = T_(β+γ). Interpolated rotations and translations do "
            "not compose exactly, so for BaseSPT it is a heuristic."
        )


def _latex(value: float) -> str:
    text = f"{value:.3g}"
    mantissa, exponent, power = text.partition("e")
    return rf"{mantissa}\cdot 10^{{{int(power)}}}" if exponent else text


def _show_export(view: View, run: Run) -> None:
    if run.certificate is not None:
        st.download_button(
            "Certificate as JSON", run.certificate.to_json(), "certificate.json", "application/json", key="export_json", on_click="ignore"
        )
    statistics, noise = view.statistics, view.smoothing
    at = " ".join(f"{value:g}" for value in view.gamma)
    image = view.subject.reference or "picture.png"
    st.code(
        f"python -m spt certify --image {image} --classifier {view.classifier.name} --transform {view.transform.name} "
        f"--at {at} --parameter-sigma {noise.parameter_sigma:g} --pixel-sigma {noise.pixel_sigma:g} "
        f"--n0 {statistics.n0} --n {statistics.n} --alpha {statistics.alpha:g} --seed {statistics.seed}",
        language="bash",
    )
    name, _, index = image.partition(":")
    load = (
        f"image = load_dataset({name!r}, shape=classifier.input_shape).image({index})"
        if index
        else f"image = fit_image(read_image(Path({image!r})), classifier.input_shape)"
    )
    imports = "fit_image, read_image" if not index else "load_dataset"
    st.code(
        ("" if index else "from pathlib import Path\n\n")
        + f"from spt import SmoothedClassifier, get_transform, load_classifier, {imports}, to_8_bit\n\n"
        f"classifier = load_classifier({view.classifier.name!r})\n{load}\n"
        f"transform = get_transform({view.transform.name!r})\n"
        f"received = to_8_bit(transform(image, [{view.gamma}])[0])\n"
        f"g = SmoothedClassifier(classifier, transform, {noise.parameter_sigma:g}, {noise.pixel_sigma:g})\n"
        f"print(g.certify(received, {statistics.n0}, {statistics.n}, {statistics.alpha:g}, seed={statistics.seed}).to_text())",
        language="python",
    )
