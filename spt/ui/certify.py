"""The page "Certify": DistSPT^x on one image, sample by sample, what it proves, and an attack on that.

A run belongs to one `Case`: its key holds everything that decides the certificate, so a result whose key is not that of
the controls is never drawn. While a run goes on only counts are shown: the bound is computed once, from all samples.
"""

import math
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from spt import statistics
from spt.certificates import DistCertificate, quantity, rounded_down, rounded_up
from spt.certificates.inner_tests import FIRST_LOOK, MOST_INNER_VOTES
from spt.figures import certificates as figures
from spt.ui import cache, certify_attack, checking, failures, pictures
from spt.ui.certify_case import Case, Run
from spt.ui.loading import in_python, in_shell
from spt.ui.view import escape

BATCH = 5  # samples between two updates of the screen: a fraction of a second
MOST_KEPT = 16  # certificates of this session, so that going back to a setting shows its result at once


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
    check: Any


def show(case: Case) -> None:
    """The whole page below the title. What depends on the run is emptied first, then the samples come in."""
    with failures.in_one_sentence():
        _ = case.defence
    run = _current_run(case)
    slots = _make_slots(case)
    _draw_samples(case, slots, None if run.status == "running" else run.certificate)
    slots.formulas.caption("The numbers appear when the run has ended.")
    slots.export.caption("There is something to export when the run has ended.")
    if run.status == "running":
        slots.range.caption("The range is drawn when all samples are in.")
        slots.check.caption("There is something to check when the run has ended.")
        slots.button.button(
            "Stop",
            key="certify_stop",
            icon=":material/stop_circle:",
            on_click=_stop,
            shortcut="s",
            help="End the run now; what it has is provisional.",
        )
        with cache.heavy_work():
            _count(case, run, slots)
    _show_run(case, run, slots)


def _show_run(case: Case, run: Run, slots: _Slots) -> None:
    """What a run that is not going on says, and all that rests on it."""
    again = run.certificate is not None
    slots.button.button(
        "Run again" if again else "Run",
        key="certify_start",
        type="secondary" if again else "primary",
        icon=":material/replay:" if again else ":material/play_arrow:",
        on_click=_start,
        shortcut="g",
        help="Draw all samples and conclude (the same seed gives the same result).",
    )
    with slots.panel.container():
        _show_conclusion(case, run)
    certificate = run.certificate if run.status == "done" else None
    if certificate is None:
        slots.range.caption("A range is certified only when all samples of a run are in.")
    else:
        _show_proof(case, certificate, slots)
    with slots.check.container():  # last, because a check may run here
        checking.area("certify", certificate, case.classifier, case.subject.image)


def _show_proof(case: Case, certificate: DistCertificate, slots: _Slots) -> None:
    with slots.formulas.container():
        _show_formulas(case, certificate)
    with slots.export.container():
        _show_export(case, certificate)
    with slots.range.container():
        certify_attack.area(case, certificate)


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
    with st.expander("Check: is this certificate true? Or one from a file?"):
        check = st.empty()
    return _Slots(chart, progress, button, panel, area, formulas, export, check)


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
            case.subject.image,
            settings.n0,
            n_gamma=settings.n_gamma,
            alpha=settings.alpha,
            seed=settings.seed,
            batch_size=BATCH,
            progress=bounding,
        ):
            _draw_samples(case, slots, certificate, running=True)
            if not certificate.complete:
                slots.panel.markdown(_standing(case, certificate))
                run.certificate = certificate
    except ValueError as error:
        run.status, run.certificate, run.failure = "failed", None, failures.sentence(error)
        return
    assert certificate is not None and certificate.complete
    if run.status == "running":
        run.certificate, run.status = certificate, "done"
        kept = _kept()
        kept[case.key] = certificate
        while len(kept) > MOST_KEPT:
            del kept[next(iter(kept))]


