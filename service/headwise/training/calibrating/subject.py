"""What is to be calibrated: a version, its card, and those of its heads that are meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headwise.errors import CalibrationError, CalibrationMismatchError
from headwise.heads import Head, HeadCard
from headwise.repository.cards import read_card
from headwise.repository.examination import Examination, examine
from headwise.savedmodel import SavedModel
from headwise.savedmodel.signature import DEFAULT_SIGNATURE
from headwise.training.version import CardedVersion, read_carded


@dataclass(frozen=True)
class Subject:
    """heads: those to calibrate, by output. digest: of the card as it was read.

    passed_over: outputs whose heads have nothing to calibrate.
    """

    version: Path
    saved: SavedModel
    card: HeadCard
    digest: str
    signature_name: str
    heads: Mapping[str, Head]
    passed_over: tuple[str, ...] = ()


def read_subject(version: Path, signature_name: str = DEFAULT_SIGNATURE, output: str | None = None) -> Subject:
    """Read a version folder for calibration; `output` chooses one of its heads.

    A card whose calibrations were fitted on another model is taken, if all of them are to be replaced.

    Raises: HeadNotFoundError without card or head; InvalidCardError if the card is refused; UnreadableModelError;
    CalibrationError for a head that has nothing to calibrate.
    """
    found = examine(version)
    carded = _taken(version, found)
    heads = carded.heads(signature_name, output)
    meant = {name: head for name, head in heads.items() if head.task != "regression"}
    if not meant:
        raise CalibrationError(
            f"{version}: {', '.join(map(repr, heads))} is a regression: it has no probabilities to calibrate; "
            "binary, multiclass, multilabel and ordinal heads have"
        )
    file = read_card(version)
    assert file is not None
    if isinstance(found.refusal, CalibrationMismatchError):
        _check_none_left(carded, signature_name, meant, found.refusal)
    passed_over = tuple(name for name in heads if name not in meant)
    return Subject(version, carded.saved, carded.card, file.digest, signature_name, meant, passed_over)


def _taken(version: Path, found: Examination) -> CardedVersion:
    """The version as `read_carded` takes it, or with calibrations of another model."""
    if not isinstance(found.refusal, CalibrationMismatchError):
        return read_carded(version)
    card = read_card(version)
    assert found.model is not None
    assert card is not None
    return CardedVersion(version, found.model, card.card)


def _check_none_left(
    carded: CardedVersion, signature_name: str, meant: Mapping[str, Head], refusal: CalibrationMismatchError
) -> None:
    """Raises: CalibrationMismatchError where a calibration of another model would stay, and pass for this model's."""
    left = [
        f"{name}.{output}"
        for name, signature in carded.card.signatures.items()
        for output, head in signature.heads.items()
        if head.calibration is not None and not (name == signature_name and output in meant)
    ]
    if left:
        raise CalibrationMismatchError(
            f"{refusal}; here {', '.join(left)} would keep a calibration of the other model: calibrate all heads "
            "together, without --output"
        )
