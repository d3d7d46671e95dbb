"""Two softmax units as one logit unit, and back: the same answers from another head, as a new version."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from headwise.diagnostics.golden import GoldenRecord, choose, decide_anew
from headwise.errors import HeadNotFoundError, InvalidRequestError, UnsupportedError
from headwise.heads import Activation, Head, HeadCard, ModelRecord, SignatureHeads
from headwise.repository.card_writer import write_card
from headwise.repository.cards import check_card
from headwise.repository.golden_file import read_golden, write_golden
from headwise.savedmodel import read
from headwise.savedmodel.signature import DEFAULT_SIGNATURE
from headwise.training.affine_head import one_unit, two_units
from headwise.training.described import described
from headwise.training.head_surgery import replace_head
from headwise.training.publish import drafting
from headwise.training.rows import CannotMakeUpError, made_up
from headwise.training.run import RunnableModel, checked_inputs, signature_of

Array = NDArray[Any]
Form = Literal["one-unit", "two-unit"]

TOLERANCE = 1e-6
"""How far the probabilities of old and new version may lie apart on the rows that are tried."""

_FORMS: Mapping[Form, Any] = {"one-unit": one_unit, "two-unit": two_units}
_EXTRA = "assets.extra"


@dataclass(frozen=True, slots=True)
class Rewritten:
    """version: the new folder. apart: the largest distance of two probabilities, on how many rows."""

    version: Path
    output: str
    before: Head
    after: Head
    apart: float
    rows: int
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
    The new version appears only when its probabilities are those of the old one, within TOLERANCE, and its
    decisions the same.

    Raises: UnsupportedError for a head that cannot be rewritten, or that would answer otherwise; HeadNotFoundError
    without a card; and what loading, running and publishing raise.
    """
    if form not in get_args(Form):
        raise InvalidRequestError(f"form is {form!r}: it must be one of {', '.join(get_args(Form))}")
    version = version if version.name else version.absolute()
    if not version.name.isdecimal():
        raise InvalidRequestError(
            f"{version}: is no models/NAME/VERSION, beside which the next version could be written"
        )
    model, _ = described(version)
    name, before = _only_binary(model.heads(signature_name), output)
    card, records = model.valid_card().card, read_golden(version)
    tried = _tried(version, signature_name, records, rows)
    with drafting(version.parent) as draft:
        replaced = replace_head(version, draft.folder, signature_name, name, _FORMS[form])
        if replaced.old.activation != before.activation:
            raise UnsupportedError(
                f"the card says that output {name!r} is {before.activation}, but its graph ends in "
                f"{replaced.old.activation}: correct the card first"
            )
        after = replace(before, activation="linear" if form == "one-unit" else "softmax")
        with RunnableModel(version) as olds, RunnableModel(draft.folder) as news:
            apart, count = _compare(olds, news, signature_name, name, (before, after), tried)
            if (version / _EXTRA).is_dir():
                shutil.copytree(version / _EXTRA, draft.folder / _EXTRA, dirs_exist_ok=True)
            written = _write_card(draft.folder, card, replaced.signatures, name, after.activation)
            records = tuple(
                _anew(record, news, written) if record.signature_name in replaced.signatures else record
                for record in records
            )
            if not any(record.signature_name == signature_name for record in records):
                inputs, heads = tried[0], written.signatures[signature_name].heads
                specs = signature_of(draft.folder, signature_name).outputs
                dtypes = {output: spec.dtype for output, spec in specs.items()}
                raw = news.raw_outputs(inputs, signature_name)
                records += choose(signature_name, inputs, raw, heads, dtypes=dtypes)
        if records:
            write_golden(draft.folder, records, version.parent.name)
    return Rewritten(draft.version, name, before, after, apart, count, len(records))


def _only_binary(heads: Mapping[str, Head], output: str | None) -> tuple[str, Head]:
    if output is not None and output not in heads:
        raise HeadNotFoundError(f"no head {output!r}; the card describes {', '.join(map(repr, heads))}")
    binary = {name: head for name, head in heads.items() if head.task == "binary" and output in (None, name)}
    if len(binary) != 1:
        listed = ", ".join(f"{name!r} is {head.task}" for name, head in heads.items())
        choose_one = "; choose one with --output" if len(binary) > 1 else ""
        raise UnsupportedError(f"only a binary head can be rewritten, but {listed}{choose_one}")
    return next(iter(binary.items()))


def _tried(
    version: Path, signature_name: str, records: tuple[GoldenRecord, ...], rows: Mapping[str, Array] | None
) -> list[Mapping[str, Array]]:
    """Batches of inputs on which the two versions are compared.

    Raises: InvalidRequestError if there are none.
    """
    golden = [record.inputs for record in records if record.signature_name == signature_name]
    signature = signature_of(version, signature_name)
    if rows is not None:
        return [checked_inputs(rows, signature)[0], *golden]
    try:
        return [made_up(signature).inputs, *golden]
    except CannotMakeUpError as error:
        if golden:
            return golden
        raise InvalidRequestError(f"{error}, and there are no golden records: give rows with --data") from error


def _compare(
    olds: RunnableModel,
    news: RunnableModel,
    signature_name: str,
    output: str,
    heads: tuple[Head, Head],
    tried: list[Mapping[str, Array]],
) -> tuple[float, int]:
    """The largest distance of two probabilities, and the number of rows.

    Raises: UnsupportedError if they are further apart than TOLERANCE, or decide differently.
    """
    apart, count = 0.0, 0
    for inputs in tried:
        old, new = (
            head.answer(model.raw_outputs(inputs, signature_name, outputs=(output,))[output])
            for model, head in zip((olds, news), heads, strict=True)
        )
        assert old.probabilities is not None
        assert new.probabilities is not None
        apart = max(apart, float(np.abs(old.probabilities - new.probabilities).max()))
        count += len(old.probabilities)
        if not np.array_equal(np.asarray(old.indices), np.asarray(new.indices)):
            raise UnsupportedError("old and new head decide differently on a row, which lies at the cut")
    if not apart <= TOLERANCE:
        raise UnsupportedError(
            f"old and new probabilities lie up to {apart:.2g} apart on {count} rows, more than {TOLERANCE:g}: "
            "the numbers are too coarse (large features, or half precision) to be rewritten"
        )
    return apart, count


def _write_card(
    draft: Path, card: HeadCard, signatures: tuple[str, ...], output: str, activation: Activation
) -> HeadCard:
    """Write the card with another activation for an output of these signatures; returns it."""
    saved = read(draft)
    heads = {name: dict(signature.heads) for name, signature in card.signatures.items()}
    for name in heads.keys() & set(signatures):
        if output in heads[name]:
            heads[name][output] = replace(heads[name][output], activation=activation)
    proved = all(
        saved.detected[name][output].activation == head.activation
        for name, described in heads.items()
        for output, head in described.items()
    )
    written = replace(
        card,
        signatures={name: SignatureHeads(described) for name, described in heads.items()},
        model=ModelRecord(saved.fingerprint, verified=proved),
    )
    check_card(written, saved)
    write_card(draft, written)
    return written


def _anew(record: GoldenRecord, model: RunnableModel, card: HeadCard) -> GoldenRecord:
    """The record with what the new version answers."""
    name = record.signature_name
    heads = card.signatures[name].heads if name in card.signatures else {}
    return decide_anew(replace(record, outputs=model.raw_outputs(record.inputs, name)), heads)
