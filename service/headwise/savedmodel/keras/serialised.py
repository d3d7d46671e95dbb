"""Keras's serialised objects, taken apart without Keras. What is malformed reads as empty: nothing is known of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_MODULES = frozenset({"keras", "tf_keras"})
_STRUCTURES = frozenset({"__tuple__", "__list__"})
_DEEPEST = 32
"""Lists within lists; outputs and arguments of a network have two or three."""


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> Sequence[Any]:
    """The entries of a list or of a serialised tuple, else none."""
    if isinstance(value, dict) and text(value.get("class_name")) in _STRUCTURES:
        value = value.get("items")
    return value if isinstance(value, list | tuple) else ()


def text(value: object) -> str:
    """The value if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def integer(value: object) -> int | None:
    """The value if it is a whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def is_sequence(value: object) -> bool:
    """Whether it is a list or a serialised tuple."""
    return isinstance(value, list | tuple) or (isinstance(value, dict) and text(value.get("class_name")) in _STRUCTURES)


def is_object(value: object) -> bool:
    """Whether it is a serialised object, and not a mapping of outputs."""
    return isinstance(value, dict) and "class_name" in value and "config" in value


def is_keras(value: object) -> bool:
    """Whether a serialised object is of a class of Keras's own: a user's class may be called Dense as well."""
    said = mapping(value)
    return text(said.get("module")).partition(".")[0] in _MODULES and said.get("registered_name") in (
        None,
        said.get("class_name"),
    )


def flat(structure: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The leaves of nested lists and mappings in Keras's order, which sorts keys, each with the way to it."""
    if len(path) == _DEEPEST:
        return
    if is_sequence(structure):
        for index, part in enumerate(items(structure)):
            yield from flat(part, (*path, str(index)))
    elif isinstance(structure, dict) and not is_object(structure):
        for key in sorted(structure, key=str):
            yield from flat(structure[key], (*path, str(key)))
    else:
        yield path, structure
