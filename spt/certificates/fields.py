"""The fields of a record: whether they have the types they are declared with, and how they go to JSON and back."""

import dataclasses
import functools
import json
import math
import types
import typing
from typing import Any


def fields_are_typed(record: Any) -> bool:
    """Whether every field of a dataclass has the type it is declared with, and all its numbers are finite."""
    hints: dict[str, Any] = _hints(type(record))  # type: ignore[arg-type]
    return all(has_type(getattr(record, field.name), hints[field.name]) for field in dataclasses.fields(record))


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def has_type(value: Any, kind: Any) -> bool:
    """Whether a plain value, or a record of plain values, has a type: a finite float, an int that is no bool, text, None, a
    literal, a tuple of those, or a dataclass whose fields have theirs."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return any(type(value) is type(part) and value == part for part in parts)
    if origin in (typing.Union, types.UnionType):
        return any(has_type(value, part) for part in parts)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(parts) == 2 and parts[1] is Ellipsis:
            return all(has_type(each, parts[0]) for each in value)
        return len(value) == len(parts) and all(map(has_type, value, parts))
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    if kind is str:
        return type(value) is str and value.isprintable()  # what a terminal shows must be what is written
    if kind in (int, bool):
        return type(value) is kind
    if kind in (None, type(None)):
        return value is None
    return isinstance(value, kind) and dataclasses.is_dataclass(value) and fields_are_typed(value)


def as_json(record: Any) -> str:
    """All fields of a dataclass of plain values as JSON, in ASCII, so that no terminal and no file can change it."""
    return json.dumps(dataclasses.asdict(record), indent=2, allow_nan=False)


def as_tuples(value: Any) -> Any:
    """A value from JSON with tuples for its lists, as the records have them."""
    return tuple(map(as_tuples, value)) if isinstance(value, list | tuple) else value


def from_json_text(text: str) -> Any:
    """What a JSON text holds; ValueError, one sentence, if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"This is no JSON ({error}).") from error


def read_fields(text: str, kind: type, later: tuple[str, ...] = ()) -> dict[str, Any]:
    """The fields of a record of that class from JSON, lists as tuples. ValueError, one sentence, if it is no such record.

    ``later``: fields with a default that records of before do not have.
    """
    fields = from_json_text(text)
    known = {field.name for field in dataclasses.fields(kind)}
    if not isinstance(fields, dict) or not known & fields.keys():
        raise ValueError(f"This is no {kind.__name__}.")
    wrong = sorted((known ^ fields.keys()) - (set(later) - fields.keys()))
    if wrong:
        raise ValueError(
            f"This {kind.__name__} has no {wrong[0]!r}: an earlier version wrote it, or it was changed."
            if wrong[0] in known
            else f"This is no {kind.__name__}: it has a field {wrong[0]!r}."
        )
    hints: dict[str, Any] = _hints(kind)
    return {name: as_declared(as_tuples(value), hints[name]) for name, value in fields.items()}


def as_declared(value: Any, kind: Any) -> Any:
    """A value from JSON with floats where floats are declared: other programs write 30.0 as 30."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind is float and type(value) is int and abs(value) < 1 << 53:
        return float(value)
    if origin in (typing.Union, types.UnionType) and float in parts and int not in parts:
        return as_declared(value, float)
    if origin is tuple and isinstance(value, tuple):
        each = [parts[0]] * len(value) if len(parts) == 2 and parts[1] is Ellipsis else parts
        return tuple(map(as_declared, value, each)) if len(each) == len(value) else value
    return value
