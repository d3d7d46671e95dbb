"""How often each label was answered: of every task, of one row and of many, of a request's own rows alone."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from headwise.gateway import Gateway
from headwise.gateway.classification import Classification
from headwise.gateway.decided import decided
from headwise.telemetry import trail
from support.in_memory_gateway import BINARY, Models, classify

pytestmark = pytest.mark.anyio

UNSURE = {**BINARY, "decision": {"rule": "threshold", "abstain": {"floor": 0.9}}}
LETTERS = {"task": "multiclass", "activation": "linear", "labels": list("abcdefgh")}
TRAITS = {"task": "multilabel", "activation": "linear", "labels": ["x", "y", "z"]}
VALUE = {"task": "regression", "activation": "linear"}


async def gateway(folder: Path, head: dict[str, Any], units: int, shape: tuple[int | None, ...] = ()) -> Gateway:
    models = Models(folder)
    specs = {"x": ("float32", (None, *shape, units))}
    models.add("m", {"output_0": head}, inputs=specs, outputs={"output_0": specs["x"]})
    return await models.gateway()


def chosen(index: int, classes: int = 8) -> list[float]:
    return [5.0 if number == index else 0.0 for number in range(classes)]


@pytest.mark.parametrize(
    ("head", "rows", "expected", "abstained"),
    [
        (BINARY, [[2.0]], {"malignant": 1}, {}),
        (BINARY, [[2.0], [-1.0], [3.0]], {"malignant": 2, "benign": 1}, {}),
        (UNSURE, [[0.1]], {}, {"output_0": 1}),
        (UNSURE, [[0.1], [9.0], [-0.1]], {"malignant": 1}, {"output_0": 2}),
        (UNSURE, [[0.1], [0.1]], {}, {"output_0": 2}),
        (LETTERS, [chosen(7)], {"h": 1}, {}),
        (LETTERS, [chosen(7), chosen(0), chosen(7)], {"h": 2, "a": 1}, {}),
        (TRAITS, [[1.0, -1.0, 1.0]], {"x": 1, "z": 1}, {}),
        (TRAITS, [[-1.0, -1.0, -1.0]], {}, {}),
        (TRAITS, [[1.0, -1.0, 1.0], [1.0, 1.0, -1.0]], {"x": 2, "y": 1, "z": 1}, {}),
        (VALUE, [[1.0]], {}, {}),
        (VALUE, [[1.0], [2.0]], {}, {}),
    ],
)
async def test_labels_are_counted(
    tmp_path: Path, head: Any, rows: Any, expected: dict[str, int], abstained: dict[str, int]
) -> None:
    answer = await classify(await gateway(tmp_path, head, len(rows[0])), "m", *rows)
    found, unanswered = decided(answer)
    assert (dict(found), unanswered) == ({"output_0": expected} if expected else {}, abstained)
    if expected:
        assert list(found["output_0"]) == list(expected)


@pytest.mark.parametrize(
    ("head", "row", "expected"),
    [
        (BINARY, [[1.0], [-1.0], [2.0]], {"malignant": 2, "benign": 1}),
        (TRAITS, [[1.0, 1.0, -1.0], [1.0, -1.0, -1.0]], {"x": 2, "y": 1}),
    ],
)
async def test_each_position_counts(tmp_path: Path, head: Any, row: Any, expected: dict[str, int]) -> None:
    answer = await classify(await gateway(tmp_path, head, len(row[0]), (None,)), "m", row)
    assert decided(answer) == ({"output_0": expected}, {})


async def test_only_a_requests_own_rows_are_counted(tmp_path: Path) -> None:
    numbers = [0.1, 9.0, -9.0, -9.0, 0.1, 9.0, 9.0]
    whole = await classify(await gateway(tmp_path, UNSURE, 1), "m", *[[number] for number in numbers])
    labels = {9.0: "malignant", -9.0: "benign"}
    for start, stop in itertools.combinations(range(len(numbers) + 1), 2):
        mine = numbers[start:stop]
        expected = {label: mine.count(number) for number, label in labels.items() if number in mine}
        found, unanswered = decided(Classification(whole.batch, start, stop))
        assert found == ({"output_0": expected} if expected else {})
        assert unanswered == ({"output_0": mine.count(0.1)} if 0.1 in mine else {})


async def test_a_gateway_may_be_told_to_keep_decisions_to_itself(tmp_path: Path) -> None:
    models = Models(tmp_path)
    models.add("m", {"output_0": BINARY})
    told = trail.begin()
    await classify(Gateway(models.backend, (await models.gateway()).repository, tell_decisions=False))
    assert (told.version, told.rows, told.decided) == (1, 1, {})
    told = trail.begin()
    await classify(Gateway(models.backend, (await models.gateway()).repository))
    assert told.decided == {"output_0": {"malignant": 1}}
