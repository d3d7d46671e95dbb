"""Our subset of TensorFlow's messages against the official ones: field by field, byte by byte, both ways."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import any_pb2, text_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.example import example_pb2 as tf_example
from tensorflow.core.example import feature_pb2
from tensorflow.core.framework import (
    attr_value_pb2,
    function_pb2,
    node_def_pb2,
    op_def_pb2,
    tensor_shape_pb2,
    types_pb2,
)
from tensorflow.core.framework import graph_pb2 as tf_graph
from tensorflow.core.framework import tensor_pb2 as tf_tensor
from tensorflow.core.protobuf import fingerprint_pb2, meta_graph_pb2
from tensorflow.core.protobuf import saved_model_pb2 as tf_saved_model
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    input_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
    status_pb2,
)
from tensorflow_serving.apis import inference_pb2 as tfs_inference
from tensorflow_serving.apis import prediction_log_pb2 as tfs_log
from tensorflow_serving.config import file_system_storage_path_source_pb2
from tensorflow_serving.config import model_server_config_pb2 as tfs_config

from headwise import savedmodel
from headwise.savedmodel.signature import dtype_name
from headwise.savedmodel.tensors import from_proto, to_proto
from headwise.tfserving import (
    example_pb2,
    graph_pb2,
    inference_pb2,
    model_server_config_pb2,
    model_service_pb2,
    prediction_log_pb2,
    prediction_service_pb2,
    saved_model_pb2,
    tensor_pb2,
)
from support.recordings import MODELS

OURS = [
    example_pb2,
    graph_pb2,
    inference_pb2,
    model_server_config_pb2,
    model_service_pb2,
    prediction_log_pb2,
    prediction_service_pb2,
    saved_model_pb2,
    tensor_pb2,
]
OFFICIAL = [
    any_pb2,
    attr_value_pb2,
    classification_pb2,
    feature_pb2,
    file_system_storage_path_source_pb2,
    fingerprint_pb2,
    function_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    input_pb2,
    meta_graph_pb2,
    model_pb2,
    node_def_pb2,
    op_def_pb2,
    predict_pb2,
    regression_pb2,
    status_pb2,
    tensor_shape_pb2,
    tf_example,
    tf_graph,
    tf_saved_model,
    tf_tensor,
    tfs_config,
    tfs_inference,
    tfs_log,
]
RENAMED = {"PackedMessage": "Any", "AnswerSpec": "PredictResponse", "RequestSpec": "PredictRequest"}
NUMBERED = {"error_code"}
"""Enums of google.rpc that we read as the int32 that travels."""
BYTES = {"Class.label"}
"""A string in TensorFlow Serving, which sends whatever bytes the model computed."""
MESSAGES = sorted(name for module in OURS for name in module.DESCRIPTOR.message_types_by_name)
DTYPES = sorted(dtype_name(number) for number in tensor_pb2.DataType.values() if number)


def named(modules: list[Any], name: str) -> type[Message]:
    (found,) = (getattr(module, name) for module in modules if name in module.DESCRIPTOR.message_types_by_name)
    return found  # type: ignore[no-any-return]


def pair(name: str) -> tuple[type[Message], type[Message]]:
    return named(OURS, name), named(OFFICIAL, RENAMED.get(name, name))


def described(field: FieldDescriptor) -> dict[str, Any]:
    if field.name in NUMBERED:
        return {"name": field.name, "number": field.number, "json_name": field.json_name}
    kind = field.message_type or field.enum_type
    of = f"{field.containing_type.name}.{field.name}"
    return {
        "name": field.name,
        "number": field.number,
        "type": FieldDescriptor.TYPE_BYTES if of in BYTES else field.type,
        "repeated": field.is_repeated,
        "json_name": field.json_name,
        "of": kind and RENAMED.get(kind.name, kind.name),
    }


def assert_subset(ours: Descriptor, official: Descriptor) -> None:
    for field in ours.fields:
        other = official.fields_by_number[field.number]
        assert described(field) == described(other), f"{ours.name}.{field.name}"
        if field.containing_oneof is not None:
            assert other.containing_oneof.name == field.containing_oneof.name
        if field.enum_type is not None:
            assert_same_numbers(field.enum_type, other.enum_type)
    for nested in ours.nested_types:
        assert_subset(nested, official.nested_types_by_name[nested.name])


def assert_same_numbers(ours: EnumDescriptor, official: EnumDescriptor) -> None:
    assert {v.name: v.number for v in ours.values}.items() <= {v.name: v.number for v in official.values}.items()


def filled(kind: type[Message], choice: int) -> Message:
    """A message with a value of its own in every field, and in each oneof the alternative of this number."""
    message = kind()
    _fill(message, choice, count(1))
    return message


def _fill(message: Message, choice: int, numbers: Iterator[int]) -> None:
    for field in message.DESCRIPTOR.fields:
        oneof = field.containing_oneof
        if oneof is not None and oneof.fields[choice % len(oneof.fields)] is not field:
            continue
        held = getattr(message, field.name)
        if field.message_type is None:
            values = [_value(field, next(numbers)), _value(field, next(numbers))]
            held.extend(values) if field.is_repeated else setattr(message, field.name, values[0])
        elif field.message_type.GetOptions().map_entry:
            value = field.message_type.fields_by_name["value"]
            for key in ("one", "two"):
                if value.message_type is None:
                    held[key] = _value(value, next(numbers))
                else:
                    _fill(held[key], choice, numbers)
        else:
            held = held.add() if field.is_repeated else held
            held.SetInParent()
            _fill(held, choice, numbers)


def _value(field: FieldDescriptor, number: int) -> Any:
    if field.enum_type is not None:
        return field.enum_type.values[number % len(field.enum_type.values)].number
    if field.type == FieldDescriptor.TYPE_STRING:
        return f"größe {number}"
    if field.type == FieldDescriptor.TYPE_BYTES:
        return f"\x00{number}".encode()
    signed = field.type in (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64)
    return field.type == FieldDescriptor.TYPE_BOOL or (-number if signed else number)


@pytest.mark.parametrize("name", MESSAGES)
def test_every_field_that_we_declare_is_the_official_one(name: str) -> None:
    ours, official = pair(name)

    assert_subset(ours.DESCRIPTOR, official.DESCRIPTOR)


def test_every_data_type_that_we_declare_is_the_official_one() -> None:
    assert_same_numbers(tensor_pb2.DataType.DESCRIPTOR, types_pb2.DataType.DESCRIPTOR)


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("choice", range(5))
def test_what_one_side_writes_the_other_reads(name: str, choice: int) -> None:
    ours, official = pair(name)
    message = filled(ours, choice)
    data = message.SerializeToString(deterministic=True)

    theirs = official.FromString(data)
    theirs.DiscardUnknownFields()

    assert theirs.SerializeToString(deterministic=True) == data
    assert ours.FromString(data) == message


def scattered(kind: type[Message], random: Random, depth: int = 4) -> Message:
    """A message with random values in some of its fields."""
    message = kind()
    for field in message.DESCRIPTOR.fields:
        if random.random() < 0.5 or (field.message_type is not None and depth == 0):
            continue
        held = getattr(message, field.name)
        of_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        if of_map:
            key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
            for _ in range(random.randrange(3)):
                if value.message_type is None:
                    held[_random_value(key, random)] = _random_value(value, random)
                else:
                    at = held[_random_value(key, random)]
                    at.CopyFrom(scattered(type(at), random, depth - 1))
        elif field.message_type is not None and field.is_repeated:
            for _ in range(random.randrange(3)):
                at = held.add()
                at.CopyFrom(scattered(type(at), random, depth - 1))
        elif field.message_type is not None:
            held.CopyFrom(scattered(type(held), random, depth - 1))
        elif field.is_repeated:
            held.extend(_random_value(field, random) for _ in range(random.randrange(4)))
        else:
            setattr(message, field.name, _random_value(field, random))
    return message


def _random_value(field: FieldDescriptor, random: Random) -> Any:
    if field.type in (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE):
        return random.choice([0.0, -0.0, 1.5, float("inf"), float(np.float32(random.gauss(0, 1e6)))])
    return _value(field, random.randrange(2**31))


@pytest.mark.parametrize("name", MESSAGES)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_random_messages_survive_the_way_there_and_back(name: str, seed: int) -> None:
    ours, official = pair(name)
    message = scattered(ours, Random(seed))
    there = official.FromString(message.SerializeToString())
    assert ours.FromString(there.SerializeToString()) == message


@pytest.mark.parametrize("choice", range(3))
def test_a_model_config_file_reads_alike(choice: int) -> None:
    text = text_format.MessageToString(filled(model_server_config_pb2.ModelServerConfig, choice))

    read = text_format.Parse(text, tfs_config.ModelServerConfig())

    assert text_format.MessageToString(read) == text


def example(dtype: str) -> np.ndarray[Any, Any]:
    """(2, 3) elements with both ends of the dtype's range."""
    if dtype == "string":
        return np.array([[b"", b"\x00\xff", "größe".encode()], [b"a" * 300, b"b", b"c"]], object)
    kind = np.dtype(tf.dtypes.as_dtype(dtype).as_numpy_dtype)
    if kind.kind in "iu":
        return np.array([[np.iinfo(kind).min, 0, 1], [2, 3, np.iinfo(kind).max]], kind)
    if kind.kind == "c":
        return np.array([[1 - 2j, 0, 1e30j], [0.1, -0.0, 3]], kind)
    if kind.kind == "b":
        return np.array([[True, False, True], [False, False, True]])
    return np.array([[-0.0, 1.5, -65504], [np.inf, np.nan, 6e-8]]).astype(kind)


