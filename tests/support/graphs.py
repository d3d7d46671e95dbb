"""SavedModels written by hand, node by node: also such as TensorFlow would never write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from headwise import savedmodel
from headwise.savedmodel import DetectedHead
from headwise.tfserving import graph_pb2, saved_model_pb2, tensor_pb2

Size = int | None


def node(
    name: str,
    op: str,
    *inputs: str,
    shape: Sequence[Size] | None = None,
    shapes: Sequence[Sequence[Size]] | None = None,
    calls: str | None = None,
    types: Mapping[str, int] | None = None,
    numbers: Mapping[str, int] | None = None,
) -> graph_pb2.NodeDef:
    """One node. shape: of its only output; shapes: of all its outputs; numbers: its integer attributes."""
    made = graph_pb2.NodeDef(name=name, op=op, input=inputs)
    for one in shapes or ([shape] if shape is not None else []):
        dims = [tensor_pb2.TensorShapeProto.Dim(size=-1 if size is None else size) for size in one]
        made.attr["_output_shapes"].list.shape.add(dim=dims)
    if calls is not None:
        made.attr["f"].func.name = calls
    for key, number in (numbers or {}).items():
        made.attr[key].i = number
    for key, dtype in (types or {}).items():
        made.attr[key].type = dtype
    return made


def integers(name: str, *values: int) -> graph_pb2.NodeDef:
    """A constant vector of int32."""
    made = graph_pb2.NodeDef(name=name, op="Const")
    dims = [tensor_pb2.TensorShapeProto.Dim(size=len(values))]
    made.attr["value"].tensor.CopyFrom(
        tensor_pb2.TensorProto(
            dtype=tensor_pb2.DT_INT32, tensor_shape=tensor_pb2.TensorShapeProto(dim=dims), int_val=values
        )
    )
    return made


def function(
    name: str, arguments: Sequence[str], returns: Mapping[str, str], *nodes: graph_pb2.NodeDef
) -> graph_pb2.FunctionDef:
    """One function of the library; returns: its outputs, and the tensors that they are."""
    made = graph_pb2.FunctionDef(node_def=nodes, ret=returns)
    made.signature.name = name
    made.signature.input_arg.extend(graph_pb2.OpDef.ArgDef(name=argument) for argument in arguments)
    made.signature.output_arg.extend(graph_pb2.OpDef.ArgDef(name=output) for output in returns)
    return made


def saved_model(
    outputs: Mapping[str, tuple[str, Sequence[Size] | None]],
    *parts: graph_pb2.NodeDef | graph_pb2.FunctionDef,
    dtype: int = tensor_pb2.DT_FLOAT,
) -> saved_model_pb2.SavedModel:
    """A model whose signature serving_default has these outputs: tensor and shape (None: of any rank)."""
    model = saved_model_pb2.SavedModel()
    graph = model.meta_graphs.add()
    graph.meta_info_def.tags.append("serve")
    for key, (tensor, shape) in outputs.items():
        info = graph.signature_def["serving_default"].outputs[key]
        info.name, info.dtype = tensor, dtype
        info.tensor_shape.unknown_rank = shape is None
        for size in shape or ():
            info.tensor_shape.dim.add(size=-1 if size is None else size)
    for part in parts:
        kept = graph.graph_def.node if isinstance(part, graph_pb2.NodeDef) else graph.graph_def.library.function
        kept.append(part)
    return model


def read(folder: Path, model: saved_model_pb2.SavedModel) -> savedmodel.SavedModel:
    """Write the model into the folder and read it."""
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())
    return savedmodel.read(folder)


def detected(
    folder: Path,
    tensor: str,
    shape: Sequence[Size] | None,
    *parts: graph_pb2.NodeDef | graph_pb2.FunctionDef,
    dtype: int = tensor_pb2.DT_FLOAT,
) -> DetectedHead:
    """What is detected of one output."""
    return read(folder, saved_model({"y": (tensor, shape)}, *parts, dtype=dtype)).detected["serving_default"]["y"]
