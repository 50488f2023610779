"""The controls of the page "Certify", and what they say."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import streamlit as st

from spt.classifiers import Classifier
from spt.defences import DistSPT, DistSPTCells
from spt.threat_model import Attacker, bounded_transforms
from spt.transforms import Transform
from spt.ui.shared import controls, state
from spt.ui.shared.controls import Subject
from spt.ui.shared.markdown import escape
from spt.ui.shared.procedure import Procedure, choose_procedure
from spt.ui.shared.session import Key

ONE_BALL, CELLS = "one ball", "cells"
_FIRST_LIMIT, _MOST_LIMIT = {"°": 30.0, "px": 1.0}, {"°": 180.0, "px": 4.0}


@dataclass(frozen=True)
class CellSettings:
    """How cells are cut and tested; the fields of `DistSPTCells` and of its `certify`.

    Attributes:
        cell_width: of the first cells; None: chosen from the image.
    """

    n_cell: int
    n_total: int
    cell_width: float | None
    every_cell: bool


@dataclass(frozen=True)
class Settings(Procedure):
    """What the certificate is about and what it may cost; the fields of the defence and of its ``certify``.

    Attributes:
        cells: of the form with cells, whose n_gamma is 0; None: one ball for the whole attack range.
        further_limits: of the parameters after the first, where units differ.
    """

    limit: float
    attacker: Attacker
    cells: CellSettings | None = None
    further_limits: tuple[float, ...] = ()

    @property
    def form(self) -> str:
        """The form of the certificate."""
        return ONE_BALL if self.cells is None else CELLS


def choose_settings(transform: Transform, classifier: Classifier, limit_area: Any) -> Settings:
    """Attack range, which stands in ``limit_area``, attacker, smoothing and statistics."""
    parameters, unit = transform.parameters, transform.unit
    limit, *further = (
        state.slider(
            f"Attack range Γ: {f'{each.name} ' if transform.mixed else ''}plus and minus, in {each.unit}",
            each.step,
            _MOST_LIMIT.get(each.unit, 50.0),
            2.0 if transform.mixed else _FIRST_LIMIT.get(each.unit, 10.0),
            each.step,
            key=f"{transform.name}_limit" if number == 0 else f"{transform.name}_{each.name}_limit",
            help="The certificate is about attacks γ with every parameter between minus and plus this. A larger range costs "
            "time and enlarges the errors.",
            where=limit_area,
        )
        for number, each in enumerate(parameters if transform.mixed else parameters[:1])
    )
    smoothed = transform.name in bounded_transforms("cells")
    attacker = controls.choose_attacker(
        "8-bit: the attacked image is rounded to multiples of 1/255, as files are. Exact: it is not rounded."
    )
    if not smoothed:
        st.caption(
            f"A {transform.singular} is certified in cells, for the g that is smoothed over pixel noise only: each cell has one "
            "ball and one test."
        )
    form = state.choose(
        "Form of the certificate",
        (CELLS, ONE_BALL) if transform.name in bounded_transforms("whole range") else (CELLS,),
        CELLS,
        key="form",
        help="Cells: Γ is cut into cells, and each is proved from samples around its own centre, from 0 outwards. One ball: every "
        "sample b′ gets a ball that holds what can be shown at any γ of the whole range; the balls are larger, and less is "
        "proved. Both are proofs about the same g.",
    )
    procedure = choose_procedure(
        transform,
        classifier,
        counted=form == ONE_BALL,
        smoothed="no" if not smoothed else "or not" if form == CELLS else "yes",
    )
    cells = _choose_cells(unit, _MOST_LIMIT.get(unit, 50.0), procedure.parameter_sigma > 0) if form == CELLS else None
    return Settings(**vars(procedure), limit=limit, attacker=attacker, cells=cells, further_limits=tuple(further))


def _choose_cells(unit: str, most: float, smoothed: bool) -> CellSettings:
    """How cells are cut and tested; without smoothing over parameters each has one sample."""
    with st.expander("Cells"):
        n_cell = 1
        if smoothed:
            n_cell = state.pick(
                "Most samples of a cell",
                [20, 50, 100, 200, 500],
                100,
                key="n_cell",
                help="A cell whose samples all pass needs a dozen or two. One that is still undecided after so many is not "
                "accepted (above the floor after half of them), and cut.",
            )
        n_total = state.pick(
            "Samples in all, after which no cell is begun" if smoothed else "Cells in all",
            [100, 200, 500, 1000, 2000, 5000, 20_000],
            500 if smoothed else 2000,
            key="n_total" if smoothed else "n_slices",
            help="A limit on the time. What is proved until then holds.",
        )
        width = state.number(
            f"Width of the first cells, in {unit} (0: chosen from the image)",
            0.0,
            2 * most,
            0.0,
            key="cell_width",
            help="Wide cells are fewer, but their balls are larger; one that is not accepted is halved, up to three times.",
        )
        every_cell = state.switch(
            "Go on beyond a cell that failed",
            key="every_cell",
            help="What is proved out there does not enlarge the radius: it holds pointwise, of each γ by itself, not of all "
            "together.",
        )
    return CellSettings(n_cell, n_total, width or None, every_cell)


@dataclass(frozen=True, eq=False)
class CertifyRequest:
    """What the controls say."""

    classifier: Classifier
    subject: Subject
    transform: Transform
    settings: Settings

    @cached_property
    def defence(self) -> DistSPT | DistSPTCells:
        """The defence; ValueError where the settings allow none."""
        return self.one_ball if self.settings.cells is None else self.in_cells

    @cached_property
    def one_ball(self) -> DistSPT:
        """The defence with one ball for the whole attack range; ValueError where the settings allow none."""
        settings = self.settings
        return DistSPT(
            self.classifier,
            self.transform,
            settings.parameter_sigma,
            settings.pixel_sigma,
            settings.limit,
            settings.attacker,
        )

    @cached_property
    def in_cells(self) -> DistSPTCells:
        """The defence with recentred cells; ValueError where the settings allow none."""
        settings, cells = self.settings, self.settings.cells
        assert cells is not None
        return DistSPTCells(
            self.classifier,
            self.transform,
            settings.parameter_sigma,
            settings.pixel_sigma,
            settings.limit,
            settings.attacker,
            cell_width=cells.cell_width,
            every_cell=cells.every_cell,
            further_limits=settings.further_limits,
        )

    @cached_property
    def key(self) -> Key:
        """Everything that decides the certificate, as plain values."""
        return (self.subject.sha256, self.classifier.fingerprint, self.transform.name, self.settings)

    def name(self, label: int) -> str:
        """A class name for Markdown, with whether it is right if that is known."""
        truth, names = self.subject.label, self.classifier.class_names
        mark = "" if truth is None else " ✓" if label == truth else f" ✗ (truth: {escape(names[truth])})"
        return f"**{escape(names[label])}**{mark}"

    def passes_needed(self, radius: float) -> int | None:
        """How many of the n_gamma samples must pass for more than ``radius``; None if all are too few."""
        settings = self.settings
        return self.one_ball.passes_needed(radius, settings.n_gamma, alpha=settings.alpha)
