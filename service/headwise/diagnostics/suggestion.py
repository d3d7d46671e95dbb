"""The `headwise attach` that would write a missing card, as far as the graph shows what goes into it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headwise.diagnostics.activations import READ_AS
from headwise.diagnostics.proposal import is_activation, propose
from headwise.errors import InvalidCardError, UnsupportedHeadError
from headwise.savedmodel import SavedModel
from headwise.savedmodel.detected import UNKNOWN, DetectedHead
from headwise.savedmodel.signature import DEFAULT_SIGNATURE

_MOST_LABELS = 10
"""More are better read from a file than typed."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """shown: what the outputs are. attach: the command line, None where no labels and no task make a head of any."""

    shown: str
    attach: str | None

    def __str__(self) -> str:
        return self.shown if self.attach is None else f"{self.shown}: {self.attach}"


def suggest(folder: Path, model: SavedModel) -> Suggestion | None:
    """For the default signature, else the first that a head could read; None where there is none.

    Words in capitals are the user's to replace.
    """
    signature = min(model.detected, key=lambda name: (name != DEFAULT_SIGNATURE, name), default=DEFAULT_SIGNATURE)
    detected = readable(model, signature)
    impossible = {output: reason for output, head in detected.items() if (reason := _impossible(head))}
    heads = {output: head for output, head in detected.items() if output not in impossible}
    if not detected:
        return None
    if not heads:
        reasons = (f"{output} can have no head: {reason}" for output, reason in impossible.items())
        return Suggestion("; ".join(reasons), None)
    names = {output: "" if len(detected) == 1 else f"{output}=" for output in heads}
    arguments = [word for output, head in heads.items() for word in _arguments(names[output], head)]
    named = [] if signature == DEFAULT_SIGNATURE else ["--signature", signature]
    shown = "; ".join(f"{output} is {_shown(head)}" for output, head in heads.items())
    return Suggestion(shown, shlex.join(["headwise", "attach", str(folder), *named, *arguments]) + _choices(heads))


def readable(model: SavedModel, signature_name: str) -> Mapping[str, DetectedHead]:
    """A signature's outputs that a head could read: floating, with a row for each input row."""
    outputs = model.signatures[signature_name].outputs if signature_name in model.signatures else {}
    found = model.detected.get(signature_name, {})
    return {name: head for name, head in found.items() if outputs[name].shape != ()}


def _impossible(head: DetectedHead) -> str | None:
    """Why no labels and no task make a head of it; None where they may."""
    try:
        propose(head, labels=["NEGATIVE", "POSITIVE"])
    except InvalidCardError as error:
        readable = head.activation == UNKNOWN or is_activation(READ_AS.get(head.activation, head.activation))
        return None if readable and not isinstance(error, UnsupportedHeadError) else str(error)
    return None


def _arguments(name: str, head: DetectedHead) -> list[str]:
    """The options of `headwise attach` for one output; name: what stands before their values."""
    activation = [] if head.activation != UNKNOWN else ["--activation", f"{name}ACTIVATION"]
    exclusive = "binary" if head.units == 2 else "multiclass"
    task = ["--task", f"{name}{exclusive}"] if _is_undecided(head) else []
    return [*_labels(name, head.units), *task, *activation]


def _labels(name: str, units: int | None) -> list[str]:
    if units is None or units > _MOST_LABELS:
        return ["--labels-from", f"{name}LABELS.txt"]
    labels = ["NEGATIVE", "POSITIVE"] if units <= 2 else [f"CLASS{index}" for index in range(units)]
    return ["--labels", name + ",".join(labels)]


def _is_undecided(head: DetectedHead) -> bool:
    """Whether labels alone do not tell exclusive classes from labels that may hold together."""
    return head.activation in ("linear", UNKNOWN) and head.units != 1


def _choices(heads: Mapping[str, DetectedHead]) -> str:
    """What the command line takes for granted."""
    choices = []
    if any(_is_undecided(head) for head in heads.values()):
        choices.append("--task multilabel if labels may hold together")
    if any(head.activation == "linear" for head in heads.values()):
        choices.append("--task regression without labels if the output is a quantity")
    return f" ({'; '.join(choices)})" if choices else ""


def _shown(head: DetectedHead) -> str:
    """Such as `sigmoid, 1 unit`."""
    units = "units unknown" if head.units is None else f"{head.units} unit{'s' if head.units != 1 else ''}"
    return f"of unknown activation, {units}" if head.activation == UNKNOWN else f"{head.activation}, {units}"
