"""A reliability diagram as a card stores it in its evidence: free JSON, which anybody may have written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from headwise.calibration.measures.bins import Bin
from headwise.errors import InvalidCardError

_SLACK = 1e-3
"""How far a declared probability may lie beyond 0 and 1 before it contradicts its card."""
_SHARES = ("low", "high", "probability", "observed")


@dataclass(frozen=True, slots=True)
class Diagram:
    """What happened over what was said, uncalibrated and calibrated.

    of: whose probability it is, in words.
    """

    of: str
    before: tuple[Bin, ...]
    after: tuple[Bin, ...]

    def to_json(self) -> dict[str, Any]:
        """As a card stores it."""
        return {
            "of": self.of,
            "before": [asdict(one) for one in self.before],
            "after": [asdict(one) for one in self.after],
        }


def read_diagram(stored: object, key: str) -> Diagram:
    """Read what a card stores under `key`.

    Raises: InvalidCardError naming the key.
    """
    if not isinstance(stored, Mapping) or not isinstance(stored.get("of"), str):
        raise InvalidCardError(f'{key}: it must be an object with the text "of" and the lists "before" and "after"')
    return Diagram(
        stored["of"],
        _bins(stored.get("before"), f"{key}.before"),
        _bins(stored.get("after"), f"{key}.after"),
    )


def _bins(stored: object, key: str) -> tuple[Bin, ...]:
    if not isinstance(stored, list | tuple):
        raise InvalidCardError(f"{key}: it must be a list of bins")
    return tuple(_bin(one, f"{key}.{at}") for at, one in enumerate(stored))


def _bin(stored: object, key: str) -> Bin:
    if not isinstance(stored, Mapping):
        raise InvalidCardError(f"{key}: a bin must be an object")
    low, high, probability, observed = (_share(stored.get(name), f"{key}.{name}") for name in _SHARES)
    rows, interval = stored.get("rows"), stored.get("interval")
    if not isinstance(rows, int) or isinstance(rows, bool) or not 0 < rows < 2**53:
        raise InvalidCardError(f"{key}.rows: it must be a whole number above 0: a bin without rows is left out")
    if not isinstance(interval, list | tuple) or len(interval) != 2:
        raise InvalidCardError(f"{key}.interval: it must be a list of two numbers")
    least, most = (_share(end, f"{key}.interval.{at}") for at, end in enumerate(interval))
    for name, below, above in (("high", low, high), ("interval.1", least, most)):
        if above < below:
            raise InvalidCardError(f"{key}.{name}: it must not be below the other end, {below}")
    return Bin(low, high, rows, probability, observed, (least, most))


def _share(value: object, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_SLACK <= value <= 1 + _SLACK:
        raise InvalidCardError(f"{key}: it must be a number from 0 to 1")
    return float(value)
