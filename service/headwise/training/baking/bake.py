"""Writes the whole head into a model's graph, so that a TensorFlow Serving without any gateway answers as it would."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.diagnostics.golden import GoldenRecord, difference
from headwise.diagnostics.rounding import standing
from headwise.errors import UnsupportedError
from headwise.heads import Head, HeadCard, Options, Prediction
from headwise.repository.golden_file import read_golden
from headwise.training.baking.graph import HEADWISE, added_name, write_graph
from headwise.training.publish import drafting_after
from headwise.training.rows import CannotMakeUpError, rows_to_try
from headwise.training.run import RunnableModel
from headwise.training.version import CardedVersion, carry_on, read_carded

TOLERANCE = 1e-4
"""How far baked probabilities may lie from the card's on the rows that are tried: two runs of one float32 network
differ by rounding, which a low temperature stretches."""

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class BakedModel:
    """A published version. signatures: those that were added. without: what was not, and why.

    rows: on how many the new signatures were held against the card.
    """

    version: Path
    signatures: tuple[str, ...]
    without: Mapping[str, str]
    rows: int


def bake(version: Path) -> BakedModel:
    """Write the next version of a model: all that it has, and signatures that carry its heads.

    "headwise" takes the model's inputs, and gives probabilities (float64), labels and indices; for other tasks
    decisions, margin or value; each behind "HEAD." where there are several heads. "classify" takes tf.Examples, and
    gives the classes and scores of TensorFlow Serving's Classify; a quantity has "regress". Decisions follow the
    card's rule.
    The card stays that of the old signatures. The new version appears only when it answers the golden records, and
    other rows, as the card says.

    Raises: UnsupportedError for a model that is baked already or cannot be saved anew; UnreadableModelError;
    HeadNotFoundError without a card, InvalidCardError for a refused one; HeadMismatchError where the model
    contradicts its card; and what running and publishing raise.
    """
    carded = read_carded(version)
    _check_not_baked(carded)
    with drafting_after(version) as draft:
        added, without = write_graph(version, draft.folder, carded.card, carded.saved)
        carry_on(version, draft.folder, carded.card)
        rows = _prove(carded, draft.folder)
    return BakedModel(draft.version, added, {**without, **_not_baked(carded.card)}, rows)


def _not_baked(card: HeadCard) -> dict[str, str]:
    """What of the cards' decisions stays the gateway's; nothing that is answered depends on it."""
    found: dict[str, str] = {}
    for described in card.signatures.values():
        for output, head in described.heads.items():
            applied = head.resolve(Options())
            if applied.prediction_set is not None:
                found[f"prediction sets of {output}"] = "they have no formula in TensorFlow's ops"
            if applied.top_k is not None:
                found[f"top_k of {output}"] = "the probabilities of all classes are answered"
    return found


def _check_not_baked(version: CardedVersion) -> None:
    for name in version.card.signatures:
        if (taken := added_name(HEADWISE, name)) in version.saved.signatures:
            raise UnsupportedError(
                f"{version.folder}: has a signature {taken!r}, so it is baked already: "
                "bake the version that it was made from"
            )


def _prove(version: CardedVersion, draft: Path) -> int:
    """Hold the new version against the card on the golden records and on made-up rows; how many rows they were.

    Raises: UnsupportedError where it answers otherwise; HeadMismatchError where the model contradicts its card.
    """
    golden, rows = read_golden(version.folder), 0
    with RunnableModel(draft) as model:
        for record in golden:
            _check_golden(model, record, version)
        for name, described in version.card.signatures.items():
            signature = version.saved.signatures[name]
            own = [record.inputs for record in golden if record.signature_name == name]
            with contextlib.suppress(CannotMakeUpError):
                for inputs in rows_to_try(signature, own):
                    rows += _check_baked(model, name, described.heads, inputs, signature.output_dtypes)
    return rows


def _check_golden(model: RunnableModel, record: GoldenRecord, version: CardedVersion) -> None:
    name = record.signature_name
    came = model.raw_outputs(record.inputs, name, outputs=tuple(record.outputs))
    dtypes = version.saved.signatures[name].output_dtypes
    if found := difference(record, came, version.card.heads_of(name), dtypes=dtypes):
        raise UnsupportedError(f"the model, saved anew, does not answer a golden record: {found}")


def _check_baked(
    model: RunnableModel,
    signature_name: str,
    heads: Mapping[str, Head],
    inputs: Mapping[str, Array],
    dtypes: Mapping[str, str],
) -> int:
    raw = model.raw_outputs(inputs, signature_name, outputs=tuple(heads))
    expected = {output: head.answer(raw[output]) for output, head in heads.items()}
    baked = model.raw_outputs(inputs, added_name(HEADWISE, signature_name))
    for output, head in heads.items():
        prefix = f"{output}." if len(heads) > 1 else ""
        own = {name.removeprefix(prefix): array for name, array in baked.items() if name.startswith(prefix)}
        if differing := _differing(expected[output], own, standing(head, raw[output], dtypes[output])):
            raise UnsupportedError(f"head {output!r}: baked {differing} are not those of the card on every row")
    return len(next(iter(raw.values())))


def _differing(expected: Prediction, baked: Mapping[str, Array], stands: NDArray[np.bool_]) -> str | None:
    """The first of the baked outputs that is not what the card says, decisions only where no rounding flips them."""
    numbers: dict[str, Array | None] = {
        "probabilities": expected.probabilities,
        "margin": expected.margins,
        "value": expected.values,
    }
    decided: dict[str, Array | None] = {"decisions": expected.decisions, "indices": expected.indices}
    for name, array in numbers.items():
        if array is not None and not np.allclose(baked[name], array, rtol=TOLERANCE, atol=TOLERANCE):
            return name
    for name, array in decided.items():
        if array is not None and ((baked[name] != array) & stands).any():
            return name
    return None
