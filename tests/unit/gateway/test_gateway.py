"""Which version is asked, which card reads the answer, and what happens when the two do not fit."""

import math
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headwise.backends.base import Arrays, RawPrediction
from headwise.backends.in_memory import InMemoryBackend
from headwise.errors import (
    BackendProtocolError,
    BackendRejectedError,
    BackendUnavailableError,
    HeadConfigError,
    HeadMismatchError,
    HeadNotFoundError,
    HeadwiseError,
    InvalidRequestError,
    InvalidTensorError,
    ModelNotFoundError,
    ModelNotReadyError,
    NonFiniteOutputError,
    OutputMissingError,
    OutputRangeError,
    OutputShapeError,
    VersionNotFoundError,
)
from headwise.gateway import Gateway, RequestOptions
from headwise.repository.model_spec import ModelSpec
from headwise.tfserving.model_service_pb2 import GetModelStatusResponse
from support.in_memory_gateway import BINARY, Models, answered, classify, rows, write_card

pytestmark = pytest.mark.anyio

SOFTMAX_UNIT = {"output_0": {**BINARY, "activation": "softmax"}}
"""A refused head."""


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path)


class Scripted(InMemoryBackend):
    """Meets each prediction with the next of `script`: an error to raise, or a change to make before it."""

    def __init__(self, models: Models, *script: HeadwiseError | Callable[[], object]) -> None:
        super().__init__(models.backend.models, models.backend.labels)
        self.script = list(script)
        self.asked: list[tuple[ModelSpec, tuple[str, ...]]] = []

    async def predict(
        self, spec: ModelSpec, inputs: Arrays, *, timeout: float, outputs: tuple[str, ...] = ()
    ) -> RawPrediction:
        self.asked.append((spec, outputs))
        step = self.script.pop(0) if self.script else None
        if isinstance(step, HeadwiseError):
            raise step
        if step is not None:
            step()
        return await super().predict(spec, inputs, timeout=timeout, outputs=outputs)


class Answering(InMemoryBackend):
    """Answers every prediction with one value, whatever was asked."""

    def __init__(self, models: Models, answer: RawPrediction) -> None:
        super().__init__(models.backend.models)
        self.answer = answer

    async def predict(self, *_: object, **__: object) -> RawPrediction:
        return self.answer


def labelled(yes: str) -> dict[str, Any]:
    return {"output_0": {**BINARY, "labels": ["no", yes]}}


async def test_the_newest_version_is_asked_by_its_number_for_the_outputs_that_have_heads(models: Models) -> None:
    models.add("m", labelled("one"), version=1)
    models.add("m", labelled("ten"), version=10)
    models.add("m", labelled("nine"), version=9)
    backend = Scripted(models)
    classification = await classify(await models.gateway(backend))
    assert (classification.model.version, answered(classification)) == (10, ["ten"])
    assert backend.asked == [(ModelSpec("m", 10), ("output_0",))]


@pytest.mark.parametrize("heads", [None, SOFTMAX_UNIT], ids=["no card", "a refused card"])
async def test_a_version_that_is_not_admitted_leaves_its_predecessor_serving(
    models: Models, heads: dict[str, Any] | None
) -> None:
    models.add("m", labelled("one"), version=1)
    models.add("m", heads, version=2)
    assert (await classify(await models.gateway())).model.version == 1


async def test_a_version_that_is_not_loaded_leaves_its_predecessor_serving(models: Models) -> None:
    models.add("m", labelled("one"), version=1)
    models.add("m", labelled("two"), version=2)
    del models.backend.models["m"][2]
    assert (await classify(await models.gateway())).model.version == 1


async def test_a_version_and_a_label_are_asked_as_named(models: Models) -> None:
    models.add("m", labelled("one"), version=1)
    models.add("m", labelled("two"), version=2)
    models.backend.labels["m"] = {"stable": 1}
    gateway = await models.gateway()
    assert answered(await classify(gateway, version=1)) == ["one"]
    assert answered(await classify(gateway, label="stable")) == ["one"]
    with pytest.raises(VersionNotFoundError, match="no label 'canary'"):
        await classify(gateway, label="canary")


async def test_a_swap_between_look_and_call_is_looked_after_once_more(models: Models) -> None:
    models.add("m", labelled("one"), version=1)

    def swap() -> None:
        models.add("m", labelled("two"), version=2)
        del models.backend.models["m"][1]

    backend = Scripted(models, swap)
    classification = await classify(await models.gateway(backend))
    assert (classification.model.version, answered(classification)) == (2, ["two"])
    assert [spec.version for spec, _ in backend.asked] == [1, 2]


