"""Writes a version's card from what its graph shows and what the user says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headwise import savedmodel
from headwise.diagnostics.catalogue import diagnose
from headwise.diagnostics.diagnostic import Diagnostic
from headwise.diagnostics.facts import Facts
from headwise.diagnostics.proposal import Proposal, propose
from headwise.diagnostics.refusal import refuse_errors
from headwise.diagnostics.suggestion import readable
from headwise.diagnostics.survey import of_saved_model
from headwise.errors import InvalidCardError, UnreadableModelError
from headwise.heads import Activation, HeadCard, SignatureHeads, Task
from headwise.heads.spec import Encoding
from headwise.repository.card_change import change_card
from headwise.repository.cards import CARD_PATH, fitted, read_card
from headwise.savedmodel import SavedModel
from headwise.savedmodel.signature import DEFAULT_SIGNATURE


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user says of one output."""

    labels: tuple[str, ...] = ()
    task: Task | None = None
    activation: Activation | None = None
    encoding: Encoding | None = None


@dataclass(frozen=True, slots=True)
class Attached:
    """A card that was written. because: by output, how each thing in it is known. golden: records decided anew.

    dropped: outputs that had a head in the card that was replaced, and have none now; those of another signature as
    `signature.output`.
    """

    file: Path
    card: HeadCard
    because: Mapping[str, tuple[str, ...]]
    diagnostics: tuple[Diagnostic, ...]
    golden: int = 0
    dropped: tuple[str, ...] = ()


def attach(
    version: Path, wishes: Mapping[str, Wish], signature_name: str = DEFAULT_SIGNATURE, *, replace: bool = False
) -> Attached:
    """Write the card of a version folder: a head for each output that `wishes` names, the others stay raw.

    Golden records beside it are decided anew: a card does not change what the model answers.

    Raises: InvalidCardError for what cannot be known, cannot be, is there already, or contradicts the golden
    records; UnreadableModelError; ConfigurationError if it cannot be written.
    """
    if not replace:
        _check_free(version)
    model = savedmodel.read(version)
    proposals = {output: _proposal(model, signature_name, output, wish) for output, wish in wishes.items()}
    heads = {output: proposal.head for output, proposal in proposals.items()}
    card = fitted(HeadCard(1, {signature_name: SignatureHeads(heads)}), model)
    found = of_saved_model(model, card)
    refuse_errors(found)
    dropped = _dropped(version, card, signature_name)
    changed = change_card(version, card)
    reasons = {output: proposal.because for output, proposal in proposals.items()}
    return Attached(changed.file, card, reasons, found, changed.golden, dropped)


def outputs_of(version: Path, signature_name: str = DEFAULT_SIGNATURE) -> tuple[str, ...]:
    """The names of a signature's outputs that a head could read.

    Raises: UnreadableModelError, InvalidCardError where there is no such signature.
    """
    model = savedmodel.read(version)
    if signature_name not in model.signatures:
        raise InvalidCardError(
            f"{version}: has no signature {signature_name!r}; its signatures are "
            + (", ".join(map(repr, model.signatures)) or "none")
        )
    return tuple(readable(model, signature_name))


def _dropped(version: Path, card: HeadCard, signature_name: str) -> tuple[str, ...]:
    """Outputs with a head in the card that is there now, and none in this one; of an invalid card nothing is known."""
    try:
        before = read_card(version)
    except InvalidCardError:
        return ()
    return tuple(
        output if name == signature_name else f"{name}.{output}"
        for name, signature in (before.card.signatures if before else {}).items()
        for output in signature.heads
        if output not in card.heads_of(name)
    )


def _check_free(version: Path) -> None:
    file = version / CARD_PATH
    try:
        there = file.read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return
    except OSError as error:
        raise UnreadableModelError(f"{file}: {error.strerror}") from error
    raise InvalidCardError(f"{file}: is there already, and --force would replace it:\n{there.rstrip()}")


def _proposal(model: SavedModel, signature_name: str, output: str, wish: Wish) -> Proposal:
    """What the graph and the user say of an output; a refusal comes with the catalogue's word, if it has one."""
    detected = model.detected[signature_name][output]
    try:
        return propose(
            detected,
            labels=wish.labels,
            task=wish.task,
            activation=wish.activation,
            encoding=wish.encoding,
        )
    except InvalidCardError as error:
        where = f"{signature_name}.{output}"
        found = diagnose(Facts(where, detected, labels=len(wish.labels) or None))
        codes = ", ".join(one.code for one in found if one.severity == "error" and one.code not in str(error))
        raise type(error)(f"{output}: {error}{f' ({codes})' if codes else ''}") from error
