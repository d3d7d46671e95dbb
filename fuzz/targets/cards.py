"""Head cards: read, held against a model, asked for answers, and their evidence drawn."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from starlette.datastructures import QueryParams

import json_mutator
from headwise.api.grpc import classify_response as grpc_response
from headwise.api.options import Include
from headwise.api.rest import classify_response, reliability
from headwise.api.rest.media import npz
from headwise.diagnostics.survey import of_saved_model
from headwise.errors import HeadwiseError
from headwise.gateway import BatchAnswer, HeadAnswer
from headwise.heads import Head
from headwise.repository.cards import card_file, check_card
from headwise.repository.served_model import ServedModel
from headwise.savedmodel import DetectedHead, SavedModel, Signature, TensorSpec
from headwise.v1 import classification_service_pb2 as v1
from support.model_repository import HEADS

WORDS = tuple(
    f'"{word}"'.encode()
    for word in (
        *("card_version", "signatures", "serving_default", "heads", "output_0", "task", "activation", "labels"),
        *("binary", "multiclass", "multilabel", "ordinal", "regression", "linear", "sigmoid", "softmax", "log_softmax"),
        *("tanh", "encoding", "cumulative", "conditional", "range", "calibration", "method", "temperature", "platt"),
        *("slope", "intercept", "beta", "isotonic", "venn_abers", "vector", "per_label", "calibrators", "prior"),
        *(
            "decision",
            "rule",
            "threshold",
            "thresholds",
            "argmax",
            "cost",
            "costs",
            "abstain",
            "floor",
            "margin",
            "set",
        ),
        *("prediction_set", "score", "coverage", "quantiles", "penalty", "free", "seed", "top_k", "evidence"),
        *("reliability", "before", "after", "log_loss", "model", "fingerprint", "verified", "objective"),
    )
)
_ROWS = np.array([[0.0], [1.0], [0.5], [-3e38], [3e38], [1e-45]])
_EVERYTHING: frozenset[Include] = frozenset({"probabilities", "raw", "provenance", "intervals"})
_ALL_NUMBERS = frozenset(v1.Include.values())
_OUTPUTS = {f"output_{units}": TensorSpec("float32", (None, units)) for units in (0, 1, 2, 3, 4, None)}
_MODEL = SavedModel(
    {"serving_default": Signature({"x": TensorSpec("float32", (None, 4))}, _OUTPUTS)},
    "1/2/3/4",
    "2.21.0",
    {"serving_default": {name: DetectedHead("sigmoid", spec.units) for name, spec in _OUTPUTS.items()}},
)


def read(data: bytes) -> None:
    """The bytes are a card's."""
    file = card_file(Path("head.json"), data)
    model = ServedModel("m", 1, _MODEL.signatures, file)
    for answers in ("svg", "json"):
        with suppress(HeadwiseError):
            reliability.reliability(model, QueryParams({"format": answers}), "*/*")
    for signature in file.card.signatures.values():
        for head in signature.heads.values():
            _ask(model, head)
    with suppress(HeadwiseError):
        check_card(file.card, _MODEL)
    of_saved_model(_MODEL, file.card)


def _ask(model: ServedModel, head: Head) -> None:
    """Answers in every form for outputs at the edges of float32, and how they are told."""
    for units in {1, 2, max(1, len(head.labels)), max(1, len(head.labels) - 1)} if len(head.labels) < 50 else ():
        for output in (np.repeat(_ROWS, units, axis=1), np.full((1, units), 1 / units)):
            with suppress(HeadwiseError), np.errstate(over="ignore"):
                raw = output.astype(np.float32)
                answer = BatchAnswer(model, {"output_0": HeadAnswer(head, head.answer(raw, strict=False), raw)})
                classify_response.classification(answer.whole, "1", _EVERYTHING)
                npz.classification(answer.whole, "1", _EVERYTHING)
                grpc_response.classification(answer.whole, "1", _ALL_NUMBERS)


_DECISIONS: tuple[Mapping[str, Any], ...] = (
    {"calibration": {"method": "temperature", "temperature": 1.3}, "decision": {"rule": "argmax", "top_k": 2}},
    {"calibration": {"method": "temperature_mixture", "temperature": 1.3, "uniform": 0.01}},
    {"calibration": {"method": "platt", "slope": 1.2, "intercept": -0.5}, "decision": {"rule": "threshold"}},
    {"calibration": {"method": "beta", "a": 1.0, "b": 0.5, "c": 0.1}},
    {"calibration": {"method": "isotonic", "cuts": [-1.0, 1.0], "probabilities": [0.1, 0.5, 0.9]}},
    {"calibration": {"method": "venn_abers", "logits": [0.0], "lower": [0.1, 0.2, 0.3], "upper": [0.2, 0.3, 0.4]}},
    {"calibration": {"method": "vector", "slopes": [1.0, 1.1, 0.9, 1.0], "intercepts": [0.0, 0.1, 0.2, 0.3]}},
    {"calibration": {"method": "per_label", "calibrators": [{"method": "platt", "slope": 2.0, "intercept": 0.1}] * 3}},
    {"calibration": {"method": "identity"}, "prior": {"source": [0.5, 0.5], "target": [0.9, 0.1]}},
    {"decision": {"rule": "cost", "costs": [[0.0, 1.0], [5.0, 0.0]], "abstain": {"cost": 0.3}}},
    {"decision": {"rule": "argmax", "prediction_set": {"score": "aps", "coverage": 0.9, "quantiles": {"0.9": 0.8}}}},
    {"decision": {"rule": "per_label", "thresholds": {"x": 0.5, "y": 0.2, "z": 0.9}}},
)
_BIN = {"low": 0.8, "high": 0.9, "rows": 61, "probability": 0.857, "observed": 0.869, "interval": [0.763, 0.932]}
_EVIDENCE = {
    "log_loss": {"before": 0.11, "after": 0.08},
    "reliability": {"of": "positive class", "before": [_BIN], "after": [_BIN]},
}


def seeds() -> Iterable[bytes]:
    """The cards of the tests, with calibrations and decisions that fit some of them."""
    for heads in HEADS.values():
        for more in ({}, *_DECISIONS):
            changed = {name: {**head, **more} for name, head in heads.items()}
            card = {"card_version": 1, "signatures": {"serving_default": {"heads": changed}}}
            yield json.dumps({**card, "evidence": {"output_0": _EVIDENCE}}).encode()


def mutated(data: bytes, random: Random) -> bytes | None:
    """Another document."""
    return json_mutator.mutated(data, random)
