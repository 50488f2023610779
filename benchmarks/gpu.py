"""Everything that has to be measured on a GPU, by one command; results in a folder, readable as gpu.md.

    python benchmarks/gpu.py --out FOLDER                  # on a machine with a GPU: nine minutes, all parts
    python benchmarks/gpu.py --out FOLDER --part speed     # one part
    python benchmarks/gpu.py --out FOLDER --rehearse       # seconds, on the processor: the same code on tiny sizes

The parts, in this order, each within its share of --minutes: tests (pytest -m cuda), speed (votes, transformations and
bounds on the device and beside it on the processor, and where the time goes), bounds (3x224x224 photographs, ±30°),
train (the recipe that --recipe names), tables (table 4 on CIFAR-10). What a part finds is kept at once. A part that is complete is
not run again, except with --again; training and tables go on where they were stopped, if FOLDER has the files of the
run before.

train and tables need CIFAR-10 in the folder that SPT_DATA names (default: data). Where only a part of the data can be brought at a
time, copy each part aside with one command, and read what came together with --data:

    python benchmarks/gpu.py --stash /tmp/pictures                          # with the first part in SPT_DATA; then the next
    python benchmarks/gpu.py --out FOLDER --data /tmp/pictures              # the last part may still be in SPT_DATA

Every file in FOLDER is smaller than 16 MiB. Where the package is not installed, PYTHONPATH=. in front of a command does.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path

SHARES = {"tests": 0.1, "speed": 0.26, "bounds": 0.1, "train": 0.36, "tables": 0.18}
"""Of the time; what a part leaves over goes to the next ones."""
GRACE = 15.0
"""Seconds after its share in which a part may finish what it is at, before its process is ended."""


def main(words: list[str] | None = None) -> int:
    """The command; 0 if every part that was asked for is complete."""
    arguments = _read(words)
    if arguments.stash is not None:
        print(stash(_data(), arguments.stash))
        return 0
    if arguments.data is not None:
        stash(_data(), arguments.data)
        os.environ["SPT_DATA"] = str(arguments.data)
    parts = [arguments.part] if arguments.part else list(SHARES)
    end = time.monotonic() + 60 * arguments.minutes
    complete = True
    for number, part in enumerate(parts):
        share = SHARES[part] / sum(SHARES[each] for each in parts[number:])
        seconds = share * (end - time.monotonic())
        alone = arguments.part is not None or arguments.rehearse
        complete &= _part(part, arguments, seconds) if alone else _in_a_process(part, arguments, seconds)
    return 0 if complete else 1


def _read(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder of results, with those of an earlier run to go on with them")
    parser.add_argument("--part", choices=SHARES, help="only this one")
    parser.add_argument("--minutes", type=float, default=9.0, help="for all parts together (default: %(default)g)")
    parser.add_argument("--device", help="default: cuda; cpu with --rehearse")
    parser.add_argument("--rehearse", action="store_true", help="tiny sizes, to try out all of it")
    parser.add_argument("--again", action="store_true", help="run complete parts again, too")
    parser.add_argument("--recipe", default="cifar10-resnet", help="what train trains (default: %(default)s)")
    parser.add_argument("--epochs", type=int, help="of training (default: as many as there is time for)")
    parser.add_argument("--workers", type=int, help="processes for the tables (default: half the cores, at most 8)")
    parser.add_argument("--stash", type=Path, metavar="FOLDER", help="copy what is in SPT_DATA there, and end")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="read this folder, and what is in SPT_DATA besides")
    arguments = parser.parse_args(words)
    if (arguments.out is None) == (arguments.stash is None):
        parser.error("give either --out FOLDER or --stash FOLDER")
    arguments.device = arguments.device or ("cpu" if arguments.rehearse else "cuda")
    if arguments.workers is None:
        arguments.workers = 1 if arguments.rehearse else max(1, min(8, (os.cpu_count() or 2) // 2))
    return arguments


def _data() -> Path:
    return Path(os.environ.get("SPT_DATA") or "data")


def stash(source: Path, folder: Path) -> str:
    """Copy all files of a folder of data into another, beside what is there; says how many there are."""
    if source.is_dir() and source.resolve() != folder.resolve():
        shutil.copytree(source, folder, dirs_exist_ok=True)
    files = [path for path in folder.rglob("*") if path.is_file()]
    return f"{folder}: {len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.0f} MB"


def _in_a_process(part: str, arguments: argparse.Namespace, seconds: float) -> bool:
    """A part in a process of its own: what goes wrong on the device, or takes for ever, ends with it."""
    command = [sys.executable, __file__, "--part", part, "--out", str(arguments.out), "--device", arguments.device]
    command += ["--minutes", str(seconds / 60), "--workers", str(arguments.workers), "--recipe", arguments.recipe]
    command += ["--again"] * arguments.again + (["--epochs", str(arguments.epochs)] if arguments.epochs else [])
    process = subprocess.Popen(command, process_group=0)
    try:
        return process.wait(seconds + GRACE) == 0
    except subprocess.TimeoutExpired:
        print(f"{part}: ended after {seconds + GRACE:.0f} s", flush=True)
        return False
    finally:
        if process.poll() is None:  # with the processes that it started
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _part(part: str, arguments: argparse.Namespace, seconds: float) -> bool:
    """A part here; what stops it is kept with what it found."""
    from gpu_parts.run import WRONG, OutOfTimeError, Run

    run = Run(part, arguments.out, arguments.device, arguments.rehearse, time.monotonic() + seconds)
    run.recipe, run.epochs, run.workers = arguments.recipe, arguments.epochs, arguments.workers
    if run.results.read().get(part, {}).get("done") and not arguments.again:
        print(f"{part}: complete already")
        return True
    run.keep()  # before anything is found: this may be ended from outside
    try:
        import_module(f"gpu_parts.{part}").measure(run)
    except OutOfTimeError as error:
        run.keep(stopped=str(error))
    except Exception as error:  # the other parts are of use without this one
        run.table(WRONG, [], f"```\n{traceback.format_exc()[-6000:]}\n```")
        run.keep(stopped=f"{type(error).__name__}: {error}")
    else:
        run.keep(done=True)
        return True
    return False


if __name__ == "__main__":
    sys.exit(main())
