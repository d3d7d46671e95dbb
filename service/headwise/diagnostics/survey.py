"""From a model to its diagnostics: Facts for each output, held against the catalogue."""

from __future__ import annotations

from dataclasses import replace

from headwise.diagnostics.catalogue import diagnose, errors_first
from headwise.diagnostics.diagnostic import Diagnostic
from headwise.diagnostics.facts import Facts
from headwise.heads import Head, HeadCard
from headwise.savedmodel import SavedModel
from headwise.savedmodel.keras import KerasModel
from headwise.savedmodel.signature import DEFAULT_SIGNATURE


def of_saved_model(model: SavedModel, card: HeadCard | None) -> tuple[Diagnostic, ...]:
    """What the graph and its card say; of a model without card, what its graph says."""
    return errors_first(diagnostic for facts in facts_of_saved_model(model, card) for diagnostic in diagnose(facts))


def of_keras(model: KerasModel) -> tuple[Diagnostic, ...]:
    """What the layers and the training configuration say."""
    return errors_first(diagnostic for facts in facts_of_keras(model) for diagnostic in diagnose(facts))


def facts_of_saved_model(model: SavedModel, card: HeadCard | None) -> tuple[Facts, ...]:
    """One for each output that a head could read; `where` is "signature.output"."""
    record = None if card is None else card.model
    told = _told_once(model, card)
    return tuple(
        Facts(
            where=f"{signature}.{output}",
            detected=detected,
            declared=_declared(card, signature, output),
            dtype=model.signatures[signature].outputs[output].dtype,
            fingerprint=model.fingerprint,
            card_fingerprint=None if record is None else record.fingerprint,
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
