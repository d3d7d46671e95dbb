"""What a Keras model in memory says of itself: its configuration, its tensors' names, its classes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Set
from typing import TYPE_CHECKING, Any

from headwise.errors import InvalidCardError
from headwise.savedmodel.keras import KerasModel, from_config
from headwise.training.rows import Names

if TYPE_CHECKING:
    import keras

_UNSERIALISABLE = (NotImplementedError, TypeError, ValueError, AttributeError)
"""What Keras raises for layers and losses that it has no configuration of."""


def described(model: keras.Model) -> KerasModel:
    """The model as its configuration describes it; what Keras cannot serialise is not known."""
    from keras import saving  # noqa: PLC0415

    config = _read(lambda: saving.serialize_keras_object(model))
    return from_config(config or {}, _read(model.get_compile_config))


def _read(configuration: Callable[[], Any]) -> Mapping[str, Any] | None:
    """A configuration, without Keras's warnings about loading again what is only read here."""
    try:
        with warnings.catch_warnings(action="ignore"):
            read: Mapping[str, Any] | None = configuration()
    except _UNSERIALISABLE:
        return None
    return read


def exported_names(outputs: Iterable[str]) -> tuple[str, ...]:
    """The signature's output names in the model's own order.

    An export numbers the outputs of a list (output_0, output_1, ...) and sorts the keys of a mapping, as Keras
    does with its own output names.
    """
    outputs = tuple(outputs)
    numbered = tuple(f"output_{at}" for at in range(len(outputs)))
    return numbered if set(numbered) == set(outputs) else tuple(sorted(outputs))


def names_of(model: keras.Model, inputs: Iterable[str], outputs: Iterable[str]) -> Names:
    """How the model's names belong to its signature's `inputs` and `outputs`."""
    inputs, outputs = tuple(inputs), tuple(outputs)
    ordered = tuple(tensor.name for tensor in getattr(model, "inputs", None) or ())
    own = tuple(getattr(model, "output_names", None) or ())
    exported = exported_names(outputs)
    return Names(
        inputs=ordered if set(ordered) == set(inputs) else inputs,
        outputs=dict(zip(own, exported, strict=True)) if len(own) == len(exported) else {},
    )


def class_names(model: keras.Model, units: int | None) -> tuple[str, ...] | None:
    """The labels that a model with one output carries; None if it carries none.

    They are its attribute `class_names`, which scripts hand on from `image_dataset_from_directory`, or the
    vocabulary, out-of-vocabulary entry included, of its one StringLookup or IntegerLookup with invert=True:
    a layer that turns the units' indices into labels has one entry a unit.

    Raises: InvalidCardError if `class_names` holds something else than texts.
    """
    named = getattr(model, "class_names", None)
    if named is not None:
        if isinstance(named, str | Set) or not all(isinstance(name, str) for name in named):
            raise InvalidCardError(f"the model's class_names are {named!r}: a list of texts, one a class, is expected")
        return tuple(named)
    lookups = [layer for layer in getattr(model, "layers", ()) if getattr(layer, "invert", False)]
    vocabularies = [tuple(map(str, layer.get_vocabulary())) for layer in lookups if hasattr(layer, "get_vocabulary")]
    fitting = [vocabulary for vocabulary in vocabularies if units == len(vocabulary)]
    return fitting[0] if len(fitting) == 1 else None
