"""Contradictions are counted, logged once, and refused or answered with a warning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from headwise.diagnostics.catalogue import CATALOGUE
from headwise.errors import (
    HeadMismatchError,
    NonFiniteOutputError,
    OutputMissingError,
    OutputRangeError,
    OutputShapeError,
)
from headwise.gateway import Gateway
from headwise.heads.evidence import PROOF, SUSPICION
from headwise.telemetry.metrics import Metrics
from headwise.tripwires import HeadWarning, OnContradiction, Tripwires
from support.in_memory_gateway import BINARY, Models, answered, classify, write_card

pytestmark = pytest.mark.anyio

SIGMOID = {"output_0": {**BINARY, "activation": "sigmoid"}}
PAIR = {"output_0": BINARY}


class Watched:
    """A model m, the gateway before it, and what its tripwires count."""

    def __init__(self, models: Models, on_contradiction: OnContradiction) -> None:
        self.metrics = Metrics()
        self.models = models
        self.tripwires = Tripwires(self.metrics, on_contradiction)

    async def gateway(self) -> Gateway:
        return await self.models.gateway(tripwires=self.tripwires)

    def tripped(self) -> dict[tuple[str, str, str], float]:
        families = text_string_to_metric_families(self.metrics.render()[0].decode())
        samples = [sample for family in families for sample in family.samples]
        return {
            (sample.labels["model"], sample.labels["head"], sample.labels["code"]): sample.value
            for sample in samples
            if sample.name == "headwise_tripwires_total"
        }


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path)


@pytest.fixture
def refusing(models: Models) -> Watched:
    return Watched(models, "refuse")


@pytest.fixture
def warning(models: Models) -> Watched:
    return Watched(models, "warn")


def pairs(rows: int) -> list[Any]:
    """Different rows (p, 1 - p)."""
    found: list[Any] = np.linspace([0.1, 0.9], [0.9, 0.1], rows).tolist()
    return found


async def test_a_contradiction_is_refused_with_its_code_counted_and_logged_once(refusing: Watched) -> None:
    refusing.models.add("m", SIGMOID)
    gateway = await refusing.gateway()
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            with pytest.raises(OutputRangeError, match=r"^output 'output_0' of model m version 1: .* \(HW118\)$"):
                await classify(gateway, "m", [1.5])
    assert refusing.tripped() == {("m", "output_0", "HW118"): 3}
    (line,) = lines
    assert (line["model"], line["version"], line["head"], line["code"]) == ("m", 1, "output_0", "HW118")
    assert "there is 1.5 in row 0" in line["reason"]
    assert answered(await classify(gateway, "m", [0.75])) == ["malignant"], "other batches are answered"


async def test_with_the_setting_a_contradiction_is_answered_with_a_warning(warning: Watched) -> None:
    warning.models.add("m", SIGMOID)
    gateway = await warning.gateway()
    with structlog.testing.capture_logs() as lines:
        for _ in range(2):
            found = await classify(gateway, "m", [1.5], [0.25])
            assert answered(found) == ["malignant", "benign"]
            (told,) = found.warnings
            assert (told.head, told.code) == ("output_0", "HW118")
            assert "there is 1.5 in row 0" in told.message
    assert len(lines) == 1
    assert warning.tripped() == {("m", "output_0", "HW118"): 2}
    assert (await classify(gateway, "m", [0.25])).warnings == ()


@pytest.mark.parametrize(
    ("run", "error", "code"),
    [
        (lambda inputs: {"output_0": inputs["x"] * np.nan}, NonFiniteOutputError, "HW118"),
        (lambda _: {}, OutputMissingError, "output-missing"),
        (lambda inputs: {"output_0": inputs["x"][:0]}, OutputShapeError, "output-shape"),
        (lambda inputs: {"output_0": inputs["x"].astype(np.int64)}, OutputShapeError, "output-shape"),
    ],
)
async def test_what_has_no_answer_is_refused_whatever_the_setting(
    warning: Watched, run: Any, error: type[HeadMismatchError], code: str
) -> None:
    warning.models.add("m", SIGMOID, run=run)
    with pytest.raises(error):
        await classify(await warning.gateway(), "m", [0.5])
    assert warning.tripped() == {("m", "output_0", code): 1}


async def test_a_head_that_is_proven_wrong_answers_no_more(refusing: Watched) -> None:
    refusing.models.add("m", PAIR, units=2)
    gateway = await refusing.gateway()
    rows = pairs(PROOF)
    assert (await classify(gateway, "m", *rows[:-1])).warnings == ()
    for _ in range(2):
        with pytest.raises(HeadMismatchError, match=r'write "activation": "softmax".* \(HW119\)$') as raised:
            await classify(gateway, "m", rows[-1])
        assert type(raised.value) is HeadMismatchError
    assert refusing.tripped() == {("m", "output_0", "HW119"): 2}


async def test_a_row_that_speaks_for_a_head_lets_it_answer_again(refusing: Watched) -> None:
    refusing.models.add("m", PAIR, units=2)
    gateway = await refusing.gateway()
    with pytest.raises(HeadMismatchError):
        await classify(gateway, "m", *pairs(PROOF))
    assert answered(await classify(gateway, "m", [3.0, -2.0])) == ["benign"]
    await classify(gateway, "m", *pairs(PROOF))


async def test_another_card_begins_anew(refusing: Watched) -> None:
    folder = refusing.models.add("m", PAIR, units=2)
    gateway = await refusing.gateway()
    with pytest.raises(HeadMismatchError):
        await classify(gateway, "m", *pairs(PROOF))
    write_card(folder, {"output_0": {**BINARY, "activation": "softmax"}})
    await gateway.repository.refresh()
    assert answered(await classify(gateway, "m", [0.1, 0.9])) == ["malignant"]


async def test_another_version_is_judged_by_its_own_rows(refusing: Watched) -> None:
    refusing.models.add("m", PAIR, units=2, version=1)
    refusing.models.add("m", PAIR, units=2, version=2)
    gateway = await refusing.gateway()
    with pytest.raises(HeadMismatchError):
        await classify(gateway, "m", *pairs(PROOF), version=1)
    await classify(gateway, "m", *pairs(PROOF - 1), version=2)


async def test_with_the_setting_a_proof_is_a_warning(warning: Watched) -> None:
    warning.models.add("m", PAIR, units=2)
    found = await classify(await warning.gateway(), "m", *pairs(PROOF))
    (told,) = found.warnings
    assert (told.head, told.code) == ("output_0", "HW119")


@pytest.mark.parametrize("on_contradiction", ["refuse", "warn"])
@pytest.mark.parametrize(("heads", "low", "high", "code"), [(PAIR, 0.1, 0.9, "HW119"), (SIGMOID, 1.0, 1.0, "HW115")])
async def test_a_suspicion_only_warns(
    models: Models, on_contradiction: OnContradiction, heads: dict[str, Any], low: float, high: float, code: str
) -> None:
    watched = Watched(models, on_contradiction)
    models.add("m", heads)
    rows = np.linspace([low], [high], SUSPICION).tolist()
    gateway = await watched.gateway()
    found = await classify(gateway, "m", *rows)
    assert [told.code for told in found.warnings] == [code]
    assert watched.tripped() == {("m", "output_0", code): 1}
    assert len(found.heads["output_0"].prediction.observations.output) == SUSPICION
    assert (await classify(gateway, "m", [-1.0 if heads is PAIR else 0.5])).warnings == ()


async def test_each_head_is_judged_for_itself(warning: Watched) -> None:
    warning.models.add(
        "m",
        {"good": SIGMOID["output_0"], "bad": SIGMOID["output_0"]},
        units=2,
        outputs={"good": ("float32", (None, 1)), "bad": ("float32", (None, 1))},
        run=lambda inputs: {"good": inputs["x"][:, :1], "bad": inputs["x"][:, 1:]},
    )
    found = await classify(await warning.gateway(), "m", [0.5, 1.5])
    assert [told.head for told in found.warnings] == ["bad"]


async def test_values_a_little_beyond_their_range_are_answered_and_told_once(refusing: Watched) -> None:
    refusing.models.add("m", {"output_0": {**BINARY, "activation": "softmax"}}, units=2)
    gateway = await refusing.gateway()
    with structlog.testing.capture_logs() as lines:
        for _ in range(2):
            found = await classify(gateway, "m", [1.00001, 0.0005])
            assert answered(found) == ["benign"]
            assert found.warnings == ()
    assert [line["event"] for line in lines] == ["values miss their range", "rows of probabilities miss 1"]
    assert lines[0]["by"] == pytest.approx(1e-5, rel=1e-2)
    assert refusing.tripped() == {}


async def test_rows_of_probabilities_that_nearly_sum_to_1_are_told_once(refusing: Watched) -> None:
    refusing.models.add("m", {"output_0": {**BINARY, "activation": "softmax"}}, units=2)
    gateway = await refusing.gateway()
    with structlog.testing.capture_logs() as lines:
        for _ in range(2):
            found = await classify(gateway, "m", [0.5, 0.5005])
            assert found.warnings == ()
    (line,) = lines
    assert line["event"] == "rows of probabilities miss 1"
    assert line["by"] == pytest.approx(5e-4, rel=1e-2)
    assert refusing.tripped() == {}


def test_warnings_name_codes_of_the_catalogue() -> None:
    assert {"HW115", "HW118", "HW119"} <= CATALOGUE.keys()
    assert HeadWarning("p", "HW118", "text").code in CATALOGUE
