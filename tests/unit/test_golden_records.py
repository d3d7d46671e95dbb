"""The prover: a version's golden records, run through a backend."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from headwise.backends.base import Arrays, RawPrediction
from headwise.backends.in_memory import InMemoryBackend
from headwise.diagnostics.golden import GoldenRecord
from headwise.errors import (
    BackendError,
    BackendProtocolError,
    BackendRejectedError,
    BackendTimeoutError,
    BackendUnavailableError,
)
from headwise.golden_records import GoldenProver
from headwise.repository.model_spec import ModelSpec
from headwise.repository.served_model import ServedModel, load
from headwise.savedmodel import TensorSpec
from headwise.telemetry.metrics import Metrics
from support.in_memory_gateway import BINARY, Models
from support.proofs import record

pytestmark = pytest.mark.anyio

HOLDS = (record(2.0), record(-2.0))


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path)


@pytest.fixture
def model(models: Models) -> ServedModel:
    return load("m", 1, models.add("m", {"output_0": BINARY}))


class Observed(InMemoryBackend):
    """Notes what it is asked, and what `before` does first."""

    def __init__(self, models: Models, before: Callable[[], object] = lambda: None, version: int | None = None) -> None:
        super().__init__(models.backend.models)
        self.before, self.version = before, version
        self.asked: list[tuple[ModelSpec, tuple[str, ...], float]] = []
        self.at_once = self.most_at_once = 0

    async def predict(
        self, spec: ModelSpec, inputs: Arrays, *, timeout: float, outputs: tuple[str, ...] = ()
    ) -> RawPrediction:
        self.asked.append((spec, outputs, timeout))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0.001)
            self.before()
            answer = await super().predict(spec, inputs, timeout=timeout, outputs=outputs)
        finally:
            self.at_once -= 1
        return RawPrediction(self.version or answer.version, answer.outputs)


def prover(backend: InMemoryBackend, metrics: Metrics | None = None) -> GoldenProver:
    return GoldenProver(backend, timeout=7, count=(metrics or Metrics()).proved)


def raises(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


async def test_records_that_hold_are_logged_and_counted(models: Models, model: ServedModel) -> None:
    backend, metrics = Observed(models), Metrics()
    with capture_logs() as log:
        assert await prover(backend, metrics)(model, HOLDS) is None
    (entry,) = log
    assert (entry["event"], entry["model"], entry["version"], entry["records"]) == ("golden records hold", "m", 1, 2)
    assert entry["ms"] > 0
    assert b'headwise_golden_proofs_total{model="m",result="held"} 1.0' in metrics.render()[0]
    assert backend.asked == [(ModelSpec("m", 1), (), 7)] * 2, "the version is named, and all outputs are wanted"


async def test_a_difference_names_its_record_and_is_logged_and_counted(models: Models, model: ServedModel) -> None:
    metrics = Metrics()
    records = (record(2.0), record(2.0, expected=-1.0), record(3.0, index=0))
    with capture_logs() as log:
        found = await prover(models.backend, metrics)(model, records)
    assert found == "record 2 of 3: output 'output_0' is 2, expected is -1 within 0.011 (and 1 more)"
    (entry,) = log
    assert (entry["event"], entry["difference"], entry["log_level"]) == ("golden records fail", found, "warning")
    assert b'headwise_golden_proofs_total{model="m",result="failed"} 1.0' in metrics.render()[0]


async def test_a_decision_that_differs_is_a_difference(models: Models, model: ServedModel) -> None:
    assert await prover(models.backend)(model, (record(3.0, index=0),)) == (
        "record 1 of 1: head 'output_0' decides 'malignant' (1), expected is 'benign' (0)"
    )


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"z": np.zeros((1, 1), np.float32)}, "unknown input 'z'; the model's inputs are 'x'"),
        ({"x": np.zeros((1, 1))}, "input 'x' is float64: the model takes float32 (?, 1)"),
        ({"x": np.zeros((1, 3), np.float32)}, "input 'x' is float32 (1, 3): the model takes float32 (?, 1)"),
    ],
)
async def test_records_for_other_inputs_fail_before_the_backend_sees_them(
    models: Models, model: ServedModel, inputs: Arrays, reason: str
) -> None:
    backend = Observed(models)
    strange = GoldenRecord("serving_default", inputs, {"output_0": np.zeros((1, 1), np.float32)}, {})
    assert reason in str(await prover(backend)(model, (strange,)))
    assert backend.asked == []


async def test_records_for_other_outputs_and_signatures_fail(models: Models, model: ServedModel) -> None:
    inputs = {"x": np.zeros((1, 1), np.float32)}
    strange = GoldenRecord("serving_default", inputs, {"p": np.zeros((1, 1), np.float32)}, {})
    assert "output 'p' did not come; these came: 'output_0'" in str(await prover(models.backend)(model, (strange,)))
    other = GoldenRecord("tagging", inputs, {}, {})
    assert "it asks signature 'tagging'; the model's are 'serving_default'" in str(
        await prover(models.backend)(model, (other,))
    )


async def test_a_request_that_the_model_server_refuses_fails(models: Models, model: ServedModel) -> None:
    refused = BackendRejectedError("INVALID_ARGUMENT", "indices[0] = 9 is not in [0, 4)")
    found = await prover(Observed(models, raises(refused)))(model, HOLDS)
    assert "indices[0] = 9 is not in [0, 4)" in str(found)


@pytest.mark.parametrize(
    "error",
    [
        BackendUnavailableError("gone"),
        BackendTimeoutError("too slow"),
        BackendRejectedError("RESOURCE_EXHAUSTED", "busy"),
        BackendRejectedError("NOT_FOUND", "unloaded meanwhile"),
    ],
)
async def test_a_backend_that_cannot_answer_leaves_it_open(
    models: Models, model: ServedModel, error: BackendError
) -> None:
    metrics = Metrics()
    with pytest.raises(type(error)):
        await prover(Observed(models, raises(error)), metrics)(model, HOLDS)
    assert b"headwise_golden_proofs_total{" not in metrics.render()[0]


async def test_an_answer_of_another_version_proves_nothing(models: Models, model: ServedModel) -> None:
    with pytest.raises(BackendProtocolError, match="version 1 was asked, version 4 answered"):
        await prover(Observed(models, version=4))(model, HOLDS)


async def test_records_run_together_but_only_a_few_at_once(models: Models, model: ServedModel) -> None:
    backend = Observed(models)
    proving = prover(backend)
    await asyncio.gather(*(proving(model, HOLDS * 10) for _ in range(3)))
    assert (len(backend.asked), backend.most_at_once) == (60, 4)


async def test_a_signature_without_head_is_held_to_its_numbers(models: Models) -> None:
    model = load("m", 2, models.add("m", {}, version=2))
    raw_only = GoldenRecord("serving_default", record(2.0).inputs, record(2.0).outputs, {})
    assert await prover(models.backend)(model, (raw_only,)) is None
    assert "the card describes no head of it" in str(await prover(models.backend)(model, (record(2.0),)))


async def test_the_dtype_of_an_output_is_that_of_the_signature(models: Models, model: ServedModel) -> None:
    """bfloat16 comes as float32, with the rounding of bfloat16."""
    signature = model.signatures["serving_default"]
    rounded = replace(signature, outputs={"output_0": TensorSpec("bfloat16", (None, 1))})
    nearly = (record(2.0, expected=2.1),)
    assert await prover(models.backend)(model, nearly) is not None
    assert await prover(models.backend)(replace(model, signatures={"serving_default": rounded}), nearly) is None