def typed(array: np.ndarray[Any, Any]) -> tf_tensor.TensorProto:
    """The array in the field of its dtype, as a model server sends it, not as tensor_content."""
    proto = tf_tensor.TensorProto()
    for element in array.ravel():
        proto.MergeFrom(tf.make_tensor_proto(element, shape=()))
    proto.tensor_shape.CopyFrom(tf.TensorShape(array.shape).as_proto())
    assert not proto.tensor_content
    return proto


def packed(array: np.ndarray[Any, Any]) -> tf_tensor.TensorProto:
    """The array as tensor_content, which `tf.make_tensor_proto` uses for most dtypes; strings stay typed."""
    proto = tf.make_tensor_proto(array)
    if not proto.tensor_content and array.dtype != object:
        shape = proto.tensor_shape
        proto = tf_tensor.TensorProto(dtype=proto.dtype, tensor_shape=shape, tensor_content=array.tobytes())
    return proto


def same(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    content = [a.tolist() if a.dtype == object else a.tobytes() for a in (one, other)]
    return one.shape == other.shape and one.dtype == other.dtype and content[0] == content[1]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("encoding", [typed, packed], ids=["typed", "content"])
def test_tensors_of_tensorflow_are_read_as_tensorflow_reads_them(dtype: str, encoding: Any) -> None:
    official = encoding(example(dtype))
    assert tf.dtypes.as_dtype(official.dtype).name == dtype
    expected = tf.make_ndarray(official)
    if dtype == "bfloat16":
        expected = expected.astype(np.float32)

    read = from_proto(tensor_pb2.TensorProto.FromString(official.SerializeToString()))

    assert same(read, expected)


@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if dtype != "bfloat16"])
@pytest.mark.parametrize("shape", [(2, 3), (6,), (1, 2, 1, 3)])
def test_tensors_are_written_as_tensorflow_writes_them(dtype: str, shape: tuple[int, ...]) -> None:
    array = example(dtype).reshape(shape)

    data = to_proto(array).SerializeToString()

    assert data == packed(array).SerializeToString()
    assert same(tf.make_ndarray(tf_tensor.TensorProto.FromString(data)), array)


