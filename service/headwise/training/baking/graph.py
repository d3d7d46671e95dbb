"""Saves a model anew with signatures that carry its heads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headwise.errors import UnsupportedError
from headwise.heads import Head, HeadCard
from headwise.savedmodel import SavedModel
from headwise.savedmodel.signature import DEFAULT_SIGNATURE, Signature, TensorSpec
from headwise.training import resaving
from headwise.training.run import require_tensorflow

HEADWISE, CLASSIFY, REGRESS = "headwise", "classify", "regress"
"""The new signatures. Of another signature than serving_default, and of one of several heads, they are called
classify.SIGNATURE.HEAD."""

METHODS: Mapping[str, str] = {CLASSIFY: "tensorflow/serving/classify", REGRESS: "tensorflow/serving/regress"}
"""What TensorFlow Serving calls signatures that read tf.Examples; all others are predict's."""


def added_name(kind: str, signature_name: str, head: str | None = None) -> str:
    """What a new signature is called. head: where there are several."""
    return ".".join(
        [kind, *([] if signature_name == DEFAULT_SIGNATURE else [signature_name]), *([head] if head else [])]
    )


def write_graph(
    version: Path, draft: Path, card: HeadCard, saved: SavedModel
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Save the model of `version` in `draft` with signatures for the heads; their names, and why others were left out.

    Raises: UnsupportedError, UnreadableModelError.
    """
    tf = require_tensorflow()
    loaded, old = resaving.load(version)
    new: dict[str, Any] = {}
    methods: dict[str, str] = {}
    without: dict[str, str] = {}
    for name, described_heads in card.signatures.items():
        heads, signature = dict(described_heads.heads), saved.signatures[name]
        new[added_name(HEADWISE, name)] = _predicting(tf, old[name], heads, signature)
        for output, head in heads.items():
            kind = REGRESS if head.task == "regression" else CLASSIFY
            added = added_name(kind, name, output if len(heads) > 1 else None)
            try:
                _check_fits(added, head, signature.outputs[output], saved)
                new[added] = _reading_examples(tf, old[name], output, head, signature)
                methods[added] = METHODS[kind]
            except UnsupportedError as error:
                without[added] = str(error)
    inputs_of = {added_name(HEADWISE, name): name for name in card.signatures}
    resaving.save(loaded, draft, {**old, **new}, version, methods=methods, inputs_of=inputs_of)
    return tuple(new), without


def _units(name: str, head: Head, spec: TensorSpec) -> int:
    """The size of an output's last axis.

    Raises: UnsupportedError where neither signature nor labels tell it.
    """
    if spec.shape is None:
        raise UnsupportedError(f"output {name!r} is {spec}: its number of axes must be known to be baked")
    units = spec.units
    if units is None and head.task in ("multiclass", "multilabel"):
        return len(head.labels)
    if units is None and head.task == "ordinal":
        return len(head.labels) - 1
    if units is None:
        raise UnsupportedError(f"output {name!r} is {spec}: its number of units must be known to be baked")
    return units


def _answers(heads: Mapping[str, Head], outputs: Mapping[str, Any], signature: Signature) -> dict[str, Any]:
    """All heads' tensors, those of several heads behind their names."""
    from headwise.training.baking.head import answer  # noqa: PLC0415  # imports TensorFlow

    found = {
        name: answer(head, outputs[name], _units(name, head, signature.outputs[name])) for name, head in heads.items()
    }
    if len(found) == 1:
        return next(iter(found.values()))
    return {f"{name}.{key}": tensor for name, tensors in found.items() for key, tensor in tensors.items()}


def _predicting(tf: Any, function: Any, heads: Mapping[str, Head], signature: Signature) -> Any:
    """A signature that takes the model's inputs."""

    def headwise(**inputs: Any) -> dict[str, Any]:
        return _answers(heads, function(**inputs), signature)

    return tf.function(headwise).get_concrete_function(**function.structured_input_signature[1])


def _check_fits(added: str, head: Head, spec: TensorSpec, saved: SavedModel) -> None:
    """Whether the name is free, and Classify or Regress, whose answers are (batch, numbers), have room for a head's.

    Raises: UnsupportedError.
    """
    if added in saved.signatures:
        raise UnsupportedError("the model has a signature of that name, which stays")
    if head.is_margin:
        raise UnsupportedError("a margin is no probability without a calibrator, and Classify answers scores")
    if spec.shape is not None and len(spec.shape) > 2:
        raise UnsupportedError(f"the output is {spec}: it answers for positions, and Classify and Regress for rows")
    if head.task == "regression" and spec.units != 1:
        raise UnsupportedError(f"the output is {spec}: Regress answers one value a row")


def _reading_examples(tf: Any, function: Any, output: str, head: Head, signature: Signature) -> Any:
    """A signature that takes tf.Examples, and answers as TensorFlow Serving's Classify or Regress reads it."""
    from headwise.training.baking.examples import example_reader  # noqa: PLC0415

    read_inputs = example_reader(signature)

    def classify(inputs: Any) -> dict[str, Any]:
        answer = _answers({output: head}, function(**read_inputs(inputs)), signature)
        if head.task == "regression":
            return {"outputs": tf.cast(answer["value"], tf.float32)}
        scores = tf.cast(answer["probabilities"], tf.float32)
        return {"classes": tf.broadcast_to(tf.constant(head.labels), tf.shape(scores)), "scores": scores}

    return tf.function(classify).get_concrete_function(tf.TensorSpec([None], tf.string, name="inputs"))
