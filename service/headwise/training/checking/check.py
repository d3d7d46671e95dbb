"""The diagnostics catalogue for a Keras model in memory: right after `compile`, or from the callback."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from headwise.diagnostics.catalogue import diagnose, errors_first
from headwise.diagnostics.data import observe
from headwise.diagnostics.diagnostic import Diagnostic
from headwise.diagnostics.refusal import refuse_errors
from headwise.diagnostics.survey import facts_of_keras
from headwise.errors import InvalidRequestError
from headwise.savedmodel.keras import KerasModel
from headwise.training.checking.in_memory import described, exported_names, names_of
from headwise.training.rows import by_output

if TYPE_CHECKING:
    import keras


class HeadwiseWarning(UserWarning):
    """Something is wrong with a model's head, or may be; the text begins with the catalogue's code."""


def check(
    model: keras.Model,
    targets: Any = None,
    *,
    labels: Sequence[str] | None = None,
    raise_on_error: bool = False,
) -> tuple[Diagnostic, ...]:
    """Hold a compiled model against the catalogue: warn of each finding, and return them all, errors first.

    targets: as `fit` takes them, for what the head cannot express. labels: one a class, for a model with one output.

    Raises: InvalidCardError with all errors if `raise_on_error`; InvalidRequestError for targets that are no
    arrays for the model's outputs.
    """
    found = examine(model, targets, labels)
    if raise_on_error:
        refuse_errors(found)
    warn(found)
    return found


def examine(model: keras.Model, targets: Any = None, labels: Sequence[str] | None = None) -> tuple[Diagnostic, ...]:
    """`check` without a warning."""
    source = described(model)
    given = {} if targets is None else by_output(targets, names_of(model, (), source.outputs), tuple(source.outputs))
    _check_axes(model, source, given)
    several = len(source.outputs) > 1
    return errors_first(
        found
        for facts in facts_of_keras(source)
        for found in diagnose(
            replace(
                facts,
                labels=None if labels is None or several else len(labels),
                data=observe(targets=given[facts.where]) if facts.where in given else None,
            )
        )
    )


def _check_axes(model: keras.Model, source: KerasModel, targets: Mapping[str, NDArray[Any]]) -> None:
    """Raises: InvalidRequestError for targets with more axes than their output, where Keras's own loss takes them."""
    shapes = [tensor.shape for tensor in getattr(model, "outputs", None) or ()]
    if len(shapes) != len(source.outputs):
        return
    for name, shape in zip(exported_names(source.outputs), shapes, strict=True):
        loss = source.outputs[name].training.loss
        if name not in targets or loss is None or loss.name == "custom":
            continue
        extra = targets[name].shape[len(shape) :]
        if extra not in ((), (1,)):  # a last axis of one Keras takes away
            raise InvalidRequestError(
                f"output {name!r}: its targets have shape {targets[name].shape}, its output {shape}: "
                "give class indices, a 0/1 matrix or values, a row of them for each row"
            )


def warn(found: Iterable[Diagnostic], *, stacklevel: int = 3) -> None:
    """Emit errors and warnings as a HeadwiseWarning each; information stays quiet."""
    for diagnostic in found:
        if diagnostic.severity != "info":
            warnings.warn(told(diagnostic), HeadwiseWarning, stacklevel=stacklevel)


def told(diagnostic: Diagnostic) -> str:
    """Such as `HW101 output_0: one softmax unit is always 1. Fix: use sigmoid`."""
    where = f" {diagnostic.where}" if diagnostic.where else ""
    return f"{diagnostic.code}{where}: {diagnostic.message}. Fix: {diagnostic.fix}"
