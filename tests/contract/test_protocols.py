"""Parity: each case through every protocol gives the same labels and probabilities, and the same class of error."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headwise.api.status import STATUSES
from headwise.errors import (
    HeadConfigError,
    HeadwiseError,
    InvalidRequestError,
    InvalidTensorError,
    ModelNotFoundError,
    OutputRangeError,
    VersionNotFoundError,
)
from support.in_memory_gateway import BINARY, Models
from support.protocols import PROTOCOLS, RefusedError, Told
from support.surfaces import Case, serving

pytestmark = pytest.mark.anyio

TFS = frozenset({"TFS HTTP", "TFS gRPC"})

CLASSES = {"task": "multiclass", "activation": "linear", "labels": ["a", "b", "ç"]}
LABELS = {"task": "multilabel", "activation": "linear", "labels": ["x", "y", "z"]}
NAMED = {"rule": "threshold", "threshold": 0.5, "thresholds": {"screening": 0.1}}
HEADS: dict[str, tuple[dict[str, Any], int]] = {
    "binary": ({**BINARY, "decision": NAMED}, 1),
    "sigmoid": ({**BINARY, "activation": "sigmoid"}, 1),
    "two_units": (BINARY, 2),
    "platt": ({**BINARY, "calibration": {"method": "platt", "slope": 0.7, "intercept": -0.2}}, 1),
    "classes": (CLASSES, 3),
    "softmax": ({**CLASSES, "activation": "softmax"}, 3),
    "temperature": ({**CLASSES, "calibration": {"method": "temperature", "temperature": 1.7}}, 3),
    "labels": (LABELS, 3),
    "ordinal": ({"task": "ordinal", "activation": "linear", "labels": ["low", "middle", "high"]}, 2),
    "refused": ({**BINARY, "activation": "softmax"}, 1),
}

LOGITS = [[0.8656], [-1.1738], [0.0]]
TRIPLES = [[0.1, -2.0, 3.5], [1.0, 1.0, 1.0]]

ANSWERS: dict[str, Case] = {
    "binary": Case("binary", LOGITS),
    "binary, one row": Case("binary", LOGITS[:1]),
    "binary, probabilities": Case("sigmoid", [[0.25], [0.5], [1.0]]),
    "binary, two units": Case("two_units", [[0.3, -0.2], [-4.0, 4.0]]),
    "binary, calibrated": Case("platt", LOGITS),
    "multiclass": Case("classes", TRIPLES),
    "multiclass, probabilities": Case("softmax", [[0.25, 0.25, 0.5], [0.0, 1.0, 0.0]]),
    "multiclass, calibrated": Case("temperature", TRIPLES),
    "multilabel": Case("labels", TRIPLES),
    "ordinal": Case("ordinal", [[2.0, -1.0], [-3.0, 3.0]]),
    "version": Case("binary", LOGITS, version=1),
    "signature": Case("binary", LOGITS, signature_name="serving_default"),
    "threshold": Case("binary", LOGITS, {"threshold": 0.2}),
    "named threshold": Case("binary", LOGITS, {"threshold": "screening"}),
    "threshold by head": Case("binary", LOGITS, {"threshold": {"output_0": 0.2}}),
    "threshold of all labels": Case("labels", TRIPLES, {"threshold": 0.9}),
    "cost": Case("binary", LOGITS, {"decision": {"rule": "cost", "costs": [[0.0, 1.0], [3.0, 0.0]]}}),
}
"""Those with options are for protocols that have room for them: TensorFlow Serving's have none."""


@dataclass(frozen=True)
class Refusal:
    """A case that every protocol refuses as one error; `but` names those that cannot say it, and why."""

    case: Case
    error: type[HeadwiseError]
    text: str
    but: dict[str, str] | None = None


_NO_OPTIONS = dict.fromkeys(TFS, "it has no options")
REFUSALS: dict[str, Refusal] = {
    "no such model": Refusal(Case("nobody", LOGITS), ModelNotFoundError, "nobody"),
    "no such version": Refusal(Case("binary", LOGITS, version=7), VersionNotFoundError, "7"),
    "a refused card": Refusal(Case("refused", LOGITS), HeadConfigError, "one softmax unit"),
    "an unknown input": Refusal(
        Case("binary", LOGITS, input_name="y"),
        InvalidTensorError,
        "'",
    ),
    "too many numbers": Refusal(Case("binary", [[1.0, 2.0]]), InvalidTensorError, "float32 (?, 1)"),
    "no probabilities": Refusal(Case("sigmoid", [[1.5]]), OutputRangeError, "1.5"),
    "a threshold that is none": Refusal(
        Case("binary", LOGITS, {"threshold": 2.0}), InvalidRequestError, "threshold", _NO_OPTIONS
    ),
    "an unknown option": Refusal(
        Case("binary", LOGITS, {"treshold": 0.2}),
        InvalidRequestError,
        "treshold",
        {**_NO_OPTIONS, "headwise gRPC": "its options are typed"},
    ),
}


@pytest.fixture
def models(tmp_path: Path) -> Models:
    published = Models(tmp_path)
    for name, (head, units) in HEADS.items():
        published.add(name, {"output_0": head}, units=units)
    return published


@pytest.mark.parametrize("case", ANSWERS.values(), ids=ANSWERS)
async def test_every_protocol_gives_the_same_answer(models: Models, case: Case) -> None:
    async with serving(models) as surfaces:
        told = {
            name: await ask(surfaces, case) for name, ask in PROTOCOLS.items() if not (case.options and name in TFS)
        }
    first = told["headwise HTTP"]
    assert len(told) == (6 if case.options else 8)
    for name, other in told.items():
        assert_same(first, other, name)


def assert_same(first: Told, other: Told, name: str) -> None:
    """Equal, but for what a protocol does not tell and for numbers that it carries as float32."""
    expected = first.probabilities.astype(np.float32) if other.single else first.probabilities
    np.testing.assert_array_equal(other.probabilities, expected, err_msg=name)
    if other.labels is not None:
        assert other.labels == first.labels, name
    if other.classes is not None:
        assert other.classes == first.classes, name
    if other.model_version is not None:
        assert other.model_version == first.model_version, name


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
async def test_every_protocol_refuses_alike(models: Models, refusal: Refusal) -> None:
    status = STATUSES[refusal.error]
    async with serving(models) as surfaces:
        for name, ask in PROTOCOLS.items():
            if name in (refusal.but or {}):
                continue
            with pytest.raises(RefusedError) as raised:
                await ask(surfaces, refusal.case)
            assert raised.value.status in (status.http, status.grpc.name), f"{name}: {raised.value}"
            assert refusal.text in raised.value.text, f"{name}: {raised.value}"