@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if dtype != "bfloat16"])
@pytest.mark.parametrize("shape", [(), (1,), (0,), (0, 3)])
def test_tensors_of_one_element_or_none_arrive_whole(dtype: str, shape: tuple[int, ...]) -> None:
    array = example(dtype).ravel()[: int(np.prod(shape))].reshape(shape)

    arrived = tf.make_ndarray(tf_tensor.TensorProto.FromString(to_proto(array).SerializeToString()))

    assert same(arrived, array)
    assert same(from_proto(to_proto(array)), array)


MODEL_FOLDERS = sorted(file.parent for file in MODELS.glob("*/*/saved_model.pb") if file.parent.parent.name != "broken")


@pytest.mark.parametrize("folder", MODEL_FOLDERS, ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_signatures_are_what_tensorflow_says_they_are(folder: Path) -> None:
    official = tf_saved_model.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    (graph,) = (graph for graph in official.meta_graphs if "serve" in graph.meta_info_def.tags)

    read = savedmodel.read(folder)

    assert read.tensorflow_version == graph.meta_info_def.tensorflow_version
    assert set(read.signatures) == {name for name in graph.signature_def if not name.startswith("__")}
    for name, signature in read.signatures.items():
        expected = graph.signature_def[name]
        assert signature.method_name == expected.method_name
        assert signature.defaults == set(expected.defaults)
        for ours, theirs in ((signature.inputs, expected.inputs), (signature.outputs, expected.outputs)):
            assert set(ours) == set(theirs)
            for key, spec in ours.items():
                shape = tf.TensorShape(theirs[key].tensor_shape)
                assert spec.dtype == tf.dtypes.as_dtype(theirs[key].dtype).name
                assert spec.shape == (None if shape.rank is None else tuple(shape.as_list()))
    assert read.fingerprint == tf.saved_model.experimental.read_fingerprint(str(folder)).singleprint()
