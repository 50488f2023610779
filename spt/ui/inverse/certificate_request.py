"""The forms of IndivSPT's certificate: their controls, what these say (`Plan`), and what comes of it (`IndividualOutcome`)."""

from dataclasses import dataclass

import streamlit as st

from spt.certificates import IndividualCellsCertificate, OneErrorCertificate
from spt.certificates.error_level import ReceivedErrorLevel
from spt.certificates.per_sample import IndividualCertificate
from spt.classifiers import Classifier
from spt.transforms import Transform
from spt.ui.shared import state
from spt.ui.shared.procedure import Procedure, choose_procedure

CELLS, PER_SAMPLE = "cells", "per-sample errors"
ONE_ERROR, ONLINE = "one E, the paper’s form", "one E fixed beforehand (online)"
Result = IndividualCertificate | IndividualCellsCertificate | OneErrorCertificate | ReceivedErrorLevel
"""A certificate; or, of an image that an E fixed beforehand refuses, the error level that says why."""


@dataclass(frozen=True)
class Plan:
    """How a certificate is to be found, in plain values.

    Attributes:
        one_error: one E for all samples instead of an error for each. error: that E, if it was fixed beforehand.
        n_test: how many betas test E; 0 without.
        cells: x′ by itself, and its originals cell by cell; the procedure's n_gamma is 0 then.
    """

    procedure: Procedure
    one_error: bool
    error: float | None
    n_test: int
    cells: bool = False


@dataclass(frozen=True, eq=False)
class IndividualOutcome:
    """A plan carried out for Gamma = ±limit, and its result."""

    plan: Plan
    limit: float
    result: Result


def choose(transform: Transform, classifier: Classifier) -> Plan:
    """The form, its numbers, smoothing and statistics."""
    form = state.choose(
        "The error of the samples",
        (PER_SAMPLE, CELLS, ONE_ERROR, ONLINE),
        PER_SAMPLE,
        key="indiv_form",
        help="Per-sample errors: every β has one ball for x′ and all its originals. Cells: x′ by itself, and its originals in "
        "each part of Γ that survives by other β; certifies most, with fewest samples. One E: the paper’s form, one radius for all "
        "β, measured on other β of this image; ρ is the probability to exceed it. Fixed beforehand: E is given, as for a device "
        "that must answer at once; the image is accepted if its errors stay below E, else refused.",
    )
    error, n_test = None, 0
    if form in (ONE_ERROR, ONLINE):
        left, right = st.columns(2, vertical_alignment="bottom")
        if form == ONLINE:
            error = state.number(
                "Error bound E, fixed beforehand",
                0.01,
                100.0,
                0.5,
                0.05,
                key="indiv_error",
                help="An ℓ₂ norm after P. It must not depend on this image: whoever tries several E on one image must divide α "
                "by how many.",
                where=left,
            )
        n_test = state.pick(
            "Moves of votes β that test E",
            [50, 100, 200, 400, 1000, 2000],
            400,
            key="indiv_betas",
            help="More: a smaller ρ, a larger radius, and more time.",
            where=right if form == ONLINE else left,
        )
        if form == ONE_ERROR:
            right.caption("E is 1.1 × the largest proved bound of 100 other β.")
    with st.expander("Smoothing and statistics of the certificate"):
        procedure = choose_procedure(transform, classifier, nested=True, counted=form != CELLS)
    return Plan(procedure, form in (ONE_ERROR, ONLINE), error, n_test, form == CELLS)
