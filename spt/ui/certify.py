"""The page "Certify": DistSPT^x on one image, sample by sample, what it proves, and an attack on that.

A run belongs to one `Case`: its key holds everything that decides the certificate, so a result whose key is not that of
the controls is never drawn. While a run goes on only counts are shown: the bound is computed once, from all samples.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from spt import certificate_figures as figures
from spt import statistics
from spt.attacks import WorstOfK
from spt.certificate_figures import Answer, covers, reach
from spt.certificates import DistCertificate, quantity, rounded_down, rounded_up
from spt.certificates.inner_tests import FIRST_LOOK, MOST_INNER_VOTES
from spt.images import to_8_bit
from spt.seeds import generators
from spt.smoothing import SmoothedClassifier
from spt.ui import cache, pictures
from spt.ui.certify_case import Case, Run
from spt.ui.view import escape

BATCH = 5  # samples between two updates of the screen: a fraction of a second
MOST_KEPT = 16  # certificates of this session, so that going back to a setting shows its result at once
TRIES, WORST, VOTES = 100, 3, 500


# ------------------------------------------------------------------------------------------------------------------ page


@dataclass(frozen=True)
class _Slots:
    """Where the run is drawn."""

    chart: Any
    progress: Any
    button: Any
    panel: Any
    range: Any
    formulas: Any
    export: Any


def show(case: Case) -> None:
    """The whole page below the title. What depends on the run is emptied first, then the samples come in."""
    try:
        _ = case.defence
    except ValueError as error:
        st.error(str(error))
        st.stop()
    run = _current_run(case)
    slots = _make_slots(case)
    _draw_samples(case, slots, None if run.status == "running" else run.certificate)
    slots.formulas.caption("The numbers appear when the run has ended.")
    slots.export.caption("There is something to export when the run has ended.")
    if run.status == "running":
        slots.range.caption("The range is drawn when all samples are in.")
        slots.button.button(
            "Stop", key="certify_stop", icon=":material/stop_circle:", on_click=_stop, shortcut="s",
            help="End the run now; what it has is provisional.",
        )  # fmt: skip
        with cache.heavy_work():
            _count(case, run, slots)
    again = run.certificate is not None
    slots.button.button(
        "Run again" if again else "Run", key="certify_start", type="secondary" if again else "primary",
        icon=":material/replay:" if again else ":material/play_arrow:", on_click=_start, shortcut="g",
        help="Draw all samples and conclude (the same seed gives the same result).",
    )  # fmt: skip
    with slots.panel.container():
        _show_conclusion(case, run)
    certificate = run.certificate
    if run.status != "done" or certificate is None:
        slots.range.caption("A range is certified only when all samples of a run are in.")
        return
    with slots.formulas.container():
        _show_formulas(case, certificate)
    with slots.export.container():
        _show_export(case, certificate)
    with slots.range.container():
        _show_range(case, certificate)


def _make_slots(case: Case) -> _Slots:
    left, middle, right = st.columns([0.9, 2.2, 1.3], gap="medium")
    with left:
        pictures.show(case.subject.image, f"image x: {case.subject.caption}", "The image that is certified.")
    with middle:
        chart, progress = st.empty(), st.empty()
    with right:
        button, panel = st.empty(), st.empty()
    st.subheader("The certified range, and g under attack", anchor=False)
    area = st.empty()
    with st.expander("How it works, with this image's numbers"):
        formulas = st.empty()
    with st.expander("Export: certificate, picture, command, Python"):
        export = st.empty()
    return _Slots(chart, progress, button, panel, area, formulas, export)


# ------------------------------------------------------------------------------------------------------------------- run


def _current_run(case: Case) -> Run:
    """The run of this case. The first one of a visit starts by itself, later ones wait for the button."""
    run = st.session_state.get("certify_run")
    if isinstance(run, Run) and run.key == case.key:
        return run
    kept = _kept().get(case.key)
    status = "done" if kept else "idle" if isinstance(run, Run) else "running"
    if st.session_state.pop("certify_requested", False):
        status, kept = "running", None
    run = st.session_state["certify_run"] = Run(case.key, status, kept)
    return run


def _kept() -> dict[tuple[Any, ...], DistCertificate]:
    kept: dict[tuple[Any, ...], DistCertificate] = st.session_state.setdefault("certificates", {})
    return kept


def _start() -> None:
    st.session_state["certify_requested"] = True
    st.session_state["certify_run"] = Run(())


def _stop() -> None:
    run = st.session_state.get("certify_run")
    if isinstance(run, Run) and run.status == "running":
        run.status = "stopped"


def _count(case: Case, run: Run, slots: _Slots) -> None:
    """Draw the samples as they come. Drawing precedes keeping: a script that was replaced ends at its next drawing."""
    settings = case.settings
    slots.panel.markdown(":gray-badge[PROVISIONAL] the first samples are being drawn …")
    certificate = None

    def bounding(items: Iterable[Any], desc: str = "", total: int | None = None) -> Iterator[Any]:
        """Say that the errors of the next samples are being bounded; every step is a chance to stop."""
        for number, item in enumerate(items, 1):
            slots.panel.markdown(
                ":gray-badge[PROVISIONAL] the error radii of the next samples are being bounded "
                f"(step {number} of {total}) …"
            )
            yield item

    try:
        for certificate in case.defence.stream(
            case.subject.image, settings.n0, settings.n_gamma, settings.alpha, settings.seed, BATCH, bounding
        ):
            _draw_samples(case, slots, certificate, running=True)
            if not certificate.complete:
                slots.panel.markdown(_standing(case, certificate))
                run.certificate = certificate
    except ValueError as error:
        run.status = "stopped"
        slots.panel.error(str(error))
        st.stop()
    assert certificate is not None and certificate.complete
    if run.status == "running":
        run.certificate, run.status = certificate, "done"
        kept = _kept()
        kept[case.key] = certificate
        while len(kept) > MOST_KEPT:
            del kept[next(iter(kept))]


def _draw_samples(case: Case, slots: _Slots, certificate: DistCertificate | None, running: bool = False) -> None:
    rows = figures.sample_rows(certificate) if certificate else []
    n, done, most = case.settings.n_gamma, len(rows), max((row["rho"] for row in rows), default=0.3)
    farthest = max((abs(value) for point in certificate.points for value in point), default=0.0) if certificate else 0.0
    columns = None if rows else ["sample", "x", "y", "rho", "radius", "votes", "share", "outcome"]
    specification = figures.samples_specification(
        case.transform.dimensions, case.transform.unit, case.settings.parameter_sigma, most, farthest
    )
    passes = certificate.passes if certificate else 0
    alt = f"{done} of {n} samples b′ with their error radii; {passes} passed their inner test."
    slots.chart.vega_lite_chart(pd.DataFrame(rows, columns=columns), specification, alt=alt)
    text = f"{done:,} of {n:,} samples"
    if certificate:
        text += f" · {figures.network_calls(certificate):,} network calls · {certificate.seconds:.1f} s"
        if done < n and running:
            text += f", about {max(1, math.ceil(certificate.seconds / done * (n - done))):,} s to go"
    slots.progress.progress(done / n, text=text)


def _standing(case: Case, certificate: DistCertificate) -> str:
    """Counts while the run goes on, and what they must reach; no bound before the end."""
    chosen, done = certificate.selected, len(certificate.radii)
    return "\n\n".join(
        [
            ":gray-badge[PROVISIONAL] the samples are coming in",
            f"**{certificate.passes:,}** of {done:,} samples pass so far.",
            f"The {sum(certificate.selection_counts)} selection votes chose {case.name(chosen)}.",
            _needed(case),
            "*The bound is computed once, from all samples: one that is watched while it grows does not hold.*",
        ]
    )


def _needed(case: Case) -> str:
    settings, unit = case.settings, case.transform.unit
    n, some, all_of_it = settings.n_gamma, case.passes_needed(0.0), case.passes_needed(settings.limit)
    if some is None:
        return f"With n_γ = {n} nothing can be certified at α = {settings.alpha:g}: choose a larger n_γ."
    if all_of_it is None:
        most = statistics.corrected_lower_bound(
            statistics.clopper_pearson_lower(n, n, settings.alpha), case.defence.inner_alpha
        )
        radius = quantity(statistics.certified_radius(most, settings.parameter_sigma), unit)
        return f"From **{some:,}** of {n:,} on something is certified; if all pass, {radius}."
    space = "" if unit == "°" else " "
    return (
        f"From **{some:,}** of {n:,} on something is certified, from **{all_of_it:,}** on all within "
        f"{settings.limit:g}{space}{unit}."
    )


def _show_conclusion(case: Case, run: Run) -> None:
    certificate, settings = run.certificate, case.settings
    if run.status == "stopped":
        done = len(certificate.radii) if certificate else 0
        st.markdown(
            f":gray-badge[PROVISIONAL] stopped after {done:,} of {settings.n_gamma:,} samples.\n\n"
            "A run that was stopped proves nothing: when to stop may have depended on the samples. Run again, "
            "to the end."
        )
        return
    if certificate is None:
        st.markdown(f"No run for these settings yet: press **Run**.\n\n{_needed(case)}")
        return
    with st.container(border=True):
        if certificate.label is None:
            st.markdown(f":orange-badge[ABSTAIN] nothing is certified\n\n{_why_not(case, certificate)}")
            return
        statement = escape(figures.statement(certificate))
        st.markdown(
            f":green-badge[:material/verified: CERTIFIED] g answers {case.name(certificate.label)}\n\n"
            f"**{statement}**\n\n{certificate.passes:,} of {certificate.n_gamma:,} samples pass, so "
            f"q ≥ {rounded_down(certificate.q_lower, 4)} and the radius is "
            f"{quantity(certificate.radius, certificate.unit)}. Attacker: {_attacker_in_words(case)}."
        )
        if certificate.radius > certificate.limit:
            st.caption(
                "The radius is larger than Γ, but beyond Γ nothing is certified: the error radii are bounded within it."
            )


def _attacker_in_words(case: Case) -> str:
    settings, space = case.settings, "" if case.transform.unit == "°" else " "
    kind = "images rounded to 8 bits" if settings.attacker == "8-bit" else "exact arithmetic"
    return f"any {case.transform.name} within ±{settings.limit:g}{space}{case.transform.unit}, {kind}"


def _why_not(case: Case, certificate: DistCertificate) -> str:
    n, passes, alpha = certificate.n_gamma, certificate.passes, certificate.alpha
    words = [
        f"Only {passes:,} of {n:,} samples pass for {case.name(certificate.selected)}: the lower bound "
        f"{rounded_down(certificate.q_lower, 4)} is not above 1/2."
    ]
    threshold = (1 + certificate.inner_alpha) / 2  # what the corrected bound needs: (m - a') / (1 - a') > 1/2
    if passes <= threshold * n:
        words.append("At this share no number of samples certifies.")
    else:
        needed = statistics.samples_needed_to_certify(passes / n, alpha, threshold)
        words.append(
            "No realistic n_γ would do." if needed is None else f"At this share about {needed:,} would be needed."
        )
    most, largest = _most_radius(certificate), max(certificate.radii)
    if largest > most:
        words.append(
            f"With σ_ε = {certificate.pixel_sigma:g} no inner test can pass an error radius above {rounded_up(most)}, and "
            f"here they go up to {rounded_up(largest)}: try a larger σ_ε or a smaller Γ."
        )
    elif figures.outcomes(certificate).count(figures.FUTILE) > n / 4:
        words.append("Many inner tests were futile: try a smaller σ_γ, or a network trained for this noise.")
    return " ".join(words)


def _most_radius(certificate: DistCertificate) -> float:
    """The largest rho that an inner test can pass: all of its votes for the class."""
    low, high = 0.0, 10 * certificate.pixel_sigma
    for _ in range(30):
        middle = (low + high) / 2
        test = certificate.inner_test(middle)
        passes = test.decide(MOST_INNER_VOTES, MOST_INNER_VOTES) is statistics.Decision.ACCEPT
        low, high = (middle, high) if passes else (low, middle)
    return high


# ---------------------------------------------------------------------------------------------------- range and attack


def _show_range(case: Case, certificate: DistCertificate) -> None:
    answers = _attack_results(case) if certificate.label is not None else None
    left, right = st.columns([1.25, 1], gap="large")
    alt = f"Certified range: {figures.statement(certificate)}"
    with left:
        st.plotly_chart(figures.certified_range(certificate, answers or ()), alt=alt)
    with right:
        if certificate.label is None:
            st.markdown("Nothing is certified, so there is nothing to attack: f and g may answer anything within Γ.")
            return
        _show_ends(case, certificate)
        st.button(
            f"Attack the certificate: worst of {TRIES}", key="certify_attack", icon=":material/swords:",
            on_click=_request_attack, args=(case.key,), shortcut="a",
            help=f"Tries {TRIES} random parameters inside the certified range and {TRIES} outside it, takes those with the "
            "largest loss of f, and lets g vote there.",
        )  # fmt: skip
        if answers is None and st.session_state.get("certify_attack_requested") == case.key:
            answers = _attack(case, certificate)
            st.session_state["certify_answers"] = (case.key, answers)
            st.session_state.pop("certify_attack_requested", None)
            st.rerun()
        if answers is None:
            st.caption("No attack on this certificate yet.")
    if answers:
        _show_answers(case, answers)


def _show_ends(case: Case, certificate: DistCertificate) -> None:
    """The images at the ends of the certified range: what is proved, to look at."""
    far = float(rounded_down(reach(certificate)))
    ends = [[far], [-far]] if case.transform.dimensions == 1 else [[far, 0.0], [0.0, far]]
    images = case.transform(case.subject.image, ends)
    for column, image, point in zip(st.columns(2), images, ends, strict=True):
        with column:
            shown = to_8_bit(image) if case.settings.attacker == "8-bit" else image
            index = 0 if point[0] else -1
            sign = "−" if point[index] < 0 else ""
            where = f"{case.transform.parameters[index].name} {sign}{quantity(far, certificate.unit)}"
            pictures.show(shown, f"border of the certified range: {where}", f"The image at {where}.")


def _request_attack(key: tuple[Any, ...]) -> None:
    st.session_state["certify_attack_requested"] = key
    st.session_state.pop("certify_answers", None)


def _attack_results(case: Case) -> list[Answer] | None:
    key, answers = st.session_state.get("certify_answers", (None, None))
    return answers if key == case.key else None


def _attack(case: Case, certificate: DistCertificate) -> list[Answer]:
    """The worst parameters inside and outside the certified range, with f's and g's answers."""
    bar = st.progress(0.0, text="Searching for the worst parameters …")
    farthest = case.transform.parameters[0].limit
    limit = certificate.limit
    beyond = limit if reach(certificate) < 0.9 * limit else min(3 * limit, farthest)
    found = [*_worst(case, certificate, reach(certificate), True), *_worst(case, certificate, beyond, False)]
    settings, answers = case.settings, []
    smoothed = SmoothedClassifier(case.classifier, case.transform, settings.parameter_sigma, settings.pixel_sigma)
    for number, (point, base) in enumerate(found):
        received = case.transform(case.subject.image, [point])[0]
        received = to_8_bit(received) if settings.attacker == "8-bit" else received
        generator = generators(settings.seed, settings.n0, VOTES)[1]
        with cache.heavy_work():
            for votes in smoothed.votes(received, VOTES, generator):
                done = (number + votes.n / VOTES) / len(found)
                bar.progress(min(1.0, done), text=f"g votes at {case.transform.describe(point)} …")
        prediction = smoothed.conclude_prediction(received, votes, settings.alpha, settings.seed)
        holds = None if prediction.label is None else prediction.label == certificate.label
        names = case.classifier.class_names
        inside = covers(certificate, point)
        answers.append(Answer(point, inside, names[base], prediction.class_name, holds, prediction.p_value))
    bar.empty()
    return answers


def _worst(case: Case, certificate: DistCertificate, limit: float, inside: bool) -> list[tuple[tuple[float, ...], int]]:
    """Up to WORST points of the wanted kind, no neighbours, with the largest loss of f, and f's classes there."""
    assert certificate.label is not None
    step = case.transform.parameters[0].step
    attack = WorstOfK(
        case.transform, limit, keep=TRIES, eight_bit=case.settings.attacker == "8-bit", k=TRIES,
        resolution=step if limit >= 20 * step else 0.0,
    )  # fmt: skip
    result = attack(case.classifier, case.subject.image, certificate.label, case.settings.seed)
    found: dict[tuple[float, ...], int] = {}
    for point, base in zip(result.points.tolist(), result.predictions.tolist(), strict=True):
        where = tuple(round(value, 6) + 0.0 for value in point)  # + 0: no −0
        apart = all(math.dist(where, other) >= limit / 10 for other in found)
        if covers(certificate, where) == inside and apart and len(found) < WORST:
            found[where] = int(base)
    return list(found.items())


