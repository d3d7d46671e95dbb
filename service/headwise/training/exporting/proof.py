"""Runs an exported version on rows: its golden records, and what its numbers say of its heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headwise.diagnostics.data import DataFacts, observe
from headwise.diagnostics.golden import GoldenRecord, choose
from headwise.errors import HeadMismatchError, HeadwiseError, UnreadableModelError
from headwise.heads import Head
from headwise.savedmodel.signature import DEFAULT_SIGNATURE, Signature
from headwise.training.rows import Array, Names, given, made_up
from headwise.training.run import checked_inputs, raw_outputs


@dataclass(frozen=True, slots=True)
class Validation:
    """Rows to prove an export with. data: in any of Keras's forms; None to make rows up.

    as_trained: the targets are those of the loss; otherwise class indices, a 0/1 matrix or values.
    """

    data: Any = None
    as_trained: bool = True


@dataclass(frozen=True, slots=True)
class Proof:
    """records: golden ones. without: why there are none. facts: by output, of the rows that the user gave."""

    records: tuple[GoldenRecord, ...]
    without: str | None = None
    facts: Mapping[str, DataFacts] = field(default_factory=dict)


def prove(
    version: Path, signature: Signature, heads: Mapping[str, Head], validation: Validation, names: Names
) -> Proof:
    """Run the exported version itself, not the model in memory: it is what will be served.

    Made-up rows show what the graph computes. They are nobody's data, and so say nothing of constant or saturated
    outputs; numbers that contradict a head do so whatever the rows.

    Raises: InvalidRequestError for rows that do not fit; HeadMismatchError for made-up rows whose numbers
    contradict the heads; UnreadableModelError if TensorFlow cannot load the version.
    """
    if validation.data is None:
        return _by_made_up_rows(version, signature, heads)
    rows = given(validation.data, signature, names, tuple(heads))
    inputs, _ = checked_inputs(rows.inputs, signature)
    raw = raw_outputs(version, inputs, outputs=tuple(heads))
    facts = {name: observe(raw[name], rows.targets.get(name)) for name in heads}
    records = choose(DEFAULT_SIGNATURE, signature, inputs, raw, heads)
    without = None if records else _without("no row has a finite answer that is clear of its cut", "give other rows")
    return Proof(records, without, facts)


def _by_made_up_rows(version: Path, signature: Signature, heads: Mapping[str, Head]) -> Proof:
    try:
        rows = made_up(signature)
        raw = raw_outputs(version, rows.inputs, outputs=tuple(heads))
    except (UnreadableModelError, HeadMismatchError):
        raise
    except HeadwiseError as error:
        return Proof((), _without(str(error).removeprefix(f"{version}: ")))
    _check(raw, heads)
    if broken := [name for name in heads if _is_never_finite(raw[name])]:
        return Proof((), _without(f"{', '.join(broken)}: the model answers every made-up row with NaN or infinity"))
    records = choose(DEFAULT_SIGNATURE, signature, rows.inputs, raw, heads)
    return Proof(records, None if records else _without("no made-up row has a finite answer that is clear of its cut"))


def _is_never_finite(raw: Array) -> bool:
    """A warning, no refusal: made-up rows may lie where the model is not defined, such as below a logarithm."""
    seen = observe(raw).raw
    return seen is not None and seen.broken == seen.rows


def _check(raw: Mapping[str, Array], heads: Mapping[str, Head]) -> None:
    """Raises: HeadMismatchError if finite numbers contradict a head."""
    for name, head in heads.items():
        finite = np.isfinite(raw[name]).reshape(len(raw[name]), -1).all(axis=1)
        if finite.any():
            try:
                head.answer(raw[name][finite])
            except HeadMismatchError as error:
                raise type(error)(f"{name}: {error}") from error


def _without(reason: str, advice: str = "give rows of your data as validation_data (--data in a terminal)") -> str:
    return f"no golden records were written: {reason}; {advice}"
