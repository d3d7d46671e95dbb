"""Reads saved_model.pb and fingerprint.pb in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from headwise.errors import UnreadableModelError
from headwise.savedmodel.signature import Signature
from headwise.tfserving import saved_model_pb2

SERVE_TAG = "serve"


@dataclass(frozen=True, slots=True)
class SavedModel:
    """What a SavedModel declares. fingerprint: TensorFlow's singleprint, None if it has none."""

    signatures: Mapping[str, Signature]
    fingerprint: str | None
    tensorflow_version: str


def read(folder: Path) -> SavedModel:
    """Read the SavedModel in a version folder.

    Raises: UnreadableModelError.
    """
    file = folder / "saved_model.pb"
    try:
        proto = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    except FileNotFoundError:
        raise UnreadableModelError(f"{file}: not found; a SavedModel folder holds it") from None
    except OSError as error:
        raise UnreadableModelError(f"{file}: {error.strerror}") from error
    except DecodeError as error:
        raise UnreadableModelError(f"{file}: not a SavedModel: {error}") from error
    graphs = [graph for graph in proto.meta_graphs if SERVE_TAG in graph.meta_info_def.tags]
    if not graphs:
        raise UnreadableModelError(f"{file}: no graph is tagged {SERVE_TAG!r}; export the model for serving")
    return SavedModel(
        {
            name: Signature.from_proto(signature)
            for name, signature in sorted(graphs[0].signature_def.items())
            if not name.startswith("__")
        },
        read_fingerprint(folder),
        graphs[0].meta_info_def.tensorflow_version,
    )


def read_fingerprint(folder: Path) -> str | None:
    """What TensorFlow calls the singleprint: hashes of graph, signatures, objects and checkpoint, joined by /.

    Not `saved_model_checksum`: it misses the weights, and differs between two exports of the same ones. None
    where there is no fingerprint to read.
    """
    try:
        data = (folder / "fingerprint.pb").read_bytes()
        proto = saved_model_pb2.FingerprintDef.FromString(data)
    except (OSError, DecodeError):
        return None
    hashes = (
        proto.graph_def_program_hash,
        proto.signature_def_hash,
        proto.saved_object_graph_hash,
        proto.checkpoint_hash,
    )
    return "/".join(map(str, hashes))
