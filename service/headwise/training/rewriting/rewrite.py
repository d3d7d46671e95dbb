"""Two softmax units as one logit unit, and back: the same answers from another head, as a new version."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from headwise.diagnostics.golden import GoldenRecord, decide_anew
from headwise.errors import InvalidRequestError, UnsupportedError
from headwise.heads import Activation, Head, HeadCard, SignatureHeads
from headwise.repository.golden_file import read_golden, write_golden
from headwise.savedmodel.signature import DEFAULT_SIGNATURE, Signature
from headwise.training.publish import drafting_after
from headwise.training.rewriting.affine_head import AffineHead, one_unit, two_units
from headwise.training.rewriting.head_surgery import replace_head
from headwise.training.rows import CannotMakeUpError, rows_to_try
from headwise.training.run import RunnableModel, checked_inputs
from headwise.training.version import carry_on, read_carded

Array = NDArray[Any]
Form = Literal["one-unit", "two-unit"]

TOLERANCE = 1e-6
"""How far the probabilities of old and new version may lie apart on the rows that are tried."""

_FORMS: Mapping[str, tuple[Callable[[AffineHead], AffineHead], Activation]] = {
    "one-unit": (one_unit, "linear"),
    "two-unit": (two_units, "softmax"),
}


@dataclass(frozen=True, slots=True)
class Rewritten:
    """version: the new folder. apart: the largest distance of two probabilities, on how many rows.

    flipped: how many of them lie so near the cut that they are decided differently.
    """

    version: Path
    output: str
    before: Head
    after: Head
    apart: float
    rows: int
    flipped: int
    golden_records: int


def rewrite(
    version: Path,
    form: Form,
    signature_name: str = DEFAULT_SIGNATURE,
    *,
    output: str | None = None,
    rows: Mapping[str, Array] | None = None,
) -> Rewritten:
    """Write the next version of a model with its binary head in the other form, and its card.

    rows: inputs by name on which old and new are compared, besides the golden records'; made up if left out.
    The new version appears only when its probabilities are those of the old one, within TOLERANCE. Its golden
    records are the old inputs, and what it answers to them.

    Raises: UnsupportedError for a head that cannot be rewritten, or that would answer otherwise; HeadNotFoundError
    without a card, InvalidCardError for a refused one; and what loading, running and publishing raise.
    """
    if form not in _FORMS:
        raise InvalidRequestError(f"form is {form!r}: it must be one of {', '.join(_FORMS)}")
    new_layer, activation = _FORMS[form]
    carded = read_carded(version)
    name, before = _only_binary(carded.heads(signature_name, output))
    after = replace(before, activation=activation)
    golden = read_golden(version)
    own = [record.inputs for record in golden if record.signature_name == signature_name]
    tried = _tried(carded.saved.signatures[signature_name], own, rows)
    with drafting_after(version) as draft:
        replaced = replace_head(version, draft.folder, signature_name, name, new_layer)
        if replaced.old.activation != before.activation:
            raise UnsupportedError(
                f"the card says that output {name!r} is {before.activation}, but its graph ends in "
                f"{replaced.old.activation}: correct the card first"
            )
        card = carry_on(version, draft.folder, _with_activation(carded.card, replaced.signatures, name, activation))
        with RunnableModel(version) as old, RunnableModel(draft.folder) as new:
            apart, count, flipped = _compare(old, new, signature_name, name, (before, after), tried)
            golden = tuple(_anew(record, new, card) for record in golden)
        write_golden(draft.folder, golden, version.absolute().parent.name)
    return Rewritten(draft.version, name, before, after, apart, count, flipped, len(golden))


def _only_binary(heads: Mapping[str, Head]) -> tuple[str, Head]:
    binary = {name: head for name, head in heads.items() if head.task == "binary"}
    if len(binary) != 1:
        listed = ", ".join(f"{name!r} is {head.task}" for name, head in heads.items())
        choose_one = "; choose one with --output" if len(binary) > 1 else ""
        raise UnsupportedError(f"only a binary head can be rewritten, but {listed}{choose_one}")
    return next(iter(binary.items()))


def _tried(
    signature: Signature, golden: Sequence[Mapping[str, Array]], rows: Mapping[str, Array] | None
) -> list[Mapping[str, Array]]:
    """Batches of inputs on which the two versions are compared.

    Raises: InvalidRequestError if there are none, InvalidTensorError for rows that do not fit.
    """
    if rows is not None:
        return [checked_inputs(rows, signature)[0], *golden]
    try:
        return rows_to_try(signature, golden)
    except CannotMakeUpError as error:
        raise InvalidRequestError(f"{error}, and there are no golden records: give rows (--data, rows=)") from error


def _with_activation(card: HeadCard, signatures: Sequence[str], output: str, activation: Activation) -> HeadCard:
    """The card with another activation for an output of these signatures."""
    heads = {name: dict(signature.heads) for name, signature in card.signatures.items()}
    for name in heads.keys() & set(signatures):
        if output in heads[name]:
            heads[name][output] = replace(heads[name][output], activation=activation)
    return replace(card, signatures={name: SignatureHeads(described) for name, described in heads.items()})


def _compare(
    old: RunnableModel,
    new: RunnableModel,
    signature_name: str,
    output: str,
    heads: tuple[Head, Head],
    tried: Sequence[Mapping[str, Array]],
) -> tuple[float, int, int]:
    """The largest distance of two probabilities, the number of rows, and of those that are decided differently.

    Raises: UnsupportedError if they are further apart than TOLERANCE.
    """
    apart, count, flipped = 0.0, 0, 0
    for inputs in tried:
        was, now = (
            head.answer(model.raw_outputs(inputs, signature_name, outputs=(output,))[output])
            for model, head in zip((old, new), heads, strict=True)
        )
        assert was.probabilities is not None
        assert now.probabilities is not None
        apart = max(apart, float(np.abs(was.probabilities - now.probabilities).max()))
        count += len(was.probabilities)
        flipped += int((np.asarray(was.indices) != np.asarray(now.indices)).sum())
    if not apart <= TOLERANCE:
        raise UnsupportedError(
            f"old and new probabilities lie up to {apart:.2g} apart on {count} rows, more than {TOLERANCE:g}: "
            "the numbers are too coarse (large features, or half precision) to be rewritten"
        )
    return apart, count, flipped


def _anew(record: GoldenRecord, model: RunnableModel, card: HeadCard) -> GoldenRecord:
    """The record with what the new version answers."""
    name = record.signature_name
    outputs = model.raw_outputs(record.inputs, name, outputs=tuple(record.outputs))
    return decide_anew(replace(record, outputs=outputs), card.heads_of(name))
