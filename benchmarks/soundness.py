"""Every bound against an independent oracle, and quadratics against exact arithmetic; rewrites soundness.md.

    python benchmarks/soundness.py                # about 20 minutes on one core: more than a million of either
    python benchmarks/soundness.py --quick --page look.md   # seconds

The oracle (tests/oracles.py) is numpy in float64 and shares no code with the package. Images and ranges (tests/bound_cases.py) are
chosen for flat maxima, where a bound that is a little too small shows; gammas are special ones (ends, angles where a pixel
crosses a line of the grid, whole and half pixels, and just beside), drawn ones, and then climbed: from the four with the largest
errors, smaller and smaller steps. Images are climbed, too: pixels are changed so that error / bound grows. Exit status 1 if any
error is above its bound.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from spt.error_bounds.balls_rotation import quadratic_maximum
from spt.received_bounds.bounds import METHODS
from tests.bound_cases import (
    CENTRES,
    ERRORS,
    IMAGES,
    OPTIONS,
    PREPROCESSINGS,
    RANGES,
    SHAPES,
    Comparison,
    Seen,
    compare_errors,
    compare_received,
    compare_samples,
    flat_image,
    gamma_box,
    gammas_to_try,
    some_points,
)

PAGE = Path(__file__).parent / "soundness.md"
LARGER = ((12, 12), (16, 16), (20, 13), (28, 28))
CLIMB = 8
"""Rounds of climbing for a gamma, of 4 x 12 tries."""
Table = list[tuple[str, ...]]


@dataclass
class Row:
    """What was tried with one bound."""

    bounds: int = 0
    shapes: set[object] = field(default_factory=set)
    settings: set[object] = field(default_factory=set)
    comparisons: int = 0
    climbed: int = 0
    margin: float = float("inf")
    ratio: float = 0.0
    violations: int = 0

    def add(self, bound: float, errors: np.ndarray, climbed: bool = False) -> None:
        self.comparisons += len(errors)
        self.climbed += climbed * len(errors)
        if bound > 0:
            self.margin = min(self.margin, float((bound - errors).min()))
        if bound > 1e-3:
            self.ratio = max(self.ratio, float(errors.max() / bound))
        self.violations += int((~(errors <= bound)).sum())


@dataclass
class Run:
    """Rows by name, and a line for every violation."""

    random: np.random.Generator
    rows: dict[str, Row] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)

    def row(self, name: str, seen: Seen, *setting: object) -> Row:
        row = self.rows.setdefault(name, Row())
        row.shapes.add(seen.image.shape)
        row.settings.add((seen.preprocessing, seen.single, *setting))
        return row

    def note(self, row: Row, before: int, *about: object) -> None:
        """Keep what has to be known of violations since ``before``."""
        if row.violations > before:
            self.found.append(" ".join(map(str, (row.violations - before, "x", *about))))
            print("VIOLATION", self.found[-1], flush=True)

    def compare(
        self,
        name: str,
        comparison: Comparison,
        seen: Seen,
        points: np.ndarray,
        box: np.ndarray,
        count: int,
        *setting: object,
    ) -> float:
        """Gammas of every item, tried and climbed; the largest error / bound."""
        row, largest = self.row(name, seen, *setting), 0.0
        for item, point in enumerate(points):
            before, bound = row.violations, float(comparison[0][item])
            row.bounds += 1

            def errors(gammas: np.ndarray, item: int = item) -> np.ndarray:
                return comparison[1](item, gammas)

            gammas = gammas_to_try(seen.name, seen.image.shape[1:], box, [point, -point], count, self.random)
            found = errors(gammas)
            row.add(bound, found)
            gamma, top = self.climb(errors, gammas, found, box, row, bound)
            if bound > 1e-6:
                largest = max(largest, top / bound)
            self.note(row, before, name, setting, seen, point, box.tolist(), gamma, "error", top, "bound", bound)
        return largest

    def climb(
        self,
        errors: Callable[[np.ndarray], np.ndarray],
        gammas: np.ndarray,
        found: np.ndarray,
        box: np.ndarray,
        row: Row,
        bound: float,
    ) -> tuple[np.ndarray, float]:
        """Local search for the largest error: steps from a twentieth of the range to less than a millionth."""
        low, high = box[:, 0], box[:, 1]
        order = np.argsort(-found)[:4]
        best, values = gammas[order], found[order]
        for round_number in range(CLIMB):
            steps = (high - low) / 20 * 8.0**-round_number
            tried = best[:, None] + steps * self.random.normal(size=(len(best), 12, len(low)))
            tried = np.clip(tried, low, high).reshape(-1, len(low))
            reached = errors(tried)
            row.add(bound, reached, climbed=True)
            tried, reached = tried.reshape(len(best), 12, -1), reached.reshape(len(best), 12)
            index = reached.argmax(axis=1)
            top, where = reached.max(axis=1), tried[np.arange(len(best)), index]
            better = top > values
            best, values = np.where(better[:, None], where, best), np.where(better, top, values)
        return best[values.argmax()], float(values.max())

    def case(self, name: str) -> tuple[Seen, np.ndarray, np.ndarray, str]:
        """Something to look at, a range, two points and what the range is."""
        random = self.random
        shapes = LARGER if random.random() < 0.06 else SHAPES
        shape = shapes[random.integers(len(shapes))]
        image = flat_image(str(random.choice(IMAGES)), int(random.choice((1, 1, 3))), shape, random)
        seen = Seen(image, name, PREPROCESSINGS[random.integers(len(PREPROCESSINGS))], bool(random.random() < 0.25))
        kind = str(random.choice(RANGES))
        box = gamma_box(kind, name, random)
        return seen, box, some_points(name, 2, box, random), kind

    def bounds(self, rounds: int, count: int) -> None:
        """Every bound on random cases."""
        for number in range(rounds):
            for name in ERRORS:
                seen, box, points, kind = self.case(name)
                option = number % len(OPTIONS)
                for bound in ERRORS[name]:
                    comparison = compare_errors(bound, seen, points, box, **OPTIONS[option])
                    self.compare(f"{bound}, {name}", comparison, seen, points, box, count, kind, option)
                for centre in CENTRES:
                    comparison = compare_samples(centre, seen, points, box, self.random, **OPTIONS[option])
                    self.compare(f"sample bound ({centre}), {name}", comparison, seen, points, box, count, kind, option)
            report(number, rounds, "bounds")

    def images(self, rounds: int, steps: int, count: int) -> None:
        """Images climbed so that the error comes near the bound: one or two pixels changed at a time."""
        for number in range(rounds):
            for name in ERRORS:
                seen, box, points, kind = self.case(name)
                if max(seen.image.shape[1:]) > 10 or not seen.after(np.ones((1, *seen.image.shape))).any():
                    continue
                points = points[:1]
                choice = int(self.random.integers(len(ERRORS[name]) + 2))
                best = 0.0
                for _ in range(steps):
                    image = seen.image.copy()
                    for _ in range(int(self.random.integers(1, 3))):
                        image.reshape(-1)[self.random.integers(image.size)] = self.random.choice(
                            (0.0, 1.0, self.random.random())
                        )
                    changed = Seen(image, name, seen.preprocessing, seen.single)
                    if choice < len(ERRORS[name]):
                        bound = ERRORS[name][choice]
                        comparison = compare_errors(bound, changed, points, box, max_evaluations=40)
                        title = f"{bound}, {name}"
                    else:
                        centre = CENTRES[choice - len(ERRORS[name])]
                        comparison = compare_samples(centre, changed, points, box, self.random, max_evaluations=40)
                        title = f"sample bound ({centre}), {name}"
                    near = self.compare(f"{title}, climbed images", comparison, changed, points, box, count, kind)
                    if near >= best:
                        best, seen = near, changed
            report(number, rounds, "climbed images")

    def received(self, rounds: int) -> None:
        """Images received of one gamma, inverted, and bounded."""
        for number in range(rounds):
            for name in ERRORS:
                seen, box, _, kind = self.case(name)
                if seen.image.size > 300:
                    continue
                box[:, 1] = np.minimum(box[:, 1], box[:, 0] + (2.0 if name == "rotation" else 0.5))
                gamma = gammas_to_try(name, seen.image.shape[1:], box, [], 1, self.random)[0]
                betas = some_points(name, 4, np.stack((-gamma, -gamma), axis=1), self.random)
                attacker = ("exact", "8-bit")[int(self.random.integers(2))]
                method = METHODS[number % len(METHODS)]
                width = 0.5 if name == "rotation" else 0.25
                bounds, errors, held = compare_received(method, seen, betas, gamma, box, attacker, width)
                inverse = self.row(f"inverse, {name}", seen, kind, attacker)
                before = inverse.violations
                inverse.bounds, inverse.comparisons = inverse.bounds + 1, inverse.comparisons + seen.image.size
                inverse.violations += not held
                self.note(inverse, before, "inverse", attacker, seen, box.tolist(), gamma)
                row = self.row(f"received ({method}), {name}", seen, kind, attacker)
                before = row.violations
                row.bounds += len(bounds)
                for bound, error in zip(bounds, errors, strict=True):
                    row.add(float(bound), np.array([error]))
                self.note(row, before, "received", method, attacker, seen, betas, box.tolist(), gamma)
            report(number, rounds, "received")


def report(number: int, rounds: int, what: str) -> None:
    if (number + 1) % max(1, rounds // 10) == 0:
        print(f"{time.strftime('%H:%M:%S')} {what}: {number + 1} of {rounds}", flush=True)


def triples(kind: str, count: int, random: np.random.Generator) -> np.ndarray:
    """(count, 3) first, middle and last coefficients."""
    middle = random.random(count)
    if kind == "any":
        return np.stack((2 * random.random(count), middle, 2 * random.random(count)), axis=1)
    gaps = (
        10.0 ** random.uniform(-17, -9, (2, count))
        if kind.startswith("nearly")
        else 10.0 ** random.uniform(-17, 0, (2, count))
    )
    if kind == "nearly tied, one end at 0":
        gaps[0] = 1.0
    if kind == "neighbours":
        ends = middle.view(np.int64) - random.integers(-2, 4, (2, count))
        return np.stack((ends[0].view(float), middle, ends[1].view(float)), axis=1)
    if kind == "subnormal":
        middle = middle * 10.0 ** random.uniform(-323, -300, count)
    if kind == "of any size":
        middle = middle * 10.0 ** random.uniform(-300, 300, count)
    return np.stack((middle * (1 - gaps[0]), middle, middle * (1 - gaps[1])), axis=1)


def exact_violations(sample: np.ndarray) -> tuple[int, int, float]:
    """Of the triples: how many are below the exact maximum, how many less than an end, and the largest relative excess."""
    found = quadratic_maximum(*torch.from_numpy(sample.T.copy())).tolist()
    below = under_ends = 0
    excess = 0.0
    for (first, middle, last), value in zip(sample.tolist(), found, strict=True):
        f, m, e, v = map(Fraction, (first, middle, last, value))
        under_ends += value < max(first, last)
        if middle > first and middle > last:
            bend = 2 * m - f - e
            missing = (m - f) ** 2 - (v - f) * bend
            below += missing > 0
            if middle > 1e-290:
                excess = max(excess, float(-missing / (bend * v)))
        else:
            below += value < max(first, last)
    return below, under_ends, excess


KINDS = (
    "any",
    "nearly tied",
    "nearly tied, one end at 0",
    "neighbours",
    "gaps of any size",
    "subnormal",
    "of any size",
)


def quadratics(count: int, random: np.random.Generator) -> tuple[Table, int]:
    rows: Table = [
        (
            "triples",
            "tried",
            "largest excess (relative)",
            "below an end",
            "below the exact maximum",
        )
    ]
    violations = 0
    for kind in KINDS:
        below = ends = 0
        excess = 0.0
        for part in split(count // len(KINDS) + 1, 10_000):
            found = exact_violations(triples(kind, part, random))
            below, ends, excess = below + found[0], ends + found[1], max(excess, found[2])
        rows.append((kind, f"{count // len(KINDS) + 1:,}", f"{excess:.1e}", str(ends), str(below)))
        violations += below + ends
    return rows, violations


def split(count: int, size: int) -> Iterator[int]:
    while count > 0:
        yield min(count, size)
        count -= size


def table(run: Run) -> Table:
    rows: Table = [
        (
            "bound",
            "bounds",
            "shapes",
            "settings",
            "comparisons",
            "of these climbed",
            "smallest margin",
            "largest error / bound",
            "violations",
        )
    ]
    total = Row()
    for row in run.rows.values():
        for attribute in ("bounds", "comparisons", "climbed", "violations"):
            setattr(total, attribute, getattr(total, attribute) + getattr(row, attribute))
        total.shapes |= row.shapes
        total.settings |= row.settings
        total.margin = min(total.margin, row.margin)
        total.ratio = max(total.ratio, row.ratio)
    for name, row in [*sorted(run.rows.items()), ("all", total)]:
        counts = (row.bounds, len(row.shapes), len(row.settings), row.comparisons, row.climbed)
        margin = "" if np.isinf(row.margin) else f"{row.margin:.1e}"
        ratio = f"{np.floor(row.ratio * 1e8) / 1e8:.8f}" if row.ratio else ""
        rows.append((name, *(f"{count:,}" for count in counts), margin, ratio, str(row.violations)))
    return rows


def markdown(rows: Table) -> str:
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (0)")
    parser.add_argument("--quick", action="store_true", help="a short look: a few thousand comparisons")
    parser.add_argument("--scale", type=float, default=1.0, help="how many times the usual number of everything (1)")
    parser.add_argument("--page", type=Path, default=PAGE, help="where to write (soundness.md beside this script)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    start, scale = time.perf_counter(), 0.001 if arguments.quick else arguments.scale

    def times(count: int) -> int:
        return max(1, round(count * scale))

    random = np.random.default_rng(arguments.seed)
    quadratic_rows, wrong = quadratics(times(1_750_000), random)
    print(markdown(quadratic_rows), flush=True)
    run = Run(random)
    run.bounds(times(1250), 200)
    run.images(times(400), 20, 60)
    run.received(times(4000))
    rows = table(run)
    print(f"{time.perf_counter() - start:.0f} s\n{markdown(rows)}", flush=True)
    minutes = (time.perf_counter() - start) / 60
    text = [
        "# Soundness of the bounds",
        "Written by `python benchmarks/soundness.py`. No error may be above its bound, with zero tolerance.",
        f"Seed {arguments.seed}, torch {torch.__version__}, numpy {np.__version__}, {minutes:.0f} minutes on one core.",
        "## Bounds against an independent oracle",
        "The oracle is numpy in float64, written from the definitions (`tests/oracles.py`). Images have flat maxima (stripes, "
        f"single pixels, constants, checkerboards, edges) or are random, {len(IMAGES)} kinds, one or three channels, float64 or "
        f"float32 (then the oracle rounds after each step, too). Ranges: {', '.join(RANGES)}. A setting is a preprocessing, a "
        "floating type, a kind of range and how far the bound was refined, or the attacker. Climbed: gammas of a local search "
        "for the largest error. Climbed images: one or two pixels changed at a time, kept if error / bound grew. Margin: bound − "
        "error, of bounds that are not 0; the ratio, rounded down, is of bounds above 0.001. The inverse is compared pixel by "
        "pixel; each received image gives one error and two distances for each β.",
        markdown(rows),
        "## Largest value of a quadratic against exact arithmetic",
        "`quadratic_maximum` is what the bounds of K(b') end in. Triples are of first, middle and last coefficient; exact "
        "arithmetic is that of rational numbers.",
        markdown(quadratic_rows),
        *(["## Violations", *[f"- {line}" for line in run.found]] if run.found else []),
    ]
    temporary = arguments.page.with_suffix(".tmp")
    temporary.write_text("\n\n".join(text) + "\n")
    temporary.replace(arguments.page)
    return int(wrong + sum(row.violations for row in run.rows.values()) > 0)


if __name__ == "__main__":
    sys.exit(main())