async def test_a_look_that_others_share_is_in_nobodys_name(models: Models) -> None:
    whose: ContextVar[str] = ContextVar("whose", default="nobody's")
    seen = []

    class Asked(Scripted):
        async def status(self, spec: ModelSpec, *, timeout: float) -> GetModelStatusResponse:
            seen.append(whose.get())
            return await super().status(spec, timeout=timeout)

    models.add("m", labelled("one"))
    gateway = await models.gateway(Asked(models, BackendRejectedError("NOT_FOUND", "Servable not found")))
    seen.clear()
    whose.set("a request's")
    await classify(gateway)
    assert set(seen) == {"nobody's"}


async def test_a_version_that_stays_away_is_not_found(models: Models) -> None:
    models.add("m", labelled("one"))
    gone = BackendRejectedError("NOT_FOUND", "Servable not found for request: Specific(m, 1)")
    backend = Scripted(models, gone, gone)
    with pytest.raises(VersionNotFoundError, match=r"has not loaded m: Servable not found"):
        await classify(await models.gateway(backend))
    assert len(backend.asked) == 2


@pytest.mark.parametrize("failure", [BackendRejectedError("INTERNAL", "x"), BackendUnavailableError("down")])
async def test_other_failures_are_not_tried_again(models: Models, failure: HeadwiseError) -> None:
    models.add("m", labelled("one"))
    backend = Scripted(models, failure)
    with pytest.raises(type(failure)):
        await classify(await models.gateway(backend))
    assert len(backend.asked) == 1


async def test_a_busy_model_server_is_unavailable_for_now(models: Models) -> None:
    models.add("m", labelled("one"))
    backend = Scripted(models, BackendRejectedError("RESOURCE_EXHAUSTED", "Server Threadpool Exhausted"))
    with pytest.raises(BackendUnavailableError, match="busy: Server Threadpool Exhausted"):
        await classify(await models.gateway(backend))


async def test_an_answer_of_another_version_is_refused(models: Models) -> None:
    models.add("m", labelled("one"))
    backend = Answering(models, RawPrediction(7, {"output_0": np.zeros((1, 1), np.float32)}))
    with pytest.raises(BackendProtocolError, match="version 1 was asked, version 7 answered"):
        await classify(await models.gateway(backend))


@pytest.mark.parametrize(
    ("output", "error", "reason"),
    [
        ({}, OutputMissingError, "did not come; these came: none"),
        ({"other": np.zeros((2, 1), np.float32)}, OutputMissingError, "these came: other"),
        ({"output_0": np.zeros((3, 1), np.float32)}, OutputShapeError, r"shape \(3, 1\) for 2 rows"),
        ({"output_0": np.float32(1)}, OutputShapeError, r"shape \(\) for 2 rows"),
        ({"output_0": np.zeros((2, 3), np.float32)}, OutputShapeError, "3 units"),
        ({"output_0": np.zeros((2, 1), np.int64)}, OutputShapeError, "int64"),
        ({"output_0": np.array([[0], [math.nan]], np.float32)}, NonFiniteOutputError, "row 1"),
        ({"output_0": np.array([[math.inf], [0]], np.float32)}, NonFiniteOutputError, "row 0"),
    ],
)
async def test_an_output_that_contradicts_its_card_is_refused_and_named(
    models: Models, output: Arrays, error: type[HeadMismatchError], reason: str
) -> None:
    models.add("m", {"output_0": BINARY})
    gateway = await models.gateway(Answering(models, RawPrediction(1, output)))
    with pytest.raises(error, match=f"output 'output_0' of model m version 1.*{reason}"):
        await classify(gateway, "m", [1.0], [2.0])


async def test_a_declared_probability_outside_its_range_is_refused(models: Models) -> None:
    models.add("m", {"output_0": {**BINARY, "activation": "sigmoid"}})
    with pytest.raises(OutputRangeError, match=r"promises values in \[0, 1\]"):
        await classify(await models.gateway(), "m", [1.5])


