"""The way back from an output to what made it: what graphs and Keras configurations have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from headwise.savedmodel.detected import LINEAR, UNKNOWN

MOST_NESTED_JOINS = 16
_LONGEST = 100


class UntraceableError(Exception):
    """The output cannot be followed further; the text says why."""


def shown(path: Sequence[str]) -> tuple[str, ...]:
    """A path, its middle left out where nobody would read it."""
    return tuple(path) if len(path) <= _LONGEST else (*path[: _LONGEST - 2], "…", path[-1])


def shortened(name: str, length: int = 120) -> str:
    """A name that fits a line and writes nothing else on a terminal."""
    printed = "".join(letter if letter.isprintable() else "?" for letter in name[:length])
    return printed if len(name) <= length else f"{printed}…"


def beneath(activation: str, applied_to: Iterable[str]) -> str | None:
    """What an activation was applied to: an activation, if there is one and only one; None if not.

    applied_to: found as it is read, which may raise UntraceableError.
    """
    if activation in (UNKNOWN, LINEAR):
        return None
    try:
        found = set(applied_to)
    except UntraceableError:
        return None
    return found.pop() if len(found) == 1 and not found & {UNKNOWN, LINEAR} else None


def same(activations: Sequence[str]) -> str:
    """What all parts of a join are.

    Raises: UntraceableError.
    """
    if not activations:
        raise UntraceableError("it joins nothing")
    for other in activations:
        if other != activations[0]:
            raise UntraceableError(f"it joins {activations[0]} and {other}")
    return activations[0]
