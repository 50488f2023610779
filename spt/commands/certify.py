"""The command certify: BaseSPT, and the defences that prove."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spt.commands.arguments import (
    GivenImage,
    N,
    Parser,
    add_command,
    add_smoothing,
    count,
    error_size,
    only_slices,
    size,
    visible_progress,
)
from spt.experiments.files import check_file
from spt.experiments.table4 import N_SLICES
from spt.whole_files import write_whole

if TYPE_CHECKING:
    from spt.certificates import (
        CellsCertificate,
        DistCertificate,
        ErrorLevel,
        IndividualCellsCertificate,
        IndividualCertificate,
        OneErrorCertificate,
    )
    from spt.recomputation import AnyCertificate

DEFENCES = {
    "base": "BaseSPT, whose radius is heuristic",
    "dist-x": "DistSPT^x, a proof for this image, in the form that --form names",
    "dist-x-one-error": "DistSPT^x with one E of this image, the paper's procedure",
    "indiv": "IndivSPT, a proof from the received image alone, for it and for every original it can come from, in the form that "
    "--form names",
    "indiv-one-error": "IndivSPT with one E of the received image, the paper's form, or with the E of --error-level",
    "dist-d": "DistSPT^D with one E of a data distribution, which the command measure wrote",
}
FORMS = {
    "cells": "cells of the attack range (of indiv: of what can explain the image), each with samples of its own, from 0 outwards",
    "one-ball": "one ball for the whole attack range for each sample",
    "one-error": "one E of the image, the paper's procedure",
}
N_GAMMA, N_CELL = 200, 100
N_TOTAL = {"dist-x": 500, "indiv": 2000}
_LIMITS = {"°": 30.0, "px": 1.0}
TESTED_BETAS = {"nested": 400, "joint": 2000}
"""How many betas test E: joint votes need a smaller rho."""


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = add_command(
        commands, "certify", _certify, "What the smoothed classifier answers, and up to which transformation."
    )
    parser.add_argument(
        "--defence",
        choices=DEFENCES,
        default="base",
        help="; ".join(f"{name}: {text}" for name, text in DEFENCES.items()) + " (default: %(default)s)",
    )
    parser.add_argument(
        "--form",
        choices=FORMS,
        help="of dist-x and indiv: "
        + "; ".join(f"{name}: {text}" for name, text in FORMS.items())
        + " (default: cells, one-ball where --n-gamma or --first-looks is given)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="also write the certificate as JSON, for the command verify"
    )
    parser.add_argument("--n0", type=count, default=100, help="other votes that choose the class (default: 100)")
    _add_proof(parser)
    add_smoothing(parser)
    parser.set_defaults(n=None)  # so that it is seen whether it was given


def _add_proof(parser: Parser) -> None:
    proof = parser.add_argument_group("defences that prove")
    proof.add_argument(
        "--limit",
        type=size,
        nargs="+",
        metavar="SIZE",
        help="attack range ± in the unit of the parameters (default: 30°, 1 px, 10 %% or log %%; dist-d: that of --error), one "
        "number for each parameter where their units differ (rotation-brightness: 10 10, in ° and %%; rotation-scaling: in ° and "
        "log %%); for indiv and indiv-one-error --image is what was received, or --at makes it so",
    )
    proof.add_argument(
        "--n-gamma", type=count, help=f"samples of the parameter (default: {N_GAMMA}; --form cells has its own)"
    )
    proof.add_argument("--attacker", choices=["8-bit", "exact"], help="default: 8-bit")
    proof.add_argument(
        "--first-looks",
        type=count,
        nargs="+",
        default=[],
        metavar="N",
        help="dist-x: smaller numbers of samples at which sampling stops if they cover Γ or show that --n-gamma would not; "
        "each look costs a share of --alpha",
    )
    cells = parser.add_argument_group("cells")
    cells.add_argument("--n-cell", type=count, help=f"the most samples of a cell (default: {N_CELL})")
    cells.add_argument(
        "--n-total",
        type=count,
        help=f"after so many samples no further cell is begun (default: {N_TOTAL['dist-x']}; indiv: {N_TOTAL['indiv']:,}; without "
        f"smoothing over the parameter, where a cell is one sample, {N_SLICES:,})",
    )
    cells.add_argument(
        "--cell-width",
        type=size,
        nargs="+",
        metavar="SIZE",
        help="dist-x: of the first cells, for all parameters or for each (default: chosen from the image)",
    )
    cells.add_argument(
        "--cell-floor",
        type=size,
        metavar="SIZE",
        help="dist-x: no cell is cut into pieces narrower than this along the first parameter (default: an eighth of the first "
        "cells)",
    )
    cells.add_argument(
        "--every-cell",
        action="store_true",
        help="dist-x: go on beyond the first cell that is not proved; what is proved there holds for each attack by itself only",
    )
    one = parser.add_argument_group("defences with one E")
    one.add_argument(
        "--votes",
        choices=["nested", "joint"],
        help="which g: nested, the paper's, from --n-gamma samples; joint, another g, from --n votes (default: nested)",
    )
    one.add_argument(
        "--error-betas",
        type=count,
        metavar="N",
        help="betas that test E of dist-x-one-error and indiv-one-error (default: 400; joint: 2000)",
    )
    one.add_argument(
        "--error-level",
        type=error_size,
        metavar="E",
        help="the online form of indiv-one-error: this E, fixed before the image was seen; the image is accepted or refused "
        "(default: E is measured on the image)",
    )
    one.add_argument("--error", type=Path, metavar="FILE", help="what the command measure wrote, for dist-d")


def _certify(arguments: argparse.Namespace) -> str:
    form = _form(arguments)
    _check_errors(arguments)
    if arguments.out is not None:
        check_file(arguments.out, "--out")
    if arguments.first_looks and arguments.defence != "dist-x":
        raise ValueError(f"--first-looks is for --defence dist-x only, not for {arguments.defence}.")
    if arguments.limit is not None and arguments.defence == "base":
        raise ValueError(
            "--limit is for the defences that prove, not for base, which knows no attack range: add --defence."
        )
    if arguments.error_betas is not None and not arguments.defence.endswith("-one-error"):
        raise ValueError(f"--error-betas is for defences that measure E on the image, not for {arguments.defence}.")
    _take_defaults(arguments)
    pixels_only = arguments.parameter_sigma == 0 or (
        arguments.defence == "dist-x"
        and form == "cells"
        and arguments.parameter_sigma is None
        and _only_slices(arguments)
    )
    if pixels_only and (form != "cells" or arguments.defence != "dist-x"):
        raise ValueError(
            "--parameter-sigma 0 leaves no votes over β: only --defence dist-x --form cells can do without, and certifies "
            "another g then, which is smoothed over pixels only."
        )
    case = GivenImage.read(argparse.Namespace(**vars(arguments) | ({"parameter_sigma": None} if pixels_only else {})))
    if arguments.defence != "base" and not case.smoothed.pixel_sigma > 0:
        raise ValueError(f"--defence {arguments.defence} needs pixel noise: --pixel-sigma must be positive, but is 0.")
    if arguments.defence == "base":
        certificate = case.smoothed.certify(case.image, arguments.n0, arguments.n, arguments.alpha, arguments.seed)
        return _answer(arguments, certificate, f"{case.caption}\n{certificate.to_text()}")
    if arguments.defence == "indiv-one-error":
        return _received_one_error(case, arguments)
    proof: AnyCertificate
    if form == "cells" and arguments.defence == "indiv":
        proof = _received_cells(case, arguments)
    elif form == "cells":
        proof = _cells(case, arguments, 0.0 if pixels_only else case.smoothed.parameter_sigma)
    elif arguments.defence in ("dist-x", "indiv"):
        proof = _per_sample(case, arguments)
    else:
        proof = _one_error(case, arguments)
    return _answer(arguments, proof, f"{case.caption}\n{proof.to_text()}")


def _form(arguments: argparse.Namespace) -> str:
    """The form of the defence, "one-ball" where there is no other; forms that have a defence's name become that defence.

    ValueError for a form that a defence has not, and for options of another form.
    """
    defence, asked = arguments.defence, arguments.form
    counted = arguments.n_gamma is not None or bool(arguments.first_looks)
    form: str = asked or ("one-error" if defence.endswith("-one-error") else "one-ball")
    if defence in ("dist-x", "indiv") and asked is None and not counted:
        form = "cells"
    named = defence.removesuffix("-one-error")
    if asked and named not in ("dist-x", "indiv"):
        raise ValueError(f"--form {form} is not for --defence {defence}: dist-x and indiv have {', '.join(FORMS)}.")
    if defence != named and form != "one-error":
        raise ValueError(f"--form {form} contradicts --defence {defence}: name --defence {named}.")
    if form == "cells" and counted:
        option = "--first-looks" if arguments.first_looks else "--n-gamma"
        raise ValueError(
            f"{option} is for --form one-ball and one-error only: cells take as many samples as they need."
        )
    counts = {"--n-cell": arguments.n_cell, "--n-total": arguments.n_total}
    widths = {"--cell-width": arguments.cell_width, "--cell-floor": arguments.cell_floor}
    given = [name for name, value in counts.items() if value is not None]
    shaped = [name for name, value in widths.items() if value is not None] + ["--every-cell"] * arguments.every_cell
    if form != "cells" and (given or shaped):
        where = "--form cells of dist-x and indiv" if given else "--defence dist-x --form cells"
        raise ValueError(f"{[*given, *shaped][0]} is for {where} only, not for {defence} with {form}.")
    if named != "dist-x" and shaped:
        raise ValueError(f"{shaped[0]} is for --defence dist-x --form cells only, not for {defence} with {form}.")
    if form == "one-error":
        arguments.defence = f"{named}-one-error"
    return form


def _take_defaults(arguments: argparse.Namespace) -> None:
    """Give options that were not given their defaults; ValueError for one that was, and that this defence has no use for."""
    defence, joint = arguments.defence, arguments.votes == "joint"
    proves, one_error = defence != "base", defence == "dist-d" or defence.endswith("-one-error")
    for name, default, is_read, readers in (
        ("n", N, joint or not proves, "--defence base and for --votes joint"),
        ("n_gamma", N_GAMMA, proves and not joint, "defences that prove, with nested votes"),
        ("attacker", "8-bit", proves, "defences that prove"),
        ("votes", "nested", one_error, "defences with one E"),
    ):
        given = getattr(arguments, name)
        if given is None:
            setattr(arguments, name, default)
        elif not is_read:
            option = f"--{name.replace('_', '-')} {given}"
            raise ValueError(f"{option} is for {readers} only, not for {defence}{' with joint votes' * joint}.")


def _answer(arguments: argparse.Namespace, certificate: "AnyCertificate", text: str) -> str:
    """The certificate as it was asked for: written, if a file was named, and as JSON or text."""
    if arguments.out is not None:
        write_whole(arguments.out, certificate.to_json() + "\n")
        text += f"\nWritten: {arguments.out}"
    return certificate.to_json() if arguments.json else text


def _check_errors(arguments: argparse.Namespace) -> None:
    """ValueError for options of another defence with one E."""
    defence = arguments.defence
    if (arguments.error is not None) != (defence == "dist-d"):
        raise ValueError(
            "--defence dist-d needs an E of the distribution: measure it (python -m spt measure --help) and name the "
            "file with --error."
            if arguments.error is None
            else f"--error is for --defence dist-d only, not for {defence}."
        )
    if arguments.error_level is not None and defence != "indiv-one-error":
        raise ValueError(
            f"--error-level {arguments.error_level:g} is for --defence indiv-one-error only, not for {defence}."
        )
    if defence == "indiv-one-error" and arguments.votes == "joint":
        raise ValueError(
            f"--votes {arguments.votes} proves nothing about a received image: --defence indiv-one-error takes nested votes."
        )


def _cells(case: GivenImage, arguments: argparse.Namespace, parameter_sigma: float) -> "CellsCertificate":
    from spt.defences import DistSPTCells

    g, (limit, *further) = case.smoothed, _limits(case, arguments)
    widths = arguments.cell_width
    if widths is not None and len(widths) not in (1, 1 + len(further)):
        numbers = f"one number or {1 + len(further)}" if further else "one number"
        raise ValueError(f"--cell-width takes {numbers} for {g.transform.name}, not {len(widths)}.")
    defence = DistSPTCells(
        g.classifier,
        g.transform,
        parameter_sigma,
        g.pixel_sigma,
        limit,
        arguments.attacker,
        cell_width=widths if widths is None else widths[0] if len(widths) == 1 else tuple(widths),
        cell_floor=arguments.cell_floor,
        every_cell=arguments.every_cell,
        further_limits=tuple(further),
    )
    sizes = _sizes(arguments)
    if parameter_sigma == 0:
        sizes["n_total"] = arguments.n_total or N_SLICES
    *_, last = defence.stream(case.image, arguments.n0, **sizes, progress=visible_progress())
    return last


def _received_cells(case: GivenImage, arguments: argparse.Namespace) -> "IndividualCellsCertificate":
    from spt.defences import IndivSPTCells

    _warn_if_outside(case, arguments)
    g = case.smoothed
    settings = (g.classifier, g.transform, g.parameter_sigma, g.pixel_sigma, _limit(case, arguments))
    defence = IndivSPTCells(*settings, arguments.attacker)
    *_, last = defence.stream(case.image, arguments.n0, **_sizes(arguments), progress=visible_progress())
    return last


def _sizes(arguments: argparse.Namespace) -> dict[str, Any]:
    """How many samples cells get, at which level, and of which seed."""
    n_total = arguments.n_total or N_TOTAL[arguments.defence]
    alpha, seed = arguments.alpha, arguments.seed
    return {"n_cell": arguments.n_cell or N_CELL, "n_total": n_total, "alpha": alpha, "seed": seed}


def _per_sample(case: GivenImage, arguments: argparse.Namespace) -> "DistCertificate | IndividualCertificate":
    from spt.certificates.per_sample import radius_of
    from spt.defences import DistSPT, IndivSPT

    g, limit, n = case.smoothed, _limit(case, arguments), arguments.n_gamma
    settings = (g.classifier, g.transform, g.parameter_sigma, g.pixel_sigma, limit, arguments.attacker)
    defence = IndivSPT(*settings) if arguments.defence == "indiv" else DistSPT(*settings)
    looks = tuple(arguments.first_looks)
    each = arguments.alpha / (len(looks) + 1)
    most = radius_of(n, n, alpha=each, inner_alpha=defence.inner_alpha, parameter_sigma=g.parameter_sigma)
    _warn_if_out_of_reach(most, case, limit, "--n-gamma")
    n0, alpha, seed, progress = arguments.n0, arguments.alpha, arguments.seed, visible_progress()
    if isinstance(defence, IndivSPT):
        _warn_if_outside(case, arguments)
        *_, found = defence.stream(case.image, n0, n_gamma=n, alpha=alpha, seed=seed, progress=progress)
        return found
    *_, last = defence.stream(case.image, n0, n_gamma=n, alpha=alpha, seed=seed, progress=progress, first_looks=looks)
    return last


def _received_one_error(case: GivenImage, arguments: argparse.Namespace) -> str:
    """The certificate, or of an image that the E given beforehand refuses the measured error: that is an answer, too."""
    from spt import statistics
    from spt.defences import IndivSPT, shared_budget

    _warn_if_outside(case, arguments)
    g, limit, n, online = case.smoothed, _limit(case, arguments), arguments.n_gamma, arguments.error_level is not None
    defence = IndivSPT(g.classifier, g.transform, g.parameter_sigma, g.pixel_sigma, limit, arguments.attacker)
    budget = shared_budget(arguments.alpha)
    level = defence.measure(
        case.image,
        arguments.error_level,
        n_test=_tested_betas(arguments),
        alpha_error=budget.alpha_error,
        seed=arguments.seed,
        progress=visible_progress(),
    )
    if not level.usable:
        nothing = "" if arguments.out is None else f"\nNot written: {arguments.out}, as there is no certificate."
        return level.to_json() if arguments.json else f"{case.caption}\n{level.to_text()}{nothing}"
    most = defence.largest_radius(level, n=statistics.MOST_SAMPLES, budget=budget)
    option = "--error-betas" if most < limit else "--n-gamma"
    _warn_if_out_of_reach(defence.largest_radius(level, n=n, budget=budget), case, limit, option)
    certificate = defence.certify_with_one_error(
        case.image,
        level,
        n0=arguments.n0,
        n=n,
        budget=budget,
        seed=arguments.seed,
        progress=visible_progress(),
    )
    lines = (case.caption, *([level.explain()] if online else []), certificate.to_text())
    return _answer(arguments, certificate, "\n".join(lines))


def _one_error(case: GivenImage, arguments: argparse.Namespace) -> "OneErrorCertificate":
    from spt import statistics
    from spt.defences import OneErrorSPT, shared_budget

    g, nested = case.smoothed, arguments.votes == "nested"
    given = None if arguments.error is None else _read_level(arguments.error)
    limit = given.limit if given and arguments.limit is None else _limit(case, arguments)
    defence = OneErrorSPT(g.classifier, g.transform, g.parameter_sigma, g.pixel_sigma, limit, arguments.attacker)
    budget = shared_budget(arguments.alpha, given.alpha_error if given else None)
    level = given or defence.measure(
        case.image,
        n_test=_tested_betas(arguments),
        alpha_error=budget.alpha_error,
        seed=arguments.seed,
        progress=visible_progress(),
    )
    defence.check_level(level, case.image, budget)
    n, option = (arguments.n_gamma, "--n-gamma") if nested else (arguments.n, "--n")
    if defence.largest_radius(level, arguments.votes, n=statistics.MOST_SAMPLES, budget=budget) < limit:
        option = "--error-betas" if given is None else "--betas of measure and lower its --rho"
    _warn_if_out_of_reach(defence.largest_radius(level, arguments.votes, n=n, budget=budget), case, limit, option)
    return defence.certify(
        case.image,
        level,
        votes=arguments.votes,
        n0=arguments.n0,
        n=n,
        budget=budget,
        seed=arguments.seed,
        progress=visible_progress(),
    )


def _read_level(path: Path) -> "ErrorLevel":
    from spt.certificates import ErrorLevel

    try:
        level = ErrorLevel.from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if not level.verify():
        raise ValueError(f"{path}: its numbers do not follow from its counts; measure E again.")
    return level


def _tested_betas(arguments: argparse.Namespace) -> int:
    return TESTED_BETAS[arguments.votes] if arguments.error_betas is None else int(arguments.error_betas)


def _limit(case: GivenImage, arguments: argparse.Namespace) -> float:
    """The one number of --limit; ValueError if there are several."""
    transform = case.smoothed.transform
    if arguments.limit is not None and len(arguments.limit) > 1:
        raise ValueError(f"--limit for {transform.name} takes one number, not {len(arguments.limit)}.")
    return _LIMITS.get(transform.unit, 10.0) if arguments.limit is None else float(arguments.limit[0])


def _limits(case: GivenImage, arguments: argparse.Namespace) -> tuple[float, ...]:
    """The number of --limit, or one for each parameter where their units differ."""
    transform = case.smoothed.transform
    if not transform.mixed:
        return (_limit(case, arguments),)
    if arguments.limit is None:
        return (10.0,) * transform.dimensions
    if len(arguments.limit) != transform.dimensions:
        names = ", ".join(f"{each.name} in {each.unit}" for each in transform.parameters)
        raise ValueError(
            f"--limit for {transform.name} takes {transform.dimensions} numbers ({names}), not {len(arguments.limit)}."
        )
    return tuple(map(float, arguments.limit))


def _only_slices(arguments: argparse.Namespace) -> bool:
    from spt.transforms import TRANSFORMS

    return arguments.transform in TRANSFORMS and only_slices(TRANSFORMS[arguments.transform])


def _warn_if_outside(case: GivenImage, arguments: argparse.Namespace) -> None:
    """Say on standard error if --at is no attack of the range that the certificate for its result is about."""
    from spt.certificates import given

    limit = _limit(case, arguments)
    if any(abs(value) > limit for value in arguments.at or ()):
        print(
            f"warning: --at {' '.join(f'{value:g}' for value in arguments.at)} lies outside the attack range of "
            f"±{given(limit, case.smoothed.transform.unit)}, so a certificate for its result says nothing about the image it "
            "was made from; raise --limit",
            file=sys.stderr,
        )


def _warn_if_out_of_reach(largest: float, case: GivenImage, limit: float, option: str) -> None:
    """Say on standard error if not even samples that all agree certify the whole attack range."""
    from spt.certificates import given, quantity

    if largest < limit:
        unit = case.smoothed.transform.unit
        reach = f"only {quantity(largest, unit)} of" if largest > 0 else "nothing in"
        print(
            f"warning: so few samples certify {reach} the attack range of ±{given(limit, unit)}, even if all agree; "
            f"raise {option}",
            file=sys.stderr,
        )
