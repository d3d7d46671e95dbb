"""Thresholds, several heads, and that a row's answer is its own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwise.errors import InvalidRequestError
from headwise.gateway import RequestOptions
from headwise.heads import Abstain, Argmax, Cost, Head, Threshold
from support.in_memory_gateway import BINARY, Models, answered, classify

pytestmark = pytest.mark.anyio


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path)


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
        (RequestOptions(top_k=0), "a whole number from 1"),
        (RequestOptions(decision=Threshold(0.2)), "give decision by head name"),
        (
            RequestOptions(decision={"rsk": Argmax()}),
            "decision names the head 'rsk'; the heads are 'risk', 'kind', 'size'",
        ),
        (RequestOptions(decision={"kind": Threshold(0.2)}), "'threshold' does not fit a multiclass head"),
        (RequestOptions(decision={"size": Argmax()}), "'argmax' does not fit a regression head"),
        (RequestOptions({"risk": 0.2}, decision={"risk": Threshold()}), "threshold and decision are both given"),
        (RequestOptions(abstain=Abstain()), "give abstain by head name"),
        (RequestOptions(abstain={"size": Abstain(0.5)}), "a regression head does not abstain"),
        (RequestOptions(coverage=0.9), "give coverage by head name"),
        (RequestOptions(coverage={"kind": 0.9}), "the card has no prediction_set"),
    ],
)
async def test_options_that_fit_no_head_are_refused(models: Models, options: RequestOptions, text: str) -> None:
    two_heads(models)
    with pytest.raises(InvalidRequestError, match=text):
        await classify(await models.gateway(), "two", [0.3, 5.0, 1.0], options=options)


async def test_each_head_follows_its_own_options(models: Models) -> None:
    two_heads(models)
    options = RequestOptions(
        threshold={"risk": 0.2},
        decision={"kind": Cost(((0, 9, 9), (9, 0, 9), (1, 1, 0)))},
        abstain={"risk": Abstain(floor=0.9), "kind": Abstain()},
    )
    heads = (await classify(await models.gateway(), "two", [0.3, 1.0, 1.5], options=options)).heads
    risk, kind = heads["risk"].prediction, heads["kind"].prediction
    assert (risk.applied.source, risk.applied.cuts, risk.applied.abstain) == ("request", (0.2,), Abstain(floor=0.9))
    assert risk.indices is not None
    assert isinstance(kind.labels, np.ndarray)
    assert (risk.indices.tolist(), risk.applied.abstain_source) == ([-1], "request")
    assert (kind.applied.rule, kind.applied.source, kind.abstained) == ("cost", "request", None)
    assert kind.labels.tolist() == ["b"]


async def test_what_a_request_leaves_out_the_card_says(models: Models) -> None:
    sets = {"score": "lac", "coverage": 0.9, "quantiles": {"0.5": 0.4, "0.9": 0.9}}
    decision = {"rule": "argmax", "prediction_set": sets, "abstain": {"set": True}, "top_k": 2}
    head = {"task": "multiclass", "activation": "softmax", "labels": ["a", "b", "c"], "decision": decision}
    models.add("m", {"output_0": head}, units=3)
    gateway = await models.gateway()

    async def ask(**options: Any) -> Any:
        return (
            (await classify(gateway, "m", [0.25, 0.625, 0.125], options=RequestOptions(**options)))
            .heads["output_0"]
            .prediction
        )

    by_card = await ask()
    assert (by_card.indices.tolist(), by_card.sets.tolist(), by_card.top.tolist()) == ([-1], [[True] * 3], [[1, 0]])
    assert by_card.applied.coverage_source == "card"
    narrow = await ask(coverage=0.5)
    assert (narrow.indices.tolist(), narrow.sets.tolist()) == ([1], [[False, True, False]])
    assert (narrow.applied.coverage, narrow.applied.coverage_source) == (0.5, "request")
    never = await ask(abstain=Abstain(), top_k=1)
    assert (never.indices.tolist(), never.abstained, never.top.tolist()) == ([1], None, [[1]])


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
    "sets and costs": (
        {
            "task": "multiclass",
            "activation": "linear",
            "labels": ["a", "b", "c"],
            "decision": {
                "rule": "cost",
                "costs": [[0, 1, 2], [1, 0, 1], [2, 1, 0]],
                "abstain": {"cost": 0.3, "set": True},
                "prediction_set": {"score": "aps", "coverage": 0.9, "quantiles": {"0.9": 0.8}},
            },
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
        for field in ("probabilities", "indices", "decisions", "abstained", "sets"):
            one, all_ = getattr(alone, field), getattr(together, field)
            assert (one is None) == (all_ is None)
            if one is not None:
                np.testing.assert_array_equal(one[0], all_[number], strict=True)


def test_options_by_head_keep_none_for_heads_without_a_cut() -> None:
    head = Head("binary", "linear", ("no", "yes"))
    by_head = RequestOptions(threshold={"a": 0.3}).by_head({"a": head, "b": head})
    assert (by_head["a"].threshold, by_head["b"].threshold) == (0.3, None)
