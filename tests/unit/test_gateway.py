"""Which version is asked, which card reads the answer, and what happens when the two do not fit."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

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
from headwise.gateway import Classification, Gateway, RequestOptions
from headwise.heads import Head
from headwise.repository.model_repository import ModelRepository
from headwise.repository.model_spec import ModelSpec
from headwise.repository.sources import ModelsFolder
from support.in_memory_gateway import BINARY, Models, rows, write_card

pytestmark = pytest.mark.anyio

NO_OPTIONS = RequestOptions()
SOFTMAX_UNIT = {"output_0": {**BINARY, "activation": "softmax"}}
"""A refused head."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


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


async def classify(
    gateway: Gateway,
    name: str = "m",
    *values: Any,
    version: int | None = None,
    label: str | None = None,
    options: RequestOptions = NO_OPTIONS,
) -> Classification:
    return await gateway.classify(ModelSpec(name, version, label), rows(*values or [[2.0]]), options, timeout=5)


def labelled(yes: str) -> dict[str, Any]:
    return {"output_0": {**BINARY, "labels": ["no", yes]}}


def answered(classification: Classification, head: str = "output_0") -> list[str]:
    labels = classification.heads[head].prediction.labels
    assert isinstance(labels, np.ndarray)
    return [str(label) for label in labels]


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
        ({"name": "raw"}, HeadNotFoundError, "no head card: write assets.extra/head.json"),
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


async def test_a_threshold_is_given_by_number_or_by_name(models: Models) -> None:
    decision = {"rule": "threshold", "threshold": 0.5, "thresholds": {"screening": 0.1}}
    models.add("m", {"output_0": {**BINARY, "decision": decision}})
    gateway = await models.gateway()

    async def label(threshold: float | str | None) -> list[str]:
        return answered(await classify(gateway, "m", [-1.0], options=RequestOptions(threshold)))

    assert await label(None) == ["benign"]
    assert await label(0.2) == ["malignant"]
    assert await label("screening") == ["malignant"]
    with pytest.raises(InvalidRequestError, match="no threshold is named 'sreening'; the card names: 'screening'"):
        await label("sreening")


def two_heads(models: Models) -> None:
    models.add(
        "two",
        {
            "risk": {**BINARY, "activation": "sigmoid"},
            "kind": {"task": "multiclass", "activation": "linear", "labels": ["a", "b", "c"]},
            "size": {"task": "regression", "activation": "linear"},
        },
        inputs={"x": ("float32", (None, 3))},
        outputs={
            "risk": ("float32", (None, 1)),
            "kind": ("float32", (None, 3)),
            "size": ("float32", (None, 1)),
            "hidden": ("float32", (None, 3)),
        },
        run=lambda inputs: {
            "risk": inputs["x"][:, :1],
            "kind": inputs["x"],
            "size": inputs["x"][:, 2:],
            "hidden": inputs["x"],
        },
    )


async def test_several_heads_answer_each_by_its_own_rule(models: Models) -> None:
    two_heads(models)
    options = RequestOptions(threshold={"risk": 0.2}, top_k=2)
    classification = await classify(await models.gateway(), "two", [0.3, 5.0, 1.0], options=options)
    assert set(classification.heads) == {"risk", "kind", "size"}
    assert answered(classification, "risk") == ["malignant"]
    assert answered(classification, "kind") == ["b"]
    kind, size = classification.heads["kind"].prediction, classification.heads["size"].prediction
    assert kind.top is not None
    assert size.values is not None
    assert (kind.top.tolist(), size.values.tolist()) == ([[1, 2]], [[1.0]])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (RequestOptions(threshold=0.2), "give threshold by head name"),
        (RequestOptions(threshold={"rsk": 0.2}), "names the head 'rsk'; the heads are 'risk', 'kind', 'size'"),
        (RequestOptions(threshold={"kind": 0.2}), "multiclass head takes no threshold"),
        (RequestOptions(top_k=0), "1 or more"),
    ],
)
async def test_options_that_fit_no_head_are_refused(models: Models, options: RequestOptions, text: str) -> None:
    two_heads(models)
    with pytest.raises(InvalidRequestError, match=text):
        await classify(await models.gateway(), "two", [0.3, 5.0, 1.0], options=options)


async def test_top_k_is_refused_where_the_only_head_has_no_classes(models: Models) -> None:
    models.add("m", {"output_0": {"task": "regression", "activation": "linear"}})
    with pytest.raises(InvalidRequestError, match="regression"):
        await classify(await models.gateway(), options=RequestOptions(top_k=1))


HEADS = {
    "binary": (BINARY, 1),
    "platt": ({**BINARY, "calibration": {"method": "platt", "slope": 0.7, "intercept": -0.3}}, 1),
    "two units": (BINARY, 2),
    "multiclass": ({"task": "multiclass", "activation": "linear", "labels": ["a", "b", "c"]}, 3),
    "temperature": (
        {
            "task": "multiclass",
            "activation": "linear",
            "labels": ["a", "b", "c"],
            "calibration": {"method": "temperature", "temperature": 1.7},
        },
        3,
    ),
    "multilabel": ({"task": "multilabel", "activation": "linear", "labels": ["a", "b", "c"]}, 3),
    "ordinal": ({"task": "ordinal", "activation": "linear", "labels": ["a", "b", "c"]}, 2),
}


@pytest.mark.parametrize("kind", HEADS)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40))
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_rows_answer_does_not_depend_on_its_batch(
    tmp_path_factory: pytest.TempPathFactory, kind: str, seed: int, size: int
) -> None:
    head, units = HEADS[kind]
    models = Models(tmp_path_factory.mktemp("models"))
    models.add("m", {"output_0": head}, units=units)
    gateway = await models.gateway()
    batch = np.random.default_rng(seed).normal(0, 8, (size, units)).astype(np.float32)
    together = (await classify(gateway, "m", *batch)).heads["output_0"].prediction
    for number, row in enumerate(batch):
        alone = (await classify(gateway, "m", row)).heads["output_0"].prediction
        for field in ("probabilities", "indices", "decisions"):
            one, all_ = getattr(alone, field), getattr(together, field)
            assert (one is None) == (all_ is None)
            if one is not None:
                np.testing.assert_array_equal(one[0], all_[number], strict=True)


async def test_rows_of_probabilities_that_miss_one_are_warned_about_once(models: Models) -> None:
    models.add("m", {"output_0": {"task": "multiclass", "activation": "softmax", "labels": ["a", "b"]}}, units=2)
    gateway = await models.gateway()
    with capture_logs() as log:
        for _ in range(3):
            await classify(gateway, "m", [0.5, 0.5005])
    (entry,) = log
    assert (entry["event"], entry["log_level"], entry["model"]) == ("rows of probabilities miss 1", "warning", "m")


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
    unknown = Gateway(models.backend, ModelRepository(ModelsFolder(tmp_path / "m"), models.backend))
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


def test_options_by_head_keep_none_for_heads_without_a_cut() -> None:
    head = Head("binary", "linear", ("no", "yes"))
    by_head = RequestOptions(threshold={"a": 0.3}).by_head({"a": head, "b": head})
    assert (by_head["a"].threshold, by_head["b"].threshold) == (0.3, None)
