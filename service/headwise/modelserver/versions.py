"""Which versions of a model should be loaded, and what to do next: pure decisions."""

import enum
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

_INT64_MAX = (1 << 63) - 1
_NUMBER = re.compile(r"[0-9]+", re.ASCII)


class State(enum.IntEnum):
    """A version's life, numbered as `GetModelStatusResponse` numbers it; END is unloaded or failed."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True)
class Latest:
    """Serve the `count` largest versions."""

    count: int = 1


@dataclass(frozen=True)
class All:
    """Serve every version."""


@dataclass(frozen=True)
class Specific:
    """Serve exactly these versions, where they exist."""

    versions: frozenset[int]


Policy = Latest | All | Specific


@dataclass(frozen=True)
class Load:
    version: int


@dataclass(frozen=True)
class Unload:
    version: int


def version_folders(names: Iterable[str]) -> dict[int, str]:
    """Map version numbers to folder names: `00000123` is 123, other names are no versions."""
    numbered = ((int(name), name) for name in sorted(names) if _NUMBER.fullmatch(name))
    return {number: name for number, name in numbered if number <= _INT64_MAX}


def aspired(found: Collection[int], policy: Policy) -> frozenset[int]:
    """Return the versions that should be loaded, of those found."""
    match policy:
        case Latest(count):
            return frozenset(sorted(found, reverse=True)[: max(count, 1)])
        case Specific(versions):
            return versions & frozenset(found)
        case All():
            return frozenset(found)


def next_step(states: Mapping[int, State], wanted: frozenset[int]) -> Load | Unload | None:
    """Return what brings one model nearer to its wanted versions, or None.

    Availability first: new versions load, largest first, before any old one goes, and the old ones stay while
    versions are wanted but none of them serves.
    """
    if new := [v for v in wanted if states.get(v) is State.START]:
        return Load(max(new))
    loading = any(states.get(v) is State.LOADING for v in wanted)
    serving = any(states.get(v) is State.AVAILABLE for v in wanted)
    old = [v for v, state in states.items() if state is State.AVAILABLE and v not in wanted]
    if old and not loading and (serving or not wanted):
        return Unload(min(old))
    return None