@pytest.mark.parametrize(
    ("ask", "error", "text"),
    [
        ({"name": "tumour"}, ModelNotFoundError, "did you mean tumor?"),
        ({"name": "zzz"}, ModelNotFoundError, "GET /v1/models lists"),
        ({"name": "tumor", "version": 4}, VersionNotFoundError, "no version 4; its versions are 2, 1"),
        ({"name": "raw"}, HeadNotFoundError, "no head card, so only its raw numbers can be read"),
        ({"name": "refused"}, HeadConfigError, "one softmax unit"),
        ({"name": "refused", "version": 1}, HeadConfigError, "one softmax unit"),
        ({"name": "empty"}, HeadNotFoundError, "no head of signature 'serving_default'; it describes: none"),
    ],
)
async def test_a_model_that_cannot_answer_says_why(
    models: Models, ask: dict[str, Any], error: type[HeadwiseError], text: str
) -> None:
    models.add("tumor", {"output_0": BINARY}, version=1)
    models.add("tumor", {"output_0": BINARY}, version=2)
    models.add("raw", None)
    models.add("refused", SOFTMAX_UNIT)
    models.add("empty", {})
    with pytest.raises(error, match=text) as raised:
        await classify(await models.gateway(), **ask)
    assert type(raised.value) is error


async def test_a_version_with_a_card_that_is_still_to_come_makes_the_model_not_ready(models: Models) -> None:
    models.add("m", {"output_0": BINARY}, version=1)
    models.add("m", SOFTMAX_UNIT, version=2)
    models.backend.models.clear()
    with pytest.raises(ModelNotReadyError, match="version 1: the model server has not loaded it") as raised:
        await classify(await models.gateway())
    assert type(raised.value) is ModelNotReadyError


async def test_a_version_that_only_the_model_server_has_answers_no_head(models: Models) -> None:
    models.add("m", {"output_0": BINARY}, version=1)
    models.backend.models["m"][3] = models.backend.models["m"][1]
    gateway = await models.gateway()
    with pytest.raises(HeadNotFoundError, match="model m version 3 has no head card"):
        await classify(gateway, version=3)
    assert (await classify(gateway)).model.version == 1


async def test_inputs_are_checked_before_the_backend_is_asked(models: Models) -> None:
    models.add("m", {"output_0": BINARY})
    backend = Scripted(models)
    gateway = await models.gateway(backend)
    with pytest.raises(InvalidTensorError, match=r"takes float32 \(\?, 1\)"):
        await classify(gateway, "m", [1.0, 2.0])
    with pytest.raises(InvalidRequestError, match="between 0 and 1"):
        await classify(gateway, options=RequestOptions(threshold=1.0))
    assert backend.asked == []


async def test_a_model_whose_inputs_have_no_rows_is_refused_before_the_call(models: Models) -> None:
    models.add("m", {"output_0": BINARY}, inputs={"x": ("float32", ())})
    with pytest.raises(InvalidTensorError, match="no input has rows"):
        await (await models.gateway()).classify(
            ModelSpec("m"), lambda _: {"x": np.array(1, np.float32)}, RequestOptions(), timeout=5
        )


async def test_raw_numbers_come_from_the_version_that_the_model_server_chooses(models: Models) -> None:
    models.add("m", labelled("one"), version=1)
    models.add("m", None, version=2)
    raw = await (await models.gateway()).predict(ModelSpec("m"), rows([3.0])(None), timeout=5)  # type: ignore[arg-type]
    assert (raw.version, raw.outputs["output_0"].tolist()) == (2, [[3.0]])


@pytest.mark.parametrize("spec", [ModelSpec("m"), ModelSpec("m", 1), ModelSpec("m", label="stable")])
async def test_raw_numbers_of_a_refused_card_need_the_setting(models: Models, spec: ModelSpec) -> None:
    models.add("m", SOFTMAX_UNIT)
    models.backend.labels["m"] = {"stable": 1}
    inputs: Arrays = {"x": np.ones((1, 1), np.float32)}
    with pytest.raises(HeadConfigError, match=r"model m version 1 is refused: .*head\.json"):
        await (await models.gateway()).predict(spec, inputs, timeout=5)
    allowed = await (await models.gateway(raw_when_refused=True)).predict(spec, inputs, timeout=5)
    assert allowed.outputs["output_0"].tolist() == [[1.0]]


async def test_signatures_come_from_the_repository_or_else_from_the_model_server(
    models: Models, tmp_path: Path
) -> None:
    models.add("m", None, units=4)
    known = await (await models.gateway()).signatures(ModelSpec("m"), timeout=5)
    unknown = Gateway(models.backend, Models(tmp_path / "m", models.backend).repository())
    asked = await unknown.signatures(ModelSpec("m"), timeout=5)
    assert known == asked
    assert str(asked["serving_default"].inputs["x"]) == "float32 (?, 4)"


async def test_a_card_written_anew_is_applied_at_the_next_look(models: Models) -> None:
    folder = models.add("m", labelled("before"))
    gateway = await models.gateway()
    assert answered(await classify(gateway)) == ["before"]
    write_card(folder, labelled("afterwards"))
    await gateway.repository.refresh()
    assert answered(await classify(gateway)) == ["afterwards"]
