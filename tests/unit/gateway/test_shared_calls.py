"""Requests that travel as one call: each is answered as if it were alone."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from headwise.backends.base import Arrays, RawPrediction
from headwise.backends.in_memory import InMemoryBackend
from headwise.errors import (
    BackendRejectedError,
    BackendUnavailableError,
    HeadMismatchError,
    HeadwiseError,
    InvalidTensorError,
    NonFiniteOutputError,
    OutputRangeError,
    OutputShapeError,
)
from headwise.gateway import Classification, Gateway, RequestOptions
from headwise.heads.decisions import Threshold
from headwise.repository.model_spec import ModelSpec
from headwise.telemetry.metrics import Metrics
from headwise.tripwires import Tripwires
from support.in_memory_gateway import BINARY, Models, answered, classify, write_card

pytestmark = pytest.mark.anyio

SIGMOID = {"output_0": {**BINARY, "activation": "sigmoid"}}
CLASSES = {"output_0": {"task": "multiclass", "activation": "linear", "labels": ["a", "b", "c"]}}
TUNED = {**BINARY, "decision": {"rule": "threshold", "threshold": 0.5, "thresholds": {"screening": 0.1}}}


class Counting(InMemoryBackend):
    """Notes the rows of every call, and meets each with what `met` makes of its inputs."""

    def __init__(self, models: Models) -> None:
        super().__init__(models.backend.models, models.backend.labels)
        self.calls: list[int] = []
        self.met: Any = lambda _: None

    async def predict(
        self, spec: ModelSpec, inputs: Arrays, *, timeout: float, outputs: tuple[str, ...] = ()
    ) -> RawPrediction:
        self.calls.append(len(inputs["x"]))
        if (error := self.met(inputs)) is not None:
            raise error
        return await super().predict(spec, inputs, timeout=timeout, outputs=outputs)


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path)


async def ask(gateway: Gateway, values: Sequence[Any], options: RequestOptions | None = None) -> Classification:
    return await classify(gateway, "m", *values, options=options or RequestOptions())


async def asked(
    gateway: Gateway, *requests: Sequence[Any], options: Sequence[RequestOptions] = ()
) -> list[Classification | HeadwiseError]:
    """The answers of requests that come at once."""
    each = options or [RequestOptions()] * len(requests)
    calls = (ask(gateway, [*values], one) for values, one in zip(requests, each, strict=True))
    return await asyncio.gather(*calls, return_exceptions=True)  # type: ignore[return-value]


def told(found: Classification | HeadwiseError) -> Mapping[str, Any]:
    """Everything that an answer says, as plain values that compare bit by bit."""
    assert isinstance(found, Classification)
    return {
        "model": str(found.model),
        "warnings": found.warnings,
        **{
            f"{name}.{field}": value.tobytes()
            for name, answer in found.heads.items()
            for field in ("probabilities", "indices", "decisions", "values", "margins", "top", "abstained", "sets")
            if (value := getattr(answer.prediction, field)) is not None
        },
        **{f"{name}.raw": answer.raw.tobytes() for name, answer in found.heads.items()},
        **{f"{name}.saturated": answer.prediction.observations.saturated for name, answer in found.heads.items()},
    }


async def test_requests_share_a_call_and_not_their_answers(models: Models) -> None:
    models.add("m", {"output_0": BINARY})
    backend = Counting(models)
    one, two = await asked(await models.gateway(backend), [[-3.0]], [[3.0], [4.0]])
    assert backend.calls == [3]
    assert isinstance(one, Classification)
    assert isinstance(two, Classification)
    assert one.batch is two.batch
    assert one.heads["output_0"].prediction.indices.tolist() == [0]  # type: ignore[union-attr]
    assert two.heads["output_0"].prediction.indices.tolist() == [1, 1]  # type: ignore[union-attr]
    assert (one.shared, two.shared) == (True, True)


async def test_different_options_share_the_call_of_the_model_server(models: Models) -> None:
    models.add("m", {"output_0": TUNED})
    backend = Counting(models)
    options = [
        RequestOptions(),
        RequestOptions(threshold="screening"),
        RequestOptions(threshold=0.9),
        RequestOptions(decision=Threshold(0.05, {"x": 0.5})),
        RequestOptions(top_k=1),
        RequestOptions(),
    ]
    gateway = await models.gateway(backend)
    found = await asked(gateway, *([[-1.0]] for _ in options), options=options)
    assert backend.calls == [6]
    labels = [answered(answer) for answer in found if isinstance(answer, Classification)]
    assert labels == [[name] for name in ("benign", "malignant", "benign", "malignant", "benign", "benign")]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
async def test_a_batch_mate_that_is_refused_before_the_call_takes_nobody_along(models: Models, bad: float) -> None:
    models.add("m", {"output_0": BINARY})
    backend = Counting(models)
    found = await asked(await models.gateway(backend), [[1.0]], [[bad]], [[1.0, 2.0]], [[2.0]])
    assert [type(answer) for answer in found] == [
        Classification,
        InvalidTensorError,
        InvalidTensorError,
        Classification,
    ]
    assert backend.calls == [2]


async def test_a_batch_mate_of_a_wrong_dtype_takes_nobody_along(models: Models) -> None:
    models.add("m", {"output_0": BINARY})
    gateway = await models.gateway()
    wrong = gateway.classify(ModelSpec("m"), lambda _: {"x": np.ones((1, 1))}, RequestOptions(), timeout=5)
    refused, right = await asyncio.gather(wrong, ask(gateway, [[1.0]]), return_exceptions=True)
    assert isinstance(refused, InvalidTensorError)
    assert isinstance(right, Classification)


async def test_a_row_that_the_model_server_refuses_fails_its_own_request(models: Models) -> None:
    models.add("m", {"output_0": BINARY})
    backend = Counting(models)
    backend.met = lambda inputs: BackendRejectedError("INVALID_ARGUMENT", "no") if 7.0 in inputs["x"] else None
    found = await asked(await models.gateway(backend), *([[float(n)]] for n in range(16)))
    assert [n for n, answer in enumerate(found) if isinstance(answer, BackendRejectedError)] == [7]
    assert sum(isinstance(answer, Classification) for answer in found) == 15


async def test_a_busy_model_server_is_not_asked_again_for_each_row(models: Models) -> None:
    models.add("m", {"output_0": BINARY})
    backend = Counting(models)
    backend.met = lambda _: BackendRejectedError("RESOURCE_EXHAUSTED", "Server Threadpool Exhausted")
    found = await asked(await models.gateway(backend), *([[float(n)]] for n in range(16)))
    assert {type(answer) for answer in found} == {BackendUnavailableError}
    assert backend.calls == [16]


async def test_numbers_that_contradict_a_card_are_told_to_those_whose_they_are(models: Models) -> None:
    models.add("m", SIGMOID)
    found = await asked(await models.gateway(), [[0.25]], [[3.0]], [[0.75]], [[0.5], [np.float32(1e30)]])
    assert [type(answer) for answer in found] == [Classification, OutputRangeError, Classification, OutputRangeError]
    assert "row 0" in str(found[1])
    assert "row 1" in str(found[3])


async def test_a_warning_is_told_to_those_whose_numbers_it_is_about(models: Models) -> None:
    models.add("m", SIGMOID)
    metrics = Metrics()
    gateway = await models.gateway(tripwires=Tripwires(metrics, "warn"))
    found = await asked(gateway, [[0.25]], [[3.0]], [[0.75]])
    assert [len(answer.warnings) for answer in found] == [0, 1, 0]  # type: ignore[union-attr]
    assert b'code="HW118",head="output_0",model="m"} 1.0' in metrics.render()[0]


async def test_a_proof_over_many_rows_is_counted_for_each_who_hears_of_it(models: Models) -> None:
    models.add("m", CLASSES, units=3)
    metrics = Metrics()
    gateway = await models.gateway(tripwires=Tripwires(metrics))
    rng = np.random.default_rng(0)
    shares = rng.dirichlet([1.0, 1.0, 1.0], 128).astype(np.float32)
    with capture_logs():
        found = await asked(gateway, *([row.tolist()] for row in shares))
    assert {type(answer) for answer in found} == {HeadMismatchError}
    assert b'code="HW119",head="output_0",model="m"} 128.0' in metrics.render()[0]


async def test_a_model_that_answers_by_the_batch_is_asked_row_by_row(models: Models) -> None:
    models.add("m", {"output_0": BINARY}, run=lambda inputs: {"output_0": inputs["x"][:1]})
    backend = Counting(models)
    one, two, three = await asked(await models.gateway(backend), [[-1.0]], [[1.0]], [[1.0], [2.0]])
    assert [one.heads["output_0"].prediction.indices.tolist() for one in (one, two)] == [[0], [1]]  # type: ignore[union-attr]
    assert isinstance(three, OutputShapeError)


async def test_a_model_named_as_unbatched_travels_alone(models: Models) -> None:
    centred = lambda inputs: {"output_0": inputs["x"] - inputs["x"].mean()}  # noqa: E731
    models.add("m", {"output_0": BINARY}, run=centred)
    backend = Counting(models)
    gateway = Gateway(backend, models.repository(backend), unbatched=frozenset({"m"}))
    await gateway.repository.refresh()
    found = await asked(gateway, [[5.0]], [[-5.0]])
    assert backend.calls == [1, 1]
    assert [told(answer)["output_0.raw"] for answer in found] == [np.float32(0).tobytes()] * 2


async def test_where_the_graph_insists_on_its_rows_requests_travel_alone(models: Models) -> None:
    models.add("m", {"output_0": BINARY}, inputs={"x": ("float32", (2, 1))})
    backend = Counting(models)
    await asked(await models.gateway(backend), [[1.0], [2.0]], [[3.0], [4.0]])
    assert backend.calls == [2, 2]


async def test_a_card_written_anew_is_never_mixed_with_the_one_before(models: Models) -> None:
    folder = models.add("m", {"output_0": {**BINARY, "labels": ["no", "before"]}})
    backend = Counting(models)
    gateway = await models.gateway(backend)
    reached, go = asyncio.Event(), asyncio.Event()

    class Slow(Counting):
        async def predict(self, *args: Any, **kwargs: Any) -> RawPrediction:
            reached.set()
            await go.wait()
            return await super().predict(*args, **kwargs)

    slow = Slow(models)
    gateway = await models.gateway(slow)
    first = asyncio.ensure_future(ask(gateway, [[1.0]]))
    await reached.wait()
    waiting = asyncio.ensure_future(ask(gateway, [[1.0]]))
    await asyncio.sleep(0)
    write_card(folder, {"output_0": {**BINARY, "labels": ["no", "afterwards"]}})
    await gateway.repository.refresh()
    late = asyncio.ensure_future(ask(gateway, [[1.0]]))
    await asyncio.sleep(0)
    go.set()
    found = [await one for one in (first, waiting, late)]
    assert [answered(one) for one in found] == [["before"], ["before"], ["afterwards"]]
    assert slow.calls == [1, 1, 1]


async def test_a_version_that_goes_under_a_batch_is_looked_after_once_for_all(models: Models) -> None:
    models.add("m", {"output_0": {**BINARY, "labels": ["no", "one"]}}, version=1)
    backend = Counting(models)
    gateway = await models.gateway(backend)

    def swap(_: Arrays) -> None:
        backend.met = lambda _: None
        models.add("m", {"output_0": {**BINARY, "labels": ["no", "two"]}}, version=2)
        del models.backend.models["m"][1]

    backend.met = swap
    found = await asked(gateway, *([[1.0]] for _ in range(8)))
    assert [told(answer)["model"] for answer in found] == ["model m version 2"] * 8
    assert (backend.calls[0], sum(backend.calls[1:])) == (8, 8)


HEADS: Mapping[str, tuple[Mapping[str, Any], int]] = {
    "binary": (BINARY, 1),
    "sigmoid": ({**BINARY, "activation": "sigmoid"}, 1),
    "two units": ({**BINARY, "activation": "softmax"}, 2),
    "classes": (CLASSES["output_0"], 3),
    "calibrated": ({**CLASSES["output_0"], "calibration": {"method": "temperature", "temperature": 1.3}}, 3),
    "labels": ({"task": "multilabel", "activation": "linear", "labels": ["a", "b", "c"]}, 3),
    "ordinal": ({"task": "ordinal", "activation": "linear", "labels": ["a", "b", "c"]}, 2),
    "values": ({"task": "regression", "activation": "linear"}, 2),
    "margin": ({**BINARY, "activation": "tanh"}, 1),
}
BATCHES = st.lists(
    st.tuples(st.integers(1, 5), st.sampled_from([None, 1, 2]), st.integers(0, 2**32 - 1)), min_size=1, max_size=12
)


@pytest.mark.parametrize("name", HEADS)
@settings(deadline=None, max_examples=25)
@given(requests=BATCHES)
def test_an_answer_is_the_same_to_the_last_bit_alone_and_in_company(
    tmp_path_factory: pytest.TempPathFactory, name: str, requests: Sequence[tuple[int, int | None, int]]
) -> None:
    head, units = HEADS[name]
    models = Models(tmp_path_factory.mktemp("models"))
    models.add("m", {"output_0": head}, units=units)

    def raw(count: int, seed: int) -> list[Any]:
        numbers = np.random.default_rng(seed).normal(0, 3, (count, units))
        if head["activation"] == "softmax":
            numbers = np.exp(numbers) / np.exp(numbers).sum(axis=1, keepdims=True)
        elif head["activation"] in ("sigmoid", "tanh"):
            numbers = np.tanh(np.abs(numbers) if head["activation"] == "sigmoid" else numbers)
        whole: list[Any] = numbers.tolist()
        return whole

    async def both() -> None:
        gateway = await models.gateway()
        every = [raw(count, seed) for count, _, seed in requests]
        options = [
            RequestOptions() if top is None or name in ("values", "margin") else RequestOptions(top_k=top)
            for _, top, _ in requests
        ]
        together = await asked(gateway, *every, options=options)
        alone = [await ask(gateway, one, its) for one, its in zip(every, options, strict=True)]
        assert list(map(told, together)) == list(map(told, alone))

    asyncio.run(both())


async def test_an_output_that_is_not_finite_is_its_own_requests_error(models: Models) -> None:
    def logarithm(inputs: Arrays) -> Arrays:
        with np.errstate(divide="ignore", invalid="ignore"):
            return {"output_0": np.log(inputs["x"])}

    models.add("m", {"output_0": BINARY}, run=logarithm)
    found = await asked(await models.gateway(), [[1.0]], [[-1.0]], [[2.0]])
    assert [type(answer) for answer in found] == [Classification, NonFiniteOutputError, Classification]
