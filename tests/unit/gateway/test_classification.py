"""Thresholds, several heads, and that a row's answer is its own."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwise.errors import InvalidRequestError
from headwise.gateway import RequestOptions
from headwise.heads import Head
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


def test_options_by_head_keep_none_for_heads_without_a_cut() -> None:
    head = Head("binary", "linear", ("no", "yes"))
    by_head = RequestOptions(threshold={"a": 0.3}).by_head({"a": head, "b": head})
    assert (by_head["a"].threshold, by_head["b"].threshold) == (0.3, None)
