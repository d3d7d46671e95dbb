"""Which model is meant, as tensorflow.serving spells it."""

from __future__ import annotations

from headwise.repository.model_spec import ModelSpec
from headwise.savedmodel.signature import DEFAULT_SIGNATURE
from headwise.tfserving import prediction_service_pb2


def to_proto(spec: ModelSpec) -> prediction_service_pb2.ModelSpec:
    """A ModelSpec as its message."""
    proto = prediction_service_pb2.ModelSpec(name=spec.name, signature_name=spec.signature_name)
    if spec.version is not None:
        proto.version.value = spec.version
    elif spec.label is not None:
        proto.version_label = spec.label
    return proto


def from_proto(proto: prediction_service_pb2.ModelSpec) -> ModelSpec:
    """A ModelSpec from its message; no signature means the default one."""
    choice = proto.WhichOneof("version_choice")
    return ModelSpec(
        proto.name,
        proto.version.value if choice == "version" else None,
        proto.version_label if choice == "version_label" else None,
        proto.signature_name or DEFAULT_SIGNATURE,
    )
