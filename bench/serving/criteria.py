"""What has to be shown, as a table: each criterion with its target, what was measured, and whether it is met."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving.sides import DIRECT, HEADWISE, NOOP, PLAIN
from serving.tables import median, number

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Criterion:
    """most: whether `target` is the largest value allowed; else the smallest. value: None where it was not measured."""

    name: str
    target: float
    unit: str
    most: bool
    value: Callable[[Sequence[Record]], float | None]

    def row(self, records: Sequence[Record]) -> list[str]:
        found = self.value(records)
        bound = f"{'at most' if self.most else 'at least'} {self.target:g}{self.unit}"
        if found is None:
            return [self.name, bound, "not measured", ""]
        met = found <= self.target if self.most else found >= self.target
        return [self.name, bound, f"{number(found)}{self.unit}", "met" if met else "**not met**"]


def only(records: Sequence[Record], **wanted: Any) -> list[Record]:
    """Those with these values."""
    return [one for one in records if all(one.get(name) == value for name, value in wanted.items())]


def over(name: str, of: Mapping[str, Any], to: Mapping[str, Any]) -> Callable[[Sequence[Record]], float | None]:
    """The median of one group over that of another."""

    def value(records: Sequence[Record]) -> float | None:
        top, bottom = median(only(records, **of), name), median(only(records, **to), name)
        return None if top is None or not bottom else top / bottom

    return value


_AT_64 = {"experiment": "closed", "subject": "tumor", "connections": 64}
_AT_1 = {"experiment": "closed", "subject": "tumor", "connections": 1}
_IMAGE = {"experiment": "sizes", "subject": "image"}
_OURS = {"side": HEADWISE}


def best_peer(records: Sequence[Record]) -> float | None:
    """headwise's requests a second over those of the fastest peer at 64 connections; one peer is no comparison."""
    found = only(records, **_AT_64)
    peers = {str(one["side"]) for one in found} - {HEADWISE, NOOP, DIRECT}
    rates = [rate for peer in peers if (rate := median(only(found, side=peer), "rate")) is not None]
    ours = median(only(found, **_OURS), "rate")
    return None if ours is None or len(rates) < 2 else ours / max(rates)


def added_ms(records: Sequence[Record]) -> float | None:
    """headwise's median over direct gRPC's at one connection."""
    ours, direct = (median(only(records, **_AT_1, side=side), "p50_ms") for side in (HEADWISE, DIRECT))
    return None if ours is None or direct is None else ours - direct


def tail(records: Sequence[Record]) -> float | None:
    """p99 over the median at half of capacity."""
    half = only(records, experiment="open", subject="tumor", share=0.5, side=HEADWISE)
    p99, p50 = median(half, "p99_ms"), median(half, "p50_ms")
    return None if p99 is None or not p50 else p99 / p50


def disturbed(records: Sequence[Record]) -> float | None:
    """p99 beside a saturated model over p99 alone."""
    found = only(records, experiment="fairness", side=HEADWISE)
    alone = median(only(found, beside="nobody"), "p99_ms")
    beside = median([one for one in found if one["beside"] != "nobody"], "p99_ms")
    return None if beside is None or not alone else beside / alone


def stalled_ms(records: Sequence[Record]) -> float | None:
    """p99 of small requests beside 10 MB bodies."""
    found = only(records, experiment="stall", side=HEADWISE)
    return median([one for one in found if one["beside"] != "nobody"], "p99_ms")


def _head(activation: str, rows: int) -> Callable[[Sequence[Record]], float | None]:
    where = {"experiment": "head alone", "classes": 100_000, "activation": activation, "rows": rows}
    return lambda records: median(only(records, **where), "ratio")


def _closed(side: str) -> Callable[[Sequence[Record]], float | None]:
    return over("rate", {**_AT_64, **_OURS}, {**_AT_64, "side": side})


_ONE_MODEL, _MANY_MODELS = ({"experiment": "models", "models": count, "side": HEADWISE} for count in (1, 1000))

CRITERIA = (
    Criterion("64 connections, tumor: requests/s to the plain gateway", 8, "x", False, _closed(PLAIN)),
    Criterion("... to the best peer", 5, "x", False, best_peer),
    Criterion("... to the bare ASGI no-op", 0.5, "x", False, _closed(NOOP)),
    Criterion("... stretch: to the bare ASGI no-op", 0.7, "x", False, _closed(NOOP)),
    Criterion("... to grpc.aio straight to the model server", 1, "x", False, _closed(DIRECT)),
    Criterion("1 connection: median over direct grpc.aio", 0.3, " ms", True, added_ms),
    Criterion(
        "224x224x3 as JSON, 4 connections: the plain gateway's median to ours",
        25,
        "x",
        False,
        over("p50_ms", {**_IMAGE, "side": PLAIN}, {**_IMAGE, **_OURS, "form": "JSON"}),
    ),
    Criterion(
        "224x224x3 raw: our median to direct gRPC's",
        1.3,
        "x",
        True,
        over("p50_ms", {**_IMAGE, **_OURS, "form": "raw"}, {**_IMAGE, "side": DIRECT}),
    ),
    Criterion("1,000 models: CPU a request to one model's", 1.1, "x", True, over("cpu_us", _MANY_MODELS, _ONE_MODEL)),
    Criterion("1,000 models: requests/s to one model's", 0.9, "x", False, over("rate", _MANY_MODELS, _ONE_MODEL)),
    *(
        Criterion(
            f"100,000 classes ({name}), top_k 5, {rows} rows: head time to one pass", 3, "x", True, _head(kind, rows)
        )
        for kind, name in (("softmax", "probabilities"), ("linear", "logits"))
        for rows in (1, 64)
    ),
    Criterion("half of capacity: p99 to the median", 5, "x", True, tail),
    Criterion("a saturated model: another's p99 to its p99 alone", 2, "x", True, disturbed),
    Criterion("10 MB bodies arriving: p99 of small requests", 20, " ms", True, stalled_ms),
)