def _show_answers(case: Case, answers: list[Answer]) -> None:
    if any(answer.alarm for answer in answers):
        st.error(
            "ALARM: an attack inside the certified range changes the answer of g's one-level vote. Either this is the α that "
            "a certificate may be wrong, or the two votes differ, or there is a mistake in this program: the link below "
            "reproduces it.",
            icon=":material/emergency_home:",
        )
    st.caption(
        f"g's answers are one-level votes (n = {VOTES}, PREDICT at α = {case.settings.alpha:g}): evidence, not proof. The "
        "certificate is about the nested vote; f itself may well be fooled inside the range."
        + (" The links lead to the image rounded to 8 bits." if case.settings.attacker == "exact" else "")
    )
    for kind in (True, False):
        group = [answer for answer in answers if answer.inside == kind]
        if not group:
            continue
        st.markdown("**Inside the certified range**" if kind else "**Outside it**")
        for column, answer in zip(st.columns(WORST), group, strict=False):
            with column:
                _show_answer(case, answer)


def _show_answer(case: Case, answer: Answer) -> None:
    where = case.transform.describe(answer.point)
    if answer.smoothed is None:
        badge = ":orange-badge[ABSTAIN] the vote does not decide"
    elif answer.alarm:
        badge = f":red-badge[ALARM] g answers **{escape(answer.smoothed)}**"
    elif answer.holds:
        badge = f":blue-badge[survived] g answers **{escape(answer.smoothed)}**"
    else:
        badge = f":gray-badge[changed] g answers **{escape(answer.smoothed)}**"
    with st.container(border=True):
        st.markdown(f"{where}: f answers **{escape(answer.base)}**\n\n{badge} (p-value {answer.p_value:.2g})")
        if case.subject.reference is not None:
            st.page_link(
                "explore/votes.py", label="Reproduce on the page Votes", icon=":material/link:",
                query_params=_votes_page(case, answer.point),
            )  # fmt: skip


