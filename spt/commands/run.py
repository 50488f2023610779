"""The command run: an experiment of the paper, resumable, here or on a Dask cluster."""

import argparse
import shlex
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Any

from spt.commands.arguments import (
    add_command,
    add_device,
    add_download,
    check_device,
    count,
    seed_number,
    small_count,
    visible_progress,
)
from spt.experiments.files import check_file, check_folder, json_text

OPTIONS = ("dataset", "transform", "classifier", "images", "seed")
"""The settings that have an option of their own."""


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    from spt.experiments import EXPERIMENTS

    parser = add_command(
        commands, "run", _run, "An experiment of the paper: a row for each image, kept at once; run again it goes on."
    )
    parser.add_argument(
        "name",
        metavar="EXPERIMENT",
        help="; ".join(f"{name}: {kind.title.partition(': ')[2] or kind.title}" for name, kind in EXPERIMENTS.items()),
    )
    parser.add_argument(
        "--preset",
        choices=["full", "quick"],
        default="full",
        help="full: the paper's settings; quick: bundled images, at most three minutes on two cores (default: %(default)s)",
    )
    parser.add_argument("--dataset", metavar="NAME", help="default: mnist; quick: digits")
    add_download(parser)
    parser.add_argument(
        "--transform",
        metavar="NAME",
        help="rotation or translation, and of table2 and of table4 with cells the others, too (default: rotation)",
    )
    parser.add_argument("--classifier", metavar="NAME", help="default: a bundled one for the data set")
    parser.add_argument("--images", type=count, help="how many (default: 1000; quick: 8 to 20)")
    parser.add_argument("--seed", type=seed_number, help="default: 0")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another setting of the experiment (`python -m spt list` has them), such as --set limit=20; again for more",
    )
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder of results (default: %(default)s)")
    cost = parser.add_argument_group("where")
    cost.add_argument(
        "--scheduler",
        metavar="WHERE",
        help="local: worker processes on this machine; tcp://HOST:PORT: a Dask cluster (default: this process)",
    )
    cost.add_argument("--workers", type=small_count, help="of --scheduler local (default: a core, or a GPU, each)")
    add_device(cost)


def _run(arguments: argparse.Namespace) -> str:
    from spt.datasets import load_dataset
    from spt.experiments import configure, get_experiment, run
    from spt.experiments.running import in_this_process, open_store, refuse_fewer
    from spt.experiments.tables import as_record, origin, write_tables

    kind = get_experiment(arguments.name)
    given = {name: getattr(arguments, name) for name in ("classifier", "images", "seed")}
    given = {name: value for name, value in given.items() if value is not None} | _settings(arguments.set, kind)
    if arguments.workers is not None and arguments.scheduler != "local":
        raise ValueError(f"--workers {arguments.workers} is for --scheduler local only.")
    check_folder(arguments.out, "--out")
    experiment = configure(kind, arguments.preset, arguments.dataset, arguments.transform, **given)
    if arguments.download:
        load_dataset(experiment.dataset, download=True, progress=visible_progress())
    experiment.check()
    remote = arguments.scheduler is not None and arguments.scheduler != "local"
    device = (
        arguments.device
        if remote and arguments.device != "auto"
        else check_device(arguments.device, experiment.classifier)
    )
    store = open_store(experiment, arguments.out)
    for suffix in ("csv", "json"):
        check_file(arguments.out / f"{experiment.stem}.{suffix}", "--out")
    if arguments.scheduler is None:
        scheduling: Any = nullcontext(in_this_process(device))
    else:
        from spt.experiments.cluster import on_cluster

        scheduling = on_cluster(arguments.scheduler, arguments.workers, device)
    with scheduling as scheduler:
        where = f"Dask cluster at {arguments.scheduler}, {device}" if remote else None
        made = origin("cpu" if remote else device, where)
        rows = run(experiment, store, scheduler, visible_progress(), made)
    origins = store.origins() or [made]
    command = "python -m spt run " + shlex.join(_as_given(arguments))
    with store.alone():
        refuse_fewer(experiment, arguments.out)
        paths = write_tables(experiment, rows, arguments.out, command, origins=origins)
    if arguments.json:
        return json_text(as_record(experiment, rows, command, device, origins))
    return f"{_table(experiment, rows)}\nWritten: {', '.join(map(str, paths))}"


def _table(experiment: Any, rows: Any) -> str:
    """The line beside the paper's, and what has to be known to compare them."""
    from spt.experiments.published import COMPARE, OWN, SECONDS, beside_published, in_words, published_lines
    from spt.experiments.tables import as_markdown, beside_the_paper, left_out_in_words, paper_lines, paper_source

    summary = experiment.summary(rows)
    caveats = dict.fromkeys(line.caveat for line in paper_lines(experiment) if line.caveat)
    parts = [
        f"{experiment.title}. {experiment.question}",
        as_markdown(beside_the_paper(experiment, summary)),
    ]
    parts += [left_out] if (left_out := left_out_in_words(summary)) else []
    parts += [f"Note: {experiment.note}"] if experiment.note else []
    parts += [f"Paper: {caveat}" for caveat in caveats]
    parts += [f"Source of the paper's numbers: {paper_source()}."] if paper_lines(experiment) else []
    if published := beside_published(experiment, summary):
        parts += [
            "Beside other published work",
            as_markdown(published),
            f"{COMPARE} {SECONDS}",
            f"Ours and the paper's: {OWN}",
        ]
        parts += [f"{work.cited}: {meaning}" for work, meaning in in_words(published_lines(experiment))]
    return "\n\n".join(parts)


def _settings(pairs: list[str], kind: Any) -> dict[str, str]:
    """The settings that --set gives; ValueError for an unknown name, one set twice, or one that has an option of its own."""
    settings: dict[str, str] = {}
    known = [each.name for each in fields(kind)]
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign:
            raise ValueError(f"--set takes NAME=VALUE, but is {pair!r}.")
        name = name.strip()
        if name in OPTIONS:
            raise ValueError(f"{name} has an option of its own: --{name} {value.strip()}.")
        if name not in known:
            others = ", ".join(each for each in known if each not in OPTIONS)
            raise ValueError(f"{kind.name} has no setting {name!r}; it has {others}.")
        if name in settings:
            raise ValueError(f"{name} is set twice, to {settings[name]} and to {value.strip()}.")
        settings[name] = value.strip()
    return settings


def _as_given(arguments: argparse.Namespace) -> list[str]:
    """The arguments that decide the result, without those that say where."""
    words = [arguments.name]
    for name in ("preset", *OPTIONS):
        value = getattr(arguments, name)
        if value is not None and (name, value) != ("preset", "full"):
            words += [f"--{name}", str(value)]
    return words + [word for pair in arguments.set for word in ("--set", pair)]
