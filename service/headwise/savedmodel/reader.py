"""Reads saved_model.pb and fingerprint.pb in milliseconds."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.message import DecodeError

from headwise.errors import UnreadableModelError
from headwise.savedmodel.detected import DetectedHead
from headwise.savedmodel.detection import detect
from headwise.savedmodel.signature import Signature
from headwise.tfserving import saved_model_pb2

SERVE_TAG = "serve"
LARGEST_GRAPH = 128 * 2**20
"""Bytes of a saved_model.pb. Weights lie beside it: the graphs of large networks take some 10 MB. The rest is room for
constants in the graph; a file of nothing but empty messages takes forty times its size in memory."""
LARGEST_FINGERPRINT = 2**16
"""Bytes; it holds five numbers and a UUID."""


@dataclass(frozen=True, slots=True)
class SavedModel:
    """What a SavedModel declares, and what its graph shows.

    fingerprint: TensorFlow's singleprint, None if it has none. detected: the heads of the floating outputs, by
    signature and output.
    """

    signatures: Mapping[str, Signature]
    fingerprint: str | None
    tensorflow_version: str
    detected: Mapping[str, Mapping[str, DetectedHead]] = field(default_factory=dict)


def read(folder: Path) -> SavedModel:
    """Read the SavedModel in a version folder.

    Raises: UnreadableModelError.
    """
    file = folder / "saved_model.pb"
    try:
        proto = saved_model_pb2.SavedModel.FromString(content(file, LARGEST_GRAPH))
    except FileNotFoundError:
        raise UnreadableModelError(f"{file}: not found; a SavedModel folder holds it") from None
    except OSError as error:
        raise UnreadableModelError(f"{file}: {error.strerror}") from error
    except DecodeError as error:
        raise UnreadableModelError(f"{file}: not a SavedModel: {error}") from error
    graphs = [graph for graph in proto.meta_graphs if SERVE_TAG in graph.meta_info_def.tags]
    if not graphs:
        raise UnreadableModelError(f"{file}: no graph is tagged {SERVE_TAG!r}; export the model for serving")
    # A graph for serving on a TPU is tagged so besides; TensorFlow Serving takes the one with no other tag.
    graph = min(graphs, key=lambda graph: len(graph.meta_info_def.tags))
    signatures = {
        name: Signature.from_proto(signature)
        for name, signature in sorted(graph.signature_def.items())
        if not name.startswith("__")
    }
    return SavedModel(
        signatures,
        read_fingerprint(folder),
        graph.meta_info_def.tensorflow_version,
        detect(graph, signatures),
    )


def read_fingerprint(folder: Path) -> str | None:
    """What TensorFlow calls the singleprint: hashes of graph, signatures, objects and checkpoint, joined by /.

    Not `saved_model_checksum`: it misses the weights, and differs between two exports of the same ones. None
    where there is no fingerprint to read.
    """
    try:
        data = content(folder / "fingerprint.pb", LARGEST_FINGERPRINT)
        proto = saved_model_pb2.FingerprintDef.FromString(data)
    except (OSError, DecodeError, UnreadableModelError):
        return None
    hashes = (
        proto.graph_def_program_hash,
        proto.signature_def_hash,
        proto.saved_object_graph_hash,
        proto.checkpoint_hash,
    )
    return "/".join(map(str, hashes))


def content(file: Path, limit: int) -> bytes:
    """Read a file, unless it is larger than the limit, or a pipe that nobody may ever write to.

    Raises: OSError, UnreadableModelError.
    """
    status = file.stat()
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise UnreadableModelError(f"{file}: neither a file nor a folder")
    if status.st_size <= limit:
        with file.open("rb") as opened:
            data = opened.read(limit + 1)
        if len(data) <= limit:
            return data
    raise UnreadableModelError(f"{file}: {status.st_size} bytes; at most {limit} are read")