def _votes_page(case: Case, point: tuple[float, ...]) -> dict[str, str]:
    """The query parameters with which the page "Votes" counts exactly these votes."""
    settings, transform = case.settings, case.transform
    source = str(st.session_state["source"])
    image = f"{source.split('/')[-1]}_image"
    parameters = {
        "classifier": str(st.session_state["classifier"]),
        "source": source,
        image: str(st.session_state[image]),
        "transform": transform.name,
        f"{transform.name}_sigma": f"{settings.parameter_sigma:g}",
        "pixel_sigma": f"{settings.pixel_sigma:g}",
        "n": str(VOTES),
        "n0": str(settings.n0),
        "alpha": f"{settings.alpha:g}",
        "seed": str(settings.seed),
    }
    return parameters | {p.name: f"{value:.10g}" for p, value in zip(transform.parameters, point, strict=True)}


# -------------------------------------------------------------------------------------------------- formulas and export


def _show_formulas(case: Case, certificate: DistCertificate) -> None:
    unit = r"^\circ" if certificate.unit == "°" else r"\,\mathrm{px}"
    sigma, limit, n = certificate.parameter_sigma, certificate.limit, certificate.n_gamma
    level, p_noise = certificate.inner_alpha, certificate.pixel_sigma
    st.markdown(
        "**The smoothed classifier** is nested: h votes over pixel noise, g over h's answers. "
        "Code: `spt.defences.DistSPT`."
    )
    st.latex(
        rf"h(z) = \arg\max_c \Pr_\varepsilon\big(f(z+\varepsilon)=c\big),\ \varepsilon\sim\mathcal N(0,{p_noise:g}^2)"
    )
    st.latex(rf"g(x) = \arg\max_c \Pr_\beta\big(h(P\,T_\beta x)=c\big),\ \beta\sim\mathcal N(0,({sigma:g}{unit})^2)")
    st.markdown(
        "**What h can be shown** when β + γ lands on b′ lies in a ball of centre z(b′) and radius r(b′), bounded for all γ "
        "in Γ at once. r is made only as small as the inner test will probably need, judged from other votes: that saves "
        "time and costs no proof. Code: `spt.error_bounds.sample_bound`."
    )
    smallest, largest = rounded_down(min(certificate.radii)), rounded_up(max(certificate.radii))
    st.latex(
        rf"K(b') = \{{P\,T_{{b'-\gamma}}T_\gamma x : |\gamma_i| \le {limit:g}{unit}\}} \subset B\big(z(b'), r(b')\big),"
        rf"\qquad {smallest} \le r(b') \le {largest}"
    )
    worst = max(range(len(certificate.radii)), key=lambda index: certificate.radii[index])
    successes, trials = certificate.inner_votes[worst]
    test = certificate.inner_test(certificate.radii[worst])
    st.markdown(
        "**Inner test**, anytime-valid, so that it may look after 32, 64, 128, … votes: h is constant on the ball if f votes "
        "for the class with more than this probability. The sample with the largest r: "
        f"{successes:,} of {trials:,} votes, {figures.outcomes(certificate)[worst]}. "
        f"(Looks at {FIRST_LOOK} to {MOST_INNER_VOTES:,} votes.) Code: `spt.statistics.SequentialTest`."
    )
    st.latex(
        rf"\Pr_\varepsilon\big(f(z+\varepsilon)=c\big) > \Phi\Big(\frac{{r}}{{\sigma_\varepsilon}}\Big),\quad "
        rf"\Phi\Big(\frac{{r}}{{\sigma_\varepsilon}}\Big) \le "
        rf"{rounded_up(test.p0, 4)}\quad(r \le {largest},\ \sigma_\varepsilon = {p_noise:g})"
    )
    st.markdown(
        "**Outer bound**: passes are independent, and a test passes wrongly with probability at most a′; no union bound. "
        "Code: `spt.certificates.DistCertificate.conclude`; `verify()` recomputes all of it from the counts."
    )
    share = statistics.clopper_pearson_lower(certificate.passes, n, certificate.alpha)
    q_lower = rounded_down(certificate.q_lower, 4)
    st.latex(
        rf"m = \mathrm{{LowerConfBound}}({certificate.passes}, {n}, 1-{certificate.alpha:g}) = {rounded_down(share, 4)},\qquad "
        rf"q \ge \frac{{m-a'}}{{1-a'}} = {q_lower},\quad a' = {level:g}"
    )
    if certificate.label is None:
        st.latex(rf"q \ge {q_lower}, \text{{ which is not above }} \tfrac12 \;\Rightarrow\; \mathrm{{ABSTAIN}}")
        return
    radius = rounded_down(certificate.radius)
    st.latex(
        rf"R = \sigma_\gamma\,\Phi^{{-1}}(q) \ge {sigma:g}\cdot\Phi^{{-1}}({q_lower}\ldots) = {radius}{unit}\ldots"
        rf"\;\Rightarrow\; g(T_\gamma x) = \text{{const for }} |\gamma| < R,\ \gamma\in\Gamma"
    )
    st.markdown(
        "Why: β + γ is distributed as N(γ, σ_γ²), and by Neyman and Pearson a set of probability q at γ = 0 keeps more than "
        "half as long as |γ| < σ_γ Φ⁻¹(q). Numbers that bound from below are rounded down here, error radii up."
    )


