"""gRPC reflection: every service under its official name, from a descriptor pool of its own.

TensorFlow's messages are compiled in a package of ours, because two programs of one process may not both register
`tensorflow.TensorProto`. Here they get their own names back.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from google.protobuf import any_pb2, wrappers_pb2
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from headwise.tfserving import (
    example_pb2,
    graph_pb2,
    inference_pb2,
    model_service_pb2,
    prediction_service_pb2,
    saved_model_pb2,
    services_pb2,
    tensor_pb2,
)
from headwise.v1 import classification_service_pb2
from headwise.v2 import open_inference_pb2

NAME = "grpc.reflection.v1alpha.ServerReflection"

_PACKAGES: tuple[tuple[FileDescriptor, str], ...] = (
    (tensor_pb2.DESCRIPTOR, "tensorflow"),
    (example_pb2.DESCRIPTOR, "tensorflow"),
    (graph_pb2.DESCRIPTOR, "tensorflow"),
    (saved_model_pb2.DESCRIPTOR, "tensorflow"),
    (prediction_service_pb2.DESCRIPTOR, "tensorflow.serving"),
    (inference_pb2.DESCRIPTOR, "tensorflow.serving"),
    (model_service_pb2.DESCRIPTOR, "tensorflow.serving"),
    (services_pb2.DESCRIPTOR, "tensorflow.serving"),
    (open_inference_pb2.DESCRIPTOR, "inference"),
)
"""Files of a package of ours with the package that is theirs, each after those that it imports."""

_ANY = any_pb2.Any.DESCRIPTOR.full_name
_ONLY_OURS: Mapping[str, str] = {"PackedMessage": _ANY, "AnswerSpec": "", "RequestSpec": ""}
"""Messages that have no official counterpart of their name, and what stands in their place."""

_AS_THEY_ARE = (
    any_pb2.DESCRIPTOR,
    wrappers_pb2.DESCRIPTOR,
    health_pb2.DESCRIPTOR,
    reflection_pb2.DESCRIPTOR,
    classification_service_pb2.DESCRIPTOR,
)


@cache
def pool() -> DescriptorPool:
    """Every message and service of the port, under official names."""
    filled = DescriptorPool()
    for file in _AS_THEY_ARE:
        filled.Add(_copy(file))
    names = {
        f".{message.full_name}": f".{_ONLY_OURS.get(name, f'{package}.{name}')}"
        for file, package in _PACKAGES
        for name, message in (*file.message_types_by_name.items(), *file.enum_types_by_name.items())
    }
    for file, package in _PACKAGES:
        filled.Add(_renamed(file, package, names))
    return filled


def _copy(file: FileDescriptor) -> FileDescriptorProto:
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    return proto


def _renamed(file: FileDescriptor, package: str, names: Mapping[str, str]) -> FileDescriptorProto:
    proto = _copy(file)
    own, proto.package = proto.package, package
    kept = [message for message in proto.message_type if message.name not in _ONLY_OURS]
    del proto.message_type[:]
    proto.message_type.extend(kept)
    proto.dependency.append(any_pb2.DESCRIPTOR.name)
    for message in proto.message_type:
        _rename_fields(message, own, names)
    for service in proto.service:
        for method in service.method:
            method.input_type, method.output_type = names[method.input_type], names[method.output_type]
    return proto


def _rename_fields(message: DescriptorProto, own: str, names: Mapping[str, str]) -> None:
    for field in message.field:
        if field.type_name.startswith(f".{own}."):
            field.type_name = _official(field.type_name, own, names)
    for nested in message.nested_type:
        _rename_fields(nested, own, names)


def _official(name: str, own: str, names: Mapping[str, str]) -> str:
    """A message's name, or that of one nested in it."""
    top, dot, rest = name.removeprefix(f".{own}.").partition(".")
    return f"{names[f'.{own}.{top}']}{dot}{rest}"
