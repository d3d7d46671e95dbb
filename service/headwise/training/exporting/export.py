"""From a Keras model in memory to a servable version: SavedModel, head card, golden records."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwise.diagnostics.catalogue import diagnose, errors_first
from headwise.diagnostics.diagnostic import Diagnostic
from headwise.diagnostics.facts import Facts
from headwise.diagnostics.proposal import Proposal
from headwise.diagnostics.refusal import refuse_errors
from headwise.heads import Head, HeadCard, SignatureHeads
from headwise.repository.card_writer import write_card
from headwise.repository.cards import fitted
from headwise.repository.golden_file import write_golden
from headwise.savedmodel import read
from headwise.savedmodel.keras import KerasModel
from headwise.savedmodel.signature import DEFAULT_SIGNATURE
from headwise.savedmodel.training_config import UNTRAINED
from headwise.training.checking.check import HeadwiseWarning, warn
from headwise.training.checking.in_memory import class_names, described, names_of
from headwise.training.exporting.inference import Activations, Labels, Said, Tasks, facts_of_export, infer
from headwise.training.exporting.proof import Proof, Validation, prove
from headwise.training.publish import drafting

if TYPE_CHECKING:
    import keras

Told = Callable[[str], None]
"""Told what begins: "exporting", "checking", ..."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A published version. raw: the outputs without a head. findings: warnings and information.

    golden: how many golden records it has. without_golden: why there are none.
    """

    version: Path
    heads: Mapping[str, Proposal]
    raw: tuple[str, ...]
    findings: tuple[Diagnostic, ...]
    golden: int
    without_golden: str | None = None


def export(
    model: keras.Model,
    to: str | Path,
    heads: Head | Mapping[str, Head] | None = None,
    *,
    labels: Labels | None = None,
    task: Tasks | None = None,
    activation: Activations | None = None,
    validation_data: Any = None,
    version: int | None = None,
) -> Path:
    """Export `model` as `to/<version>` with its head card and golden records, and return that folder.

    heads: one for a model with one output, or by the signature's output names. Left out, they are inferred from
    the exported graph, the compiled loss and the labels, and refused where these do not tell.
    labels: one a class (negative, positive for one unit), or by output name; left out, the `class_names` or the
    inverse lookup that the model carries. task: where units and labels leave a choice. activation: where the graph
    does not show it.
    validation_data: x, (x, y) or a tf.data.Dataset. Some of its rows become the golden records by which the
    version proves itself before it takes traffic; y is held against the head. Left out, rows are made up.
    version: a number that is free; the next free one if left out.

    The version is built in a hidden folder beside it and appears in one rename, so that a model server that
    polls `to` never sees half of it; what is refused leaves nothing behind. Findings that do not refuse the
    export are emitted as HeadwiseWarning.

    Raises: InvalidCardError if the heads cannot be known or do not fit, or the catalogue finds an error;
    InvalidRequestError for validation data that does not fit; FileExistsError if the version is taken;
    ConfigurationError if `to` cannot be written; ValueError if the version is negative; TypeError if `model` is no
    Keras model, `to` no path, `heads` no heads, or if they are given beside labels, task or activation.
    """
    import keras  # noqa: PLC0415

    if not isinstance(model, keras.Model):
        raise TypeError(f"model is {model!r}: it must be a keras.Model")
    if not isinstance(to, str | Path):
        raise TypeError(f"to is {to!r}: it must be the model's folder, such as 'models/tumor'")
    exported = export_version(
        model, Path(to), Said(heads, labels, task, activation), Validation(validation_data), number=version
    )
    warn(exported.findings, stacklevel=3)
    if exported.without_golden:
        warnings.warn(f"{exported.version}: {exported.without_golden}", HeadwiseWarning, stacklevel=2)
    return exported.version


def export_version(
    model: keras.Model,
    to: Path,
    said: Said,
    validation: Validation,
    *,
    number: int | None = None,
    source: KerasModel | None = None,
    told: Told = lambda _: None,
) -> Exported:
    """`export`, telling its steps and what it found out. source: where the model in memory does not know its loss."""
    source = source or described(model)
    with drafting(to, number) as draft:
        told("exporting")
        model.export(str(draft.folder), verbose=False)
        told("checking")
        saved = read(draft.folder)
        facts = facts_of_export(saved, source)
        signature = saved.signatures[DEFAULT_SIGNATURE]
        names = names_of(model, signature.inputs, signature.outputs)
        inferred = infer(facts, source, _with_carried_labels(said, model, facts), names, signature)
        heads = {name: head.head for name, head in inferred.items()}
        card = fitted(HeadCard(1, {DEFAULT_SIGNATURE: SignatureHeads(heads)}), saved)
        told("running golden records")
        proof = prove(draft.folder, signature, heads, validation, names)
        findings = _findings(facts, heads, proof, as_trained=validation.as_trained)
        refuse_errors(findings)
        if proof.records:
            write_golden(draft.folder, proof.records, to.resolve().name)
        write_card(draft.folder, card)
    raw = tuple(name for name in signature.outputs if name not in heads)
    return Exported(draft.version, inferred, raw, findings, len(proof.records), proof.without)


def _with_carried_labels(said: Said, model: keras.Model, facts: Mapping[str, Facts]) -> Said:
    """The labels that the model carries, where none are given for its only output."""
    if said.labels is not None or said.heads is not None or len(facts) != 1:
        return said
    (only,) = facts.values()
    return replace(said, labels=class_names(model, only.units))


def _findings(
    facts: Mapping[str, Facts], heads: Mapping[str, Head], proof: Proof, *, as_trained: bool
) -> tuple[Diagnostic, ...]:
    """Of the outputs that have a head; targets that are not those of the loss are held against the head alone."""
    found: dict[Diagnostic, None] = {}
    for name, head in heads.items():
        known = replace(facts[name], declared=head)
        shown = replace(known, data=proof.facts.get(name))
        views = (shown,) if as_trained else (known, replace(shown, training=UNTRAINED))
        found |= dict.fromkeys(diagnostic for view in views for diagnostic in diagnose(view))
    return errors_first(found)
