"""From a Keras model in memory to a servable version with its head card."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from headwise.errors import InvalidCardError
from headwise.heads import Head, HeadCard, ModelRecord, SignatureHeads
from headwise.repository.card_writer import write_card
from headwise.repository.cards import check_card
from headwise.savedmodel import TensorSpec, read
from headwise.savedmodel.signature import DEFAULT_SIGNATURE

if TYPE_CHECKING:
    import keras


def export(model: keras.Model, to: str | Path, heads: Head | Mapping[str, Head], *, version: int | None = None) -> Path:
    """Export `model` as `to/<version>` with its head card, and return that folder.

    heads: one head for a model with one output, or heads by the signature's output names.
    version: a number that is free; the next free one if left out.
    The version is built in a hidden folder beside it and appears in one rename, so that a model server that
    polls `to` never sees half of it; what is refused leaves nothing behind.

    Raises: InvalidCardError if the heads do not fit the model's outputs, FileExistsError if the version is
    taken, ValueError if it is negative, TypeError if `to` is no path.
    """
    if not isinstance(to, str | Path):
        raise TypeError(f"to is {to!r}: it must be the model's folder, such as 'models/tumor'")
    to = Path(to)
    if version is not None and version < 0:
        raise ValueError(f"version is {version}: it must be 0 or more")
    target = to / str(_next_version(to) if version is None else version)
    if target.exists():
        raise FileExistsError(f"{target} is already there: a version is never replaced, choose another number")
    draft = to / f".export-{uuid4().hex}"
    try:
        model.export(str(draft), verbose=False)
        write_card(draft, _card(draft, heads))
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        with contextlib.suppress(OSError):
            to.rmdir()  # succeeds only where nothing else is in it
    return target


def _next_version(to: Path) -> int:
    """One more than the largest version there is; TensorFlow Serving serves the largest."""
    names = (entry.name for entry in to.iterdir()) if to.is_dir() else ()
    return 1 + max((int(name) for name in names if name.isascii() and name.isdecimal()), default=0)


def _card(draft: Path, heads: Head | Mapping[str, Head]) -> HeadCard:
    """The card of an exported model, held against its signature."""
    saved = read(draft)
    outputs = saved.signatures[DEFAULT_SIGNATURE].outputs
    named = {_only(outputs): heads} if isinstance(heads, Head) else dict(heads)
    card = HeadCard(
        card_version=1,
        signatures={DEFAULT_SIGNATURE: SignatureHeads(named)},
        model=ModelRecord(saved.fingerprint, verified=True),
    )
    check_card(card, saved)
    return card


def _only(outputs: Mapping[str, TensorSpec]) -> str:
    names = tuple(outputs)
    if len(names) != 1:
        raise InvalidCardError(
            f"one head is given for {len(names)} outputs: give each by name, from {', '.join(names)}"
        )
    return names[0]
