"""What an answer will weigh is foreseen: about, and not too little."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from headwise.api.answer_sizes import of_arrays, of_rows
from headwise.api.rest import classify_response
from support.in_memory_gateway import BINARY, Models, classify

pytestmark = pytest.mark.anyio

CLASSES: dict[str, Any] = {"task": "multiclass", "activation": "linear", "labels": [f"class {n}" for n in range(40)]}


@pytest.mark.parametrize(("head", "units"), [(BINARY, 1), (CLASSES, 40)], ids=["narrow", "wide"])
async def test_rows_of_heads(tmp_path: Path, head: dict[str, Any], units: int) -> None:
    models = Models(tmp_path)
    models.add(
        "m",
        {"output_0": head},
        outputs={"output_0": ("float32", (None, units))},
        run=lambda inputs: {"output_0": inputs["x"] + np.linspace(0, 1, units, dtype=np.float32)},
    )
    answer = await classify(await models.gateway(), "m", *[[number / 7] for number in range(500)])
    written = sum(map(len, classify_response.classification(answer, "id", frozenset({"probabilities"}))))
    assert 0.8 * written < of_rows(answer) < 2 * written


@pytest.mark.parametrize(
    "array",
    [np.random.default_rng(0).normal(size=(50, 20)), np.array([b"a text", b"\xc3\xa9" * 40, b""] * 30, object)],
    ids=["numbers", "texts"],
)
def test_named_tensors(array: Any) -> None:
    texts = [one.decode() if isinstance(one, bytes) else one for one in array.ravel().tolist()]
    written = len(orjson.dumps(texts))
    assert 0.8 * written < of_arrays({"y": array}) < 4 * written
