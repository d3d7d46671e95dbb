"""Writes the whole head into a model's graph, so that a TensorFlow Serving without any gateway answers as it would."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.diagnostics.golden import GoldenRecord, difference
from headwise.diagnostics.rounding import standing
from headwise.errors import InvalidRequestError, UnsupportedError
from headwise.heads import Head, HeadCard, ModelRecord, Prediction
from headwise.repository.card_writer import write_card
from headwise.repository.cards import check_card
from headwise.repository.golden_file import read_golden
from headwise.savedmodel import SavedModel, read
from headwise.savedmodel.signature import Signature
from headwise.training.bake_graph import HEADWISE, added_name, write_graph
from headwise.training.described import described
from headwise.training.publish import drafting
from headwise.training.rows import CannotMakeUpError, made_up
from headwise.training.run import RunnableModel, signature_of

TOLERANCE = 1e-4
"""How far baked probabilities may lie from the card's on the rows that are tried: two runs of one float32 network
differ by rounding, which a low temperature stretches."""

_EXTRA = "assets.extra"
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
    HeadNotFoundError without a card, HeadConfigError for a refused one; HeadMismatchError where the model
    contradicts its card; and what running and publishing raise.
    """
    version = version if version.name else version.absolute()
    if not version.name.isdecimal():
        raise InvalidRequestError(
            f"{version}: is no models/NAME/VERSION, beside which the next version could be written"
        )
    model, saved = described(version)
    card = model.valid_card().card
    _check_not_baked(version, card, saved)
    with drafting(version.parent) as draft:
        added, without = write_graph(version, draft.folder, card, saved)
        if (version / _EXTRA).is_dir():
            shutil.copytree(version / _EXTRA, draft.folder / _EXTRA)
        _write_card(draft.folder, card)
        rows = _prove(version, draft.folder, card)
    return BakedModel(draft.version, added, without, rows)


def _check_not_baked(version: Path, card: HeadCard, saved: SavedModel) -> None:
    for name in card.signatures:
        if (taken := added_name(HEADWISE, name)) in saved.signatures:
            raise UnsupportedError(
                f"{version}: has a signature {taken!r}, so it is baked already: bake the version that it was made from"
            )


def _write_card(draft: Path, card: HeadCard) -> None:
    """The same heads, for the new version's fingerprint."""
    saved = read(draft)
    proved = all(
        saved.detected[name][output].activation == head.activation
        for name, signature in card.signatures.items()
        for output, head in signature.heads.items()
    )
    written = replace(card, model=ModelRecord(saved.fingerprint, verified=proved))
    check_card(written, saved)
    write_card(draft, written)


def _prove(version: Path, draft: Path, card: HeadCard) -> int:
    """Hold the new version against the card on the golden records and on made-up rows; how many rows they were.

    Raises: UnsupportedError where it answers otherwise; HeadMismatchError where the model contradicts its card.
    """
    golden, rows = read_golden(version), 0
    with RunnableModel(draft) as model:
        for record in golden:
            _check_golden(model, record, card, _dtypes(signature_of(draft, record.signature_name)))
        for name, described_heads in card.signatures.items():
            signature = signature_of(draft, name)
            for inputs in _tried([record.inputs for record in golden if record.signature_name == name], signature):
                rows += _check_baked(model, name, described_heads.heads, inputs, _dtypes(signature))
    return rows


def _check_golden(model: RunnableModel, record: GoldenRecord, card: HeadCard, dtypes: Mapping[str, str]) -> None:
    name = record.signature_name
    heads = card.signatures[name].heads if name in card.signatures else {}
    came = model.raw_outputs(record.inputs, name)
    if found := difference(record, came, heads, dtypes=dtypes):
        raise UnsupportedError(f"the model, saved anew, does not answer a golden record: {found}")


def _tried(golden: Sequence[Mapping[str, Array]], signature: Signature) -> Iterator[Mapping[str, Array]]:
    yield from golden
    with contextlib.suppress(CannotMakeUpError):
        yield made_up(signature).inputs


def _dtypes(signature: Signature) -> dict[str, str]:
    return {name: spec.dtype for name, spec in signature.outputs.items()}


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
