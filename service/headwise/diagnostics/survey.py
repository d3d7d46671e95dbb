"""From a model to its diagnostics: Facts for each output, held against the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from headwise.diagnostics.catalogue import diagnose, errors_first
from headwise.diagnostics.diagnostic import Diagnostic
from headwise.diagnostics.facts import Facts
from headwise.heads import Head, HeadCard
from headwise.savedmodel import SavedModel
from headwise.savedmodel.keras import KerasModel
from headwise.savedmodel.signature import DEFAULT_SIGNATURE

MODEL_FINGERPRINT = "model_fingerprint"
"""The key of the evidence that says which model it was measured on."""

EXPIRES = "expires"
"""The key of the evidence that says up to which day its calibration is meant to be used."""


def of_saved_model(model: SavedModel, card: HeadCard | None, today: date | None = None) -> tuple[Diagnostic, ...]:
    """What the graph and its card say; of a model without card, what its graph says.

    today: against which a calibration's last day is held; the day that it is, if left out.
    """
    surveyed = facts_of_saved_model(model, card, today)
    return errors_first(diagnostic for facts in surveyed for diagnostic in diagnose(facts))


def of_keras(model: KerasModel) -> tuple[Diagnostic, ...]:
    """What the layers and the training configuration say."""
    return errors_first(diagnostic for facts in facts_of_keras(model) for diagnostic in diagnose(facts))


def facts_of_saved_model(model: SavedModel, card: HeadCard | None, today: date | None = None) -> tuple[Facts, ...]:
    """One for each output that a head could read; `where` is "signature.output"."""
    record = None if card is None else card.model
    told = _told_once(model, card)
    today = today or datetime.now(UTC).date()
    return tuple(
        Facts(
            where=f"{signature}.{output}",
            detected=detected,
            declared=_declared(card, signature, output),
            dtype=model.signatures[signature].outputs[output].dtype,
            fingerprint=model.fingerprint,
            card_fingerprint=None if record is None else record.fingerprint,
            fitted_fingerprint=_text(_evidence(card, signature, output).get(MODEL_FINGERPRINT)),
            expired=_expired(_evidence(card, signature, output).get(EXPIRES), today),
            cardless=card is None and signature == told[0],
        )
        for signature in told
        for output, detected in model.detected[signature].items()
    )


def facts_of_keras(model: KerasModel) -> tuple[Facts, ...]:
    """One for each output; `where` is its name."""
    return tuple(
        Facts(where=name, detected=output.head, training=output.training) for name, output in model.outputs.items()
    )


def _told_once(model: SavedModel, card: HeadCard | None) -> tuple[str, ...]:
    """The signatures with something to say, the default one first.

    Keras exports one function under two names, `serve` and `serving_default`: the second says nothing new,
    unless the card names it.
    """
    named = frozenset() if card is None else card.signatures.keys()
    told: list[str] = []
    for name in sorted(model.detected, key=lambda name: (name != DEFAULT_SIGNATURE, name)):
        if name in named or not any(_says(model, name) == _says(model, other) for other in told):
            told.append(name)
    return tuple(told)


def _says(model: SavedModel, signature: str) -> tuple[object, ...]:
    """All but the paths: one name may lead through a call more."""
    detected = model.detected[signature].items()
    return model.signatures[signature].outputs, {name: replace(head, path=()) for name, head in detected}


def _declared(card: HeadCard | None, signature: str, output: str) -> Head | None:
    heads = None if card is None else card.signatures.get(signature)
    return None if heads is None else heads.heads.get(output)


def _evidence(card: HeadCard | None, signature: str, output: str) -> Mapping[str, Any]:
    """What the card says of how an output's head was measured; nothing where it says it in no known form."""
    found = None if _declared(card, signature, output) is None or card is None else card.evidence.get(output)
    return found if isinstance(found, Mapping) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _expired(expires: object, today: date) -> str | None:
    """The last day where it is over, and what cannot be read as one."""
    if expires is None:
        return None
    try:
        last = date.fromisoformat(expires) if isinstance(expires, str) else None
    except ValueError:
        last = None
    if last is None:
        return f"the day that its evidence calls {expires!r}, which is no date such as 2027-01-31"
    return None if today <= last else last.isoformat()