def _show_export(case: Case, certificate: DistCertificate) -> None:
    settings = case.settings
    first, second = st.columns(2)
    first.download_button(
        "Certificate as JSON", certificate.to_json(), "certificate.json", "application/json", key="certify_json",
        icon=":material/data_object:", on_click="ignore", width="stretch",
    )  # fmt: skip
    picture = figures.certificate_svg(certificate, pictures.png_data_url(case.subject.image), case.subject.caption)
    second.download_button(
        "Certificate as a picture (SVG)", picture, "certificate.svg", "image/svg+xml", key="certify_svg",
        icon=":material/image:", on_click="ignore", width="stretch",
    )  # fmt: skip
    st.image(picture, caption="The picture", width="stretch")
    image, loaded = case.subject.reference or "picture.png", st.session_state["classifier"]
    st.code(
        f"python -m spt certify --defence dist-x --image {image} --classifier {loaded} "
        f"--transform {case.transform.name} --limit {settings.limit:g} --attacker {settings.attacker} "
        f"--parameter-sigma {settings.parameter_sigma:g} --pixel-sigma {settings.pixel_sigma:g} "
        f"--n-gamma {settings.n_gamma} --n0 {settings.n0} --alpha {settings.alpha:g} --seed {settings.seed}",
        language="bash", wrap_lines=True,
    )  # fmt: skip
    name, _, index = image.partition(":")
    load = (
        f"image = load_dataset({name!r}, shape=classifier.input_shape).image({index})"
        if index
        else f"image = fit_image(read_image(Path({image!r})), classifier.input_shape)"
    )
    imports = "load_dataset" if index else "fit_image, read_image"
    st.code(
        ("" if index else "from pathlib import Path\n\n")
        + f"from spt import get_transform, load_classifier, {imports}\nfrom spt.defences import DistSPT\n\n"
        f"classifier = load_classifier({loaded!r})\n{load}\n"
        f"defence = DistSPT(classifier, get_transform({case.transform.name!r}), parameter_sigma={settings.parameter_sigma:g}, "
        f"pixel_sigma={settings.pixel_sigma:g}, limit={settings.limit:g}, attacker={settings.attacker!r})\n"
        f"certificate = defence.certify(image, n0={settings.n0}, n_gamma={settings.n_gamma}, alpha={settings.alpha:g}, "
        f"seed={settings.seed})\nprint(certificate.to_text(), certificate.verify())",
        language="python", wrap_lines=True,
    )  # fmt: skip