def _draw_samples(case: Case, slots: _Slots, certificate: DistCertificate | None, running: bool = False) -> None:
    rows = figures.sample_rows(certificate) if certificate else []
    n, done, most = case.settings.n_gamma, len(rows), max((row["radius"] for row in rows), default=0.3)
    farthest = max((abs(value) for point in certificate.points for value in point), default=0.0) if certificate else 0.0
    columns = None if rows else ["sample", "x", "y", "radius", "radius_shown", "votes", "share", "outcome"]
    specification = figures.samples_specification(
        case.transform.dimensions, case.transform.unit, case.settings.parameter_sigma, most, farthest
    )
    passes = certificate.passes if certificate else 0
    alt = f"{done} of {n} samples b′ with their error radii; {passes} passed their inner test."
    slots.chart.vega_lite_chart(pd.DataFrame(rows, columns=columns), specification, alt=alt)
    text = f"{done:,} of {n:,} samples"
    if certificate:
        text += f" · {certificate.network_calls:,} network calls · {certificate.seconds:.1f} s"
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
        radius = quantity(case.defence.largest_radius(n, settings.alpha), unit)
        return f"From **{some:,}** of {n:,} on something is certified; if all pass, {radius}."
    space = "" if unit == "°" else " "
    return (
        f"From **{some:,}** of {n:,} on something is certified, from **{all_of_it:,}** on all within "
        f"{settings.limit:g}{space}{unit}."
    )


def _show_conclusion(case: Case, run: Run) -> None:
    certificate, settings = run.certificate, case.settings
    if run.status == "failed":
        st.error(run.failure)
        return
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
        statement = escape(certificate.statement())
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
    n, passes = certificate.n_gamma, certificate.passes
    words = [
        f"Only {passes:,} of {n:,} samples pass for {case.name(certificate.selected)}: the lower bound "
        f"{rounded_down(certificate.q_lower, 4)} is not above 1/2."
    ]
    if passes <= certificate.share_needed * n:
        words.append("At this share no number of samples certifies.")
    else:
        needed = certificate.samples_needed()
        words.append(
            "No realistic n_γ would do." if needed is None else f"At this share about {needed:,} would be needed."
        )
    most, largest = certificate.largest_testable_radius(), max(certificate.radii)
    if largest > most:
        words.append(
            f"With σ_ε = {certificate.pixel_sigma:g} no inner test can pass an error radius above {rounded_up(most)}, and "
            f"here they go up to {rounded_up(largest)}: try a larger σ_ε or a smaller Γ."
        )
    elif certificate.outcomes().count(statistics.Decision.FUTILE) > n / 4:
        words.append("Many inner tests were futile: try a smaller σ_γ, or a network trained for this noise.")
    return " ".join(words)


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
    share = certificate.share_lower_of(certificate.passed())
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
        "Certificate as JSON",
        certificate.to_json(),
        "certificate.json",
        "application/json",
        key="certify_json",
        icon=":material/data_object:",
        on_click="ignore",
        width="stretch",
    )
    picture = figures.certificate_svg(certificate, pictures.png_data_url(case.subject.image), case.subject.caption)
    second.download_button(
        "Certificate as a picture (SVG)",
        picture,
        "certificate.svg",
        "image/svg+xml",
        key="certify_svg",
        icon=":material/image:",
        on_click="ignore",
        width="stretch",
    )
    st.image(picture, caption="The picture", width="stretch")
    reference, loaded = case.subject.reference, str(st.session_state["classifier"])
    st.code(
        f"python -m spt certify --defence dist-x --image {in_shell(reference)} --classifier {shlex.quote(loaded)} "
        f"--transform {case.transform.name} --limit {settings.limit:g} --attacker {settings.attacker} "
        f"--parameter-sigma {settings.parameter_sigma:g} --pixel-sigma {settings.pixel_sigma:g} "
        f"--n-gamma {settings.n_gamma} --n0 {settings.n0} --alpha {settings.alpha:g} --seed {settings.seed}",
        language="bash",
        wrap_lines=True,
    )
    load = in_python(reference, "classifier.input_shape")
    defence = "\n".join(certify_attack.defence_in_python(case))
    st.code(
        "".join(f"{line}\n" for line in load.before)
        + f"from spt import get_transform, load_classifier, {load.imports}\nfrom spt.defences import DistSPT\n\n"
        f"classifier = load_classifier({loaded!r})\nimage = {load.expression}\n"
        f"transform = get_transform({case.transform.name!r})\n{defence}\n"
        f"certificate = defence.certify(image, n0={settings.n0}, n_gamma={settings.n_gamma}, alpha={settings.alpha:g}, "
        f"seed={settings.seed})\nprint(certificate.to_text(), certificate.verify())",
        language="python",
        wrap_lines=True,
    )
