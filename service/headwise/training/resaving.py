"""Loads a SavedModel with TensorFlow and saves it anew, with what TensorFlow would lose."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headwise.errors import UnreadableModelError, UnsupportedError
from headwise.savedmodel.reader import SERVE_TAG
from headwise.training.run import require_tensorflow

_NO_NAMES: Mapping[str, str] = {}


def load(version: Path) -> tuple[Any, dict[str, Any]]:
    """The loaded object, and its signatures' functions by name.

    Raises: ConfigurationError without TensorFlow; UnreadableModelError.
    """
    tf = require_tensorflow()
    try:
        loaded = tf.saved_model.load(str(version))
        return loaded, dict(loaded.signatures)
    except (tf.errors.OpError, OSError, ValueError, AttributeError) as error:
        raise UnreadableModelError(f"{version}: TensorFlow cannot load it: {error}") from error


def save(
    module: Any,
    draft: Path,
    signatures: Mapping[str, Any],
    version: Path,
    *,
    methods: Mapping[str, str] = _NO_NAMES,
    inputs_of: Mapping[str, str] = _NO_NAMES,
) -> None:
    """Save what was loaded from `version`, or was made of it, in `draft`.

    Signatures keep the methods and the defaults of inputs that they have in `version`. methods: of new signatures
    that are not predict's. inputs_of: new signatures, and the old ones whose inputs' defaults they take.

    Raises: UnsupportedError for what TensorFlow cannot save.
    """
    tf = require_tensorflow()
    try:
        tf.saved_model.save(module, str(draft), signatures=dict(signatures))
    except (tf.errors.OpError, AssertionError, ValueError, NotImplementedError) as error:
        raise UnsupportedError(f"{version}: TensorFlow cannot save the model anew: {error}") from error
    _restore(version / "saved_model.pb", draft / "saved_model.pb", methods, inputs_of)


def _restore(before: Path, after: Path, methods: Mapping[str, str], inputs_of: Mapping[str, str]) -> None:
    """Write into the file what `tf.saved_model.save` has no argument for."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel  # noqa: PLC0415

    graphs = SavedModel.FromString(before.read_bytes()).meta_graphs
    old = next(graph for graph in graphs if SERVE_TAG in graph.meta_info_def.tags).signature_def
    saved = SavedModel.FromString(after.read_bytes())
    for name, signature in saved.meta_graphs[0].signature_def.items():
        if name in old:
            signature.method_name = old[name].method_name
        elif name in methods:
            signature.method_name = methods[name]
        if (source := inputs_of.get(name, name)) in old:
            for key, default in old[source].defaults.items():
                signature.defaults[key].CopyFrom(default)
    after.write_bytes(saved.SerializeToString(deterministic=True))
