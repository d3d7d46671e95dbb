"""The heads of an exported model: from its graph, its layers, its loss and its labels; nothing is guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from headwise.diagnostics.catalogue import diagnose
from headwise.diagnostics.facts import Facts
from headwise.diagnostics.proposal import Proposal, propose
from headwise.diagnostics.refusal import refuse_errors
from headwise.diagnostics.survey import facts_of_saved_model
from headwise.errors import InvalidCardError
from headwise.heads import Activation, Head, Task
from headwise.heads.declaration import check_in_order
from headwise.savedmodel import SavedModel
from headwise.savedmodel.detected import UNKNOWN, DetectedHead
from headwise.savedmodel.keras import KerasModel
from headwise.savedmodel.signature import DEFAULT_SIGNATURE, Signature
from headwise.training.rows import Names

Labels = Sequence[str] | Mapping[str, Sequence[str]]
Tasks = Task | Mapping[str, Task]
Activations = Activation | Mapping[str, Activation]

T = TypeVar("T")

_ONE = {
    "heads": "one head is",
    "labels": "one list of labels is",
    "task": "one task is",
    "activation": "one activation is",
}


@dataclass(frozen=True, slots=True)
class Said:
    """What the user says. heads: instead of inference. The others: for the only output, or by output name.

    Raises: TypeError for heads that are none, or that stand beside others.
    """

    heads: Head | Mapping[str, Head] | None = None
    labels: Labels | None = None
    task: Tasks | None = None
    activation: Activations | None = None

    def __post_init__(self) -> None:
        if self.heads is None:
            return
        given: object = self.heads
        if not all(isinstance(head, Head) for head in (given.values() if isinstance(given, Mapping) else (given,))):
            raise TypeError(
                f"heads is {given!r}: it must be a headwise.Head, or heads by output name; did you mean labels=?"
            )
        too_many = [name for name in ("labels", "task", "activation") if getattr(self, name) is not None]
        if too_many:
            raise TypeError(f"heads and {' and '.join(too_many)} are given: give heads, or what they are inferred from")


@dataclass(frozen=True, slots=True)
class _Of:
    """What the user says of one output."""

    labels: tuple[str, ...] | None = None
    task: Task | None = None
    activation: Activation | None = None


def facts_of_export(saved: SavedModel, source: KerasModel) -> dict[str, Facts]:
    """By output of the default signature: what the exported graph shows, and what the layers were trained with.

    Raises: InvalidCardError if there is no such signature.
    """
    if DEFAULT_SIGNATURE not in saved.signatures:
        raise InvalidCardError(f"the exported model has no signature {DEFAULT_SIGNATURE!r}")
    prefix = f"{DEFAULT_SIGNATURE}."
    return {
        (name := facts.where.removeprefix(prefix)): _joined(name, facts, source)
        for facts in facts_of_saved_model(saved, None)
        if facts.where.startswith(prefix)
    }


def _joined(name: str, facts: Facts, source: KerasModel) -> Facts:
    facts = replace(facts, where=name, cardless=False)
    layers = source.outputs.get(name)
    return facts if layers is None else replace(facts, training=layers.training)


def infer(
    facts: Mapping[str, Facts], source: KerasModel, said: Said, names: Names, signature: Signature
) -> dict[str, Proposal]:
    """The heads of an export, by output name.

    An output that `labels` by name leave out gets a head only where it is known without labels; it is raw otherwise.

    Raises: InvalidCardError, saying what cannot be known and what to give.
    """
    if not facts:
        outputs = ", ".join(f"{name} {spec}" for name, spec in signature.outputs.items())
        raise InvalidCardError(
            f"the model's outputs are {outputs or 'none'}: a head reads an output of floating numbers"
        )
    if said.heads is not None:
        heads = _of_outputs(said.heads, "heads", facts, Names((), {}))
        return {name: Proposal(head, ("given",)) for name, head in heads.items()}
    labels = _labels(said.labels, facts, names)
    tasks: dict[str, Task] = {} if said.task is None else _of_outputs(said.task, "task", facts, names)
    activations: dict[str, Activation] = (
        {} if said.activation is None else _of_outputs(said.activation, "activation", facts, names)
    )
    chosen = {name: _Of(labels.get(name), tasks.get(name), activations.get(name)) for name in facts}
    named = isinstance(said.labels, Mapping)
    found = {
        name: head
        for name, known in facts.items()
        if (head := _inferred(known, source, chosen[name], may_be_raw=named)) is not None
    }
    if not found:
        raise InvalidCardError("no output has a head: labels name none of them")
    return found


def _inferred(facts: Facts, source: KerasModel, said: _Of, *, may_be_raw: bool) -> Proposal | None:
    is_left_out = may_be_raw and said == _Of()
    known = replace(facts, labels=None if said.labels is None else len(said.labels))
    if not is_left_out:
        refuse_errors(diagnose(known))
    try:
        return _proposed(known, source, said)
    except InvalidCardError as error:
        if is_left_out:
            return None
        raise type(error)(f"{facts.where}: {error}") from error


def _proposed(facts: Facts, source: KerasModel, said: _Of) -> Proposal:
    """From the graph; where that does not show the activation, from the layers, which is no proof of the graph.

    Raises: InvalidCardError if graph and layers contradict each other.
    """
    detected = facts.detected or DetectedHead(UNKNOWN, None)
    layers = source.outputs.get(facts.where)
    by_layers = UNKNOWN if layers is None else layers.head.activation
    by_graph = detected.activation
    if UNKNOWN not in (by_graph, by_layers) and by_graph != by_layers:
        raise InvalidCardError(
            f"its layers end in {by_layers}, but the exported graph ends in {by_graph}: say with heads= what it is"
        )
    if by_graph == UNKNOWN and layers is not None:
        detected = replace(layers.head, units=detected.units or layers.head.units)
    proposal = propose(detected, facts.training, said.labels, said.task, said.activation)
    if by_graph != UNKNOWN or by_layers == UNKNOWN:
        return proposal
    _, *others = proposal.because
    of_activation = f"activation {by_layers}: read from the layers, not verified: the graph does not show it"
    return Proposal(proposal.head, (of_activation, *others))


def _labels(given: Labels | None, facts: Mapping[str, Facts], names: Names) -> dict[str, tuple[str, ...]]:
    if given is None:
        return {}
    if isinstance(given, str):
        raise InvalidCardError(f"labels are {given!r}: a list of texts, one a class, is expected")
    by_output = _of_outputs(given, "labels", facts, names)
    for labels in by_output.values():
        check_in_order(labels)
    return {name: tuple(labels) for name, labels in by_output.items()}


def _of_outputs(given: T | Mapping[str, T], what: str, facts: Mapping[str, Facts], names: Names) -> dict[str, T]:
    """Values by the signature's output names, of one value or of values by name."""
    listed = ", ".join(facts)
    if not isinstance(given, Mapping):
        if len(facts) > 1:
            raise InvalidCardError(f"{_ONE[what]} given for {len(facts)} outputs: give each by name, from {listed}")
        return dict.fromkeys(facts, given)
    named = {names.outputs.get(name, name): value for name, value in given.items()}
    if unknown := named.keys() - facts.keys():
        raise InvalidCardError(f"{what}: {min(unknown)!r} is no output that a head can read; these are: {listed}")
    return named
