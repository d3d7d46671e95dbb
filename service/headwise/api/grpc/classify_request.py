"""What Classify takes: messages to the gateway's values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from headwise.api.card_forms import read_abstain, read_decision
from headwise.errors import InvalidRequestError
from headwise.gateway import RequestOptions
from headwise.repository.model_spec import ModelSpec
from headwise.savedmodel.signature import DEFAULT_SIGNATURE
from headwise.v1 import classification_service_pb2 as v1

P = TypeVar("P")
T = TypeVar("T")


def model_spec(proto: v1.ModelSpec) -> ModelSpec:
    """Which model a request means.

    Raises: InvalidRequestError if it names none.
    """
    if not proto.name:
        raise InvalidRequestError("model.name is empty: name the model")
    choice = proto.WhichOneof("version_choice")
    return ModelSpec(
        proto.name,
        proto.version if choice == "version" else None,
        proto.version_label if choice == "version_label" else None,
        proto.signature_name or DEFAULT_SIGNATURE,
    )


def request_options(proto: v1.ClassifyOptions) -> RequestOptions:
    """The options of a request.

    Raises: InvalidRequestError naming the key; also if an option is given for the only head and by head name.
    """
    return RequestOptions(
        _each(proto, "threshold", proto.head_thresholds, _threshold),
        proto.top_k if proto.HasField("top_k") else None,
        read_decision(_each(proto, "decision", proto.head_decisions, _decision)),
        read_abstain(_each(proto, "abstain", proto.head_abstains, _abstain)),
        _each(proto, "coverage", proto.head_coverages, float),
    )


def _each(
    proto: v1.ClassifyOptions, option: str, by_head: Mapping[str, P], read: Callable[[P], T]
) -> T | dict[str, T] | None:
    """An option for the only head, or by head name; None where it is not given."""
    single = proto.HasField(option)
    if by_head and single:
        raise InvalidRequestError(f"options.{option} and options.head_{option}s are both given: send one of them")
    if by_head:
        return {name: read(value) for name, value in _sorted(by_head).items()}
    return read(getattr(proto, option)) if single else None


def _sorted(entries: Mapping[str, P]) -> dict[str, P]:
    """A map's entries by name: protobuf gives them in another order each time, and errors list them."""
    return dict(sorted(entries.items()))


def _threshold(proto: v1.Threshold) -> float | str:
    return proto.name if proto.WhichOneof("choice") == "name" else proto.value


def _decision(proto: v1.Decision) -> dict[str, Any]:
    """As a card writes it."""
    rule = proto.WhichOneof("rule")
    form: dict[str, Any] = {} if rule is None else {"rule": rule, **_RULES[rule](getattr(proto, rule))}
    if proto.HasField("objective"):
        form["objective"] = proto.objective
    if proto.HasField("abstain"):
        form["abstain"] = _abstain(proto.abstain)
    if proto.HasField("prediction_set"):
        form["prediction_set"] = _prediction_set(proto.prediction_set)
    if proto.HasField("top_k"):
        form["top_k"] = proto.top_k
    return form


def _threshold_rule(proto: v1.ThresholdRule) -> dict[str, Any]:
    cut = {"threshold": proto.threshold} if proto.HasField("threshold") else {}
    return {**cut, "thresholds": _sorted(proto.thresholds)}


_RULES: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "threshold": _threshold_rule,
    "per_label": lambda proto: {"thresholds": _sorted(proto.thresholds)},
    "argmax": lambda _: {},
    "cost": lambda proto: {"costs": [list(row.costs) for row in proto.costs]},
}
"""What each rule of the oneof says beside its name."""


def _abstain(proto: v1.Abstain) -> dict[str, Any]:
    limits = {name: getattr(proto, name) for name in ("floor", "margin", "cost") if proto.HasField(name)}
    return {**limits, "set": proto.set}


def _prediction_set(proto: v1.PredictionSet) -> dict[str, Any]:
    quantiles = {coverage: list(quantile.values) for coverage, quantile in _sorted(proto.quantiles).items()}
    return {
        "score": proto.score,
        "coverage": proto.coverage,
        "quantiles": {name: values[0] if len(values) == 1 else values for name, values in quantiles.items()},
        "penalty": proto.penalty,
        "free": proto.free,
        "seed": proto.seed,
    }
