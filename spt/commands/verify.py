"""The command verify: is a certificate one? From the record alone, or computed again from image and classifier."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spt.commands.arguments import (
    add_command,
    add_download,
    check_device,
    read_picture,
    transformed,
    visible_progress,
)

if TYPE_CHECKING:
    from spt.recomputation import AnyCertificate

CHECKED = (
    "checked: types and ranges of all fields; the selection, the bound, the radius and the class follow from the counts; the "
    "samples are those of the seed, the sizes and the settings; every inner test stopped where such a test can stop; every "
    "ball (if each sample has its own) is larger than what rounding adds"
)
NOT_CHECKED = (
    "not checked: whether image and classifier give these balls and votes; name them with --image (and --classifier) to "
    "compute them again"
)
HEURISTIC = (
    "checked: types and ranges of all fields; the selection, the bound, the radius and the class follow from the counts; nothing "
    "ties these counts to the settings, which anyone may have changed"
)


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = add_command(
        commands,
        "verify",
        _verify,
        "Check a certificate that certify wrote with --out or --json: the record by itself, or with --image everything computed "
        "again. Exit code 1 if something differs, 3 if nothing does but a part could not be computed again.",
    )
    parser.add_argument("certificate", type=Path, metavar="FILE", help="the certificate's JSON, - for standard input")
    what = parser.add_argument_group("computing it again")
    what.add_argument("--image", metavar="IMAGE", help="the image it is about: a picture file or dataset:number")
    what.add_argument("--invert", action="store_true", help="swap black and white, as certify did")
    what.add_argument("--at", nargs="+", type=float, metavar="VALUE", help="transform the image first, as certify did")
    add_download(what)
    what.add_argument(
        "--classifier", metavar="NAME", help="default: the bundled one of that name; your own as path/to/own.py"
    )
    what.add_argument(
        "--device", help="cpu, cuda or cuda:1 (default: what the certificate names, if it is here, else cpu)"
    )


def _verify(arguments: argparse.Namespace) -> str:
    from spt.recomputation import read_certificate

    path: Path = arguments.certificate
    text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    try:
        certificate = read_certificate(text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return _record(arguments, certificate) if arguments.image is None else _again(arguments, certificate)


def _record(arguments: argparse.Namespace, certificate: "AnyCertificate") -> str:
    """What the record says of itself."""
    from spt.certificates import Certificate

    holds = certificate.verify()
    arguments.exit_code = 0 if holds else 1
    if arguments.json:
        return json.dumps({"consistent": holds, "computed_again": False}, indent=2)
    checked = HEURISTIC if isinstance(certificate, Certificate) else CHECKED
    outcome = "CONSISTENT" if holds else "NOT CONSISTENT: this is not the record of a run"
    return "\n".join((certificate.explain() if holds else "", outcome, f"  {checked}.", f"  {NOT_CHECKED}.")).lstrip()


def _device_of(certificate: "AnyCertificate") -> str:
    """Where the votes were counted, if such a device is here: elsewhere a network's last digits differ."""
    import torch

    return "cuda" if certificate.device == "cuda" and torch.cuda.is_available() else "cpu"


def _again(arguments: argparse.Namespace, certificate: "AnyCertificate") -> str:
    """Everything computed again."""
    from spt.certificates import OneErrorCertificate
    from spt.classifiers import bundled_classifiers, load_classifier
    from spt.recomputation import recompute
    from spt.transforms import get_transform

    name = arguments.classifier or certificate.classifier
    if arguments.classifier is None and name not in bundled_classifiers():
        raise ValueError(f"This certificate is about {name!r}, which is not bundled: name the file with --classifier.")
    classifier = load_classifier(name, check_device(arguments.device or _device_of(certificate), name))
    image, _, caption = read_picture(
        arguments.image, classifier.input_shape, arguments.invert, arguments.download, classifier.class_names
    )
    if arguments.at is not None:
        about = certificate.level if isinstance(certificate, OneErrorCertificate) else certificate
        transform = get_transform(about.transform)
        image, caption = transformed(image, caption, arguments.at, transform)
    found = recompute(certificate, classifier, image, visible_progress())
    arguments.exit_code = {"confirmed": 0, "not confirmed": 1, "confirmed in part": 3}[found.outcome]
    if arguments.json:
        return found.to_json()
    claim = f"{certificate.explain()}\n" if found.record_holds else ""  # a record that does not hold states nothing
    return f"{caption}\n{claim}{found.to_text()}"
