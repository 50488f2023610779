"""The command list."""

import argparse
from dataclasses import asdict, fields
from typing import Any

from spt.commands.arguments import add_command
from spt.experiments.files import json_text


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    add_command(
        commands, "list", _list, "What there is: classifiers, data sets, transformations, recipes, experiments."
    )


def _list(arguments: argparse.Namespace) -> str:
    from spt.classifiers import bundled_classifiers
    from spt.datasets import DATASETS
    from spt.experiments import EXPERIMENTS
    from spt.recipes import RECIPES
    from spt.transforms import TRANSFORMS

    keys = ("dataset", "transform", "parameter_sigma", "pixel_sigma", "class_names", "input_shape", "accuracy")
    cards = {name: _card(name, keys) for name in bundled_classifiers()}
    units = {name: [f"{p.name} ({p.unit})" for p in transform.parameters] for name, transform in TRANSFORMS.items()}
    settings = {name: _settings(kind) for name, kind in EXPERIMENTS.items()}
    if arguments.json:
        record = {
            "classifiers": {name: card if isinstance(card, dict) else {"error": card} for name, card in cards.items()},
            "datasets": {name: source.title for name, source in DATASETS.items()},
            "transforms": units,
            "recipes": list(RECIPES),
            "experiments": settings,
        }
        return json_text(record, indent=2)
    sections = {
        "Classifiers": {
            name: _accuracy_in_words(card) if isinstance(card, dict) else card for name, card in cards.items()
        }
        or {"(none)": ""},
        "Data sets": {name: source.title for name, source in DATASETS.items()},
        "Transformations": {name: ", ".join(parameters) for name, parameters in units.items()},
        "Recipes": {name: f"{recipe.dataset}, {_noise(asdict(recipe))}" for name, recipe in RECIPES.items()},
        "Experiments, with what `run --set` changes": {
            name: ", ".join(f"{key}={value}" for key, value in each.items()) for name, each in settings.items()
        },
    }
    return "\n".join(
        f"{title}\n" + "\n".join(f"  {name:<18} {text}".rstrip() for name, text in rows.items())
        for title, rows in sections.items()
    )


def _card(name: str, keys: tuple[str, ...]) -> dict[str, Any] | str:
    """What a model card says; one sentence in its place if it is damaged, so that the others can still be listed."""
    from spt.classifiers import damaged, read_card

    try:
        whole = read_card(name)
        card = {key: whole[key] for key in keys}
        _accuracy_in_words(card)
    except ValueError as error:
        return str(error)
    except (KeyError, TypeError) as error:
        return str(damaged(name, error))
    return card


def _settings(kind: Any) -> dict[str, Any]:
    """The settings that only this experiment has, with what they are if none is given; None: see the experiment."""
    from spt.experiments import Experiment

    shared, usual = {field.name for field in fields(Experiment)}, kind()
    return {field.name: getattr(usual, field.name) for field in fields(kind) if field.name not in shared}


def _accuracy_in_words(card: dict[str, Any]) -> str:
    accuracy = card["accuracy"]["float32"]
    clean, noisy = accuracy["clean"], accuracy["parameter_and_pixel_noise"]
    on_samples = f" on {card['accuracy']['test_images']} samples" if "measured_on" in card["accuracy"] else ""
    return f"{card['dataset']}, {_noise(card)}; accuracy {clean:.1%}{on_samples}" + (
        f", {noisy:.1%} under noise" if card["transform"] else ""
    )


def _noise(settings: dict[str, Any]) -> str:
    """The training noise of a card or recipe in words."""
    if settings["transform"] is None:
        return "no noise"
    return f"{settings['transform']} σ {settings['parameter_sigma']:g}, pixel σ {settings['pixel_sigma']:g}"
