"""What the graph proves of an output, op by op; real exports are in tests/e2e/test_detection.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headwise import savedmodel
from headwise.savedmodel import UNKNOWN, DetectedHead, ops
from headwise.tfserving import graph_pb2
from headwise.tfserving.tensor_pb2 import DT_BFLOAT16, DT_FLOAT, DT_INT32, DT_INT64
from support.graphs import detected, function, integers, node
from support.recordings import MODELS

X = node("x", "Placeholder", shape=[None, 5])
KERNEL = node("kernel", "ReadVariableOp", "handle", shape=[5, 4])
BIAS = node("bias", "ReadVariableOp", "handle", shape=[4])
HANDLE = node("handle", "VarHandleOp")
Z = node("z", "MatMul", "x", "kernel", shape=[None, 4])
LAYER = (X, HANDLE, KERNEL, BIAS, Z)
SOFTMAX = node("p", "Softmax", "z", shape=[None, 4])
SIGMOID = node("p", "Sigmoid", "z", shape=[None, 4])
SCALAR = node("c", "Const")
FLOATS = {"SrcT": DT_FLOAT, "DstT": DT_BFLOAT16}


@pytest.mark.parametrize(("op", "name"), [*ops.ELEMENTWISE.items(), *ops.ROW_WISE.items()])
def test_an_activation_is_named(tmp_path: Path, op: str, name: str) -> None:
    head = detected(tmp_path, "y:0", [None, 4], *LAYER, node("y", op, "z", shape=[None, 4]))

    assert head == DetectedHead(name, 4, (f"{op} y",))


LINEAR: dict[str, list[graph_pb2.NodeDef]] = {
    "a product": [node("y", "MatMul", "x", "kernel")],
    "a product from the left": [node("y", "MatMul", "kernel", "x")],
    "a frozen product": [node("y", "MatMul", "x", "c")],
    "a contraction": [node("y", "Einsum", "x", "kernel")],
    "a convolution": [node("y", "Conv2D", "x", "kernel")],
    "a transposed convolution": [node("y", "Conv2DBackpropInput", "c", "kernel", "x")],
    "a bias": [node("y", "BiasAdd", "z", "bias")],
    "a bias on the left": [node("y", "AddV2", "bias", "z")],
    "a bias after a reshape": [
        node("flat", "Reshape", "z", "c"),
        node("wide", "Reshape", "bias", "c"),
        node("y", "AddV2", "flat", "wide"),
    ],
    "two layers' sum": [node("other", "MatMul", "x", "kernel"), node("y", "AddV2", "z", "other")],
    "a cast kernel": [node("half", "Cast", "kernel", types=FLOATS), node("y", "MatMul", "x", "half")],
    "a layer after a sigmoid": [node("h", "Sigmoid", "z"), node("y", "MatMul", "h", "kernel")],
    "a quantised layer": [
        node("i", "MatMul", "x", "kernel"),
        node("f", "Cast", "i", types={"SrcT": DT_INT32, "DstT": DT_FLOAT}),
        node("y", "RealDiv", "f", "x"),
    ],
}


@pytest.mark.parametrize("form", LINEAR)
def test_a_weighted_sum_is_linear(tmp_path: Path, form: str) -> None:
    head = detected(tmp_path, "y", [None, 4], *LAYER, SCALAR, *LINEAR[form])

    assert (head.activation, head.units, head.beneath) == ("linear", 4, None)


NOT_LINEAR: dict[str, list[graph_pb2.NodeDef]] = {
    "the input itself": [node("y", "Identity", "x")],
    "a constant": [node("y", "Identity", "c")],
    "a variable": [node("y", "Identity", "bias")],
    "the input, shifted": [node("y", "AddV2", "x", "c")],
    "an activation, shifted": [node("r", "Relu", "z"), node("y", "BiasAdd", "r", "bias")],
    "a product of two inputs": [node("y", "MatMul", "x", "z")],
    "a product of two activations": [
        node("a", "Softmax", "z"),
        node("b", "Sigmoid", "z"),
        node("y", "BatchMatMulV2", "a", "b"),
    ],
    "probabilities, regrouped": [node("p", "Softmax", "z"), node("y", "MatMul", "p", "c")],
    "probabilities, averaged": [node("p", "Sigmoid", "z"), node("y", "Einsum", "c", "p")],
    "a multiple": [node("y", "Mul", "z", "c")],
    "a part": [node("y", "RealDiv", "z", "c")],
    "a negative": [node("y", "Neg", "z")],
    "a formula for a sigmoid": [
        node("n", "Neg", "z"),
        node("e", "Exp", "n"),
        node("d", "AddV2", "e", "c"),
        node("y", "RealDiv", "c", "d"),
    ],
    "a gated layer": [
        node("i", "MatMul", "x", "kernel"),
        node("f", "Cast", "i", types={"SrcT": DT_INT32, "DstT": DT_FLOAT}),
        node("gate", "Sigmoid", "z"),
        node("y", "Mul", "f", "gate"),
    ],
    "a choice": [node("y", "SelectV2", "c", "z", "c")],
    "a branch": [node("y", "If", "c", "z")],
    "a loop": [node("y", "While", "z")],
    "classes as numbers": [
        node("best", "ArgMax", "z", "c"),
        node("y", "Cast", "best", types={"SrcT": DT_INT64, "DstT": DT_FLOAT}),
    ],
}


@pytest.mark.parametrize("form", NOT_LINEAR)
def test_what_has_no_name_is_unknown(tmp_path: Path, form: str) -> None:
    head = detected(tmp_path, "y:0", [None, 4], *LAYER, SCALAR, *NOT_LINEAR[form])

    assert (head.activation, head.units, head.beneath) == (UNKNOWN, 4, None)


@pytest.mark.parametrize("op", sorted(ops.UNCHANGED - {"Cast"}))
@pytest.mark.parametrize("made", [SOFTMAX, SIGMOID])
def test_ops_that_change_nothing_are_passed(tmp_path: Path, op: str, made: graph_pb2.NodeDef) -> None:
    head = detected(tmp_path, "y", [None, 4], *LAYER, made, node("y", op, "p"))

    assert head == DetectedHead(made.op.lower(), 4, (f"{op} y", f"{made.op} p"))


def test_a_cast_between_floats_is_passed_and_no_other(tmp_path: Path) -> None:
    for types, activation in ((FLOATS, "sigmoid"), ({"SrcT": DT_FLOAT, "DstT": DT_INT32}, UNKNOWN), ({}, UNKNOWN)):
        cast = node("y", "Cast", "p", types=types)
        assert detected(tmp_path, "y", [None, 4], *LAYER, SIGMOID, cast).activation == activation


def moving(op: str, after: list[Any], values: tuple[int, ...], numbers: dict[str, int]) -> list[graph_pb2.NodeDef]:
    """A p, moved into another shape."""
    last = ["at"] if values else []
    inputs = ["at", "p"] if op == "Split" else ["p", *last]
    return [*([integers("at", *values)] if values else []), node("y", op, *inputs, shape=after, numbers=numbers)]


N = None
FORMS: list[tuple[str, str, list[Any], list[Any], tuple[int, ...], dict[str, int], bool]] = [
    ("reshape keeps rows", "Reshape", [N, 4], [N, 1, 4], (), {}, True),
    ("reshape regroups rows", "Reshape", [N, 4], [N, 2, 2], (), {}, False),
    ("reshape joins rows", "Reshape", [N, 3, 4], [N, 12], (), {}, False),
    ("reshape of unknown rows", "Reshape", [N, N], [N, N], (), {}, False),
    ("squeeze of positions", "Squeeze", [N, 1, 4], [N, 4], (), {}, True),
    ("squeeze of one unit", "Squeeze", [N, 1], [N], (), {}, True),
    ("squeeze of one row", "Squeeze", [1, 4], [4], (), {}, False),
    ("expand before rows", "ExpandDims", [N, 4], [N, 1, 4], (), {}, True),
    ("expand within rows", "ExpandDims", [N, 4], [N, 4, 1], (), {}, False),
    ("slice of rows", "Slice", [N, 5, 4], [N, 2, 4], (), {}, True),
    ("slice of units", "Slice", [N, 4], [N, 2], (), {}, False),
    ("split of units", "Split", [N, 4], [N, 2], (1,), {}, False),
    ("split of rows", "Split", [N, 6, 4], [N, 2, 4], (1,), {}, True),
    ("transpose of positions", "Transpose", [N, 5, 4], [5, N, 4], (1, 0, 2), {}, True),
    ("transpose of units", "Transpose", [N, 4, 4], [N, 4, 4], (0, 2, 1), {}, False),
    ("transpose as computed", "Transpose", [N, 4, 4], [N, 4, 4], (), {}, False),
    ("unstack of positions", "Unpack", [N, 4, 4], [N, 4], (), {"axis": 1}, True),
    ("unstack of units", "Unpack", [N, 4, 4], [N, 4], (), {"axis": 2}, False),
    ("unstack of units from the end", "Unpack", [N, 4, 4], [N, 4], (), {"axis": -1}, False),
    ("gather", "GatherV2", [N, 4], [N, 4], (), {}, False),
    ("x[:, 1]", "StridedSlice", [N, 4], [N], (0, 1), {"shrink_axis_mask": 2}, False),
    ("x[:, 0] of one unit", "StridedSlice", [N, 1], [N], (0, 0), {"shrink_axis_mask": 2}, True),
    ("x[:, 2, :]", "StridedSlice", [N, 5, 4], [N, 4], (0, 2, 0), {"shrink_axis_mask": 2}, True),
    ("x[:, 2]", "StridedSlice", [N, 5, 4], [N, 4], (0, 2), {"shrink_axis_mask": 2}, True),
    ("x[:, :, 2] of a square", "StridedSlice", [N, 4, 4], [N, 4], (0, 0, 2), {"shrink_axis_mask": 4}, False),
    ("x[..., 2] of a square", "StridedSlice", [N, 4, 4], [N, 4], (0, 2),
     {"shrink_axis_mask": 2, "ellipsis_mask": 1}, False),
    ("x[..., 2, :] of a square", "StridedSlice", [N, 4, 4], [N, 4], (0, 2, 0),
     {"shrink_axis_mask": 2, "ellipsis_mask": 1}, True),
    ("x[0, ...]", "StridedSlice", [5, N, 4], [N, 4], (0, 0), {"shrink_axis_mask": 1, "ellipsis_mask": 2}, True),
    ("x[:, None]", "StridedSlice", [N, 4], [N, 1, 4], (0, 0), {"new_axis_mask": 2}, True),
    ("x[:, :, None]", "StridedSlice", [N, 1], [N, 1, 1], (0, 0, 0), {"new_axis_mask": 4}, False),
    ("x[..., None] of a square", "StridedSlice", [N, 1], [N, 1, 1], (0, 0),
     {"new_axis_mask": 2, "ellipsis_mask": 1}, False),
    ("x[:-1]", "StridedSlice", [N, 4], [N, 4], (0,), {}, True),
    ("x[:, :2]", "StridedSlice", [N, 4], [N, 2], (0, 0), {}, False),
    ("x[:, i:j] as computed", "StridedSlice", [N, 4], [N, 4], (), {}, False),
]  # fmt: skip
MOVES: dict[str, tuple[list[Any], list[Any], list[graph_pb2.NodeDef], bool]] = {
    name: (before, after, moving(op, after, values, numbers), whole)
    for name, op, before, after, values, numbers, whole in FORMS
}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize(("op", "always"), [("Softmax", False), ("LogSoftmax", False), ("Sigmoid", True)])
def test_a_softmax_is_one_only_while_its_rows_are_whole(tmp_path: Path, move: str, op: str, always: bool) -> None:
    before, after, nodes, whole = MOVES[move]
    computed = node("computed", "Shape", "x")
    if len(nodes) == 1 and nodes[0].op in ("StridedSlice", "Transpose"):
        nodes = [node("y", nodes[0].op, "p", "computed", shape=after)]

    head = detected(tmp_path, "y:0", after, *LAYER, computed, node("p", op, "z", shape=before), *nodes)

    names = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid"}
    assert head.activation == (names[op] if whole or always else UNKNOWN)
    assert head.units == (1 if len(after) == 1 else after[-1])
    if head.activation == UNKNOWN:
        assert "rows" in head.path[-1]


def test_a_vector_made_of_one_unit_is_the_head_only_where_it_is_the_output(tmp_path: Path) -> None:
    """(4, 1) to (4,) to (1, 4): four ones, and no softmax over four."""
    p = node("p", "Softmax", "z", shape=[4, 1])
    vector = node("v", "Squeeze", "p", shape=[4])

    row = detected(tmp_path, "y", [1, 4], *LAYER, p, vector, node("y", "Reshape", "v", "c", shape=[1, 4]), SCALAR)
    stack = detected(tmp_path, "y", [2, 4], *LAYER, p, vector, node("y", "Pack", "v", "v", shape=[2, 4]))

    assert row.activation == stack.activation == UNKNOWN


def test_a_softmax_over_a_batch_is_none(tmp_path: Path) -> None:
    for shape in ([None], None):
        assert detected(tmp_path, "y", shape, *LAYER, node("y", "Softmax", "z")).activation == UNKNOWN


JOINS = [
    ("ConcatV2", "Sigmoid", "Sigmoid", 1, "sigmoid"),
    ("ConcatV2", "Sigmoid", "Tanh", 1, UNKNOWN),
    ("ConcatV2", "Sigmoid", "Neg", 1, UNKNOWN),
    ("ConcatV2", "Softmax", "Softmax", 1, UNKNOWN),
    ("ConcatV2", "Softmax", "Softmax", -1, UNKNOWN),
    ("ConcatV2", "Softmax", "Softmax", 0, "softmax"),
    ("ConcatV2", "Softmax", "Softmax", 7, UNKNOWN),
    ("ConcatV2", "Softmax", "LogSoftmax", 0, UNKNOWN),
    ("ConcatV2", "Identity", "Identity", 1, "linear"),
    ("Concat", "Softmax", "Softmax", 0, "softmax"),
    ("Concat", "Tanh", "Tanh", 1, "tanh"),
    ("Pack", "Softmax", "Softmax", 1, "softmax"),
    ("Pack", "Softmax", "Softmax", 2, UNKNOWN),
    ("Pack", "Softmax", "Softmax", -1, UNKNOWN),
    ("Pack", "Sigmoid", "Sigmoid", -1, "sigmoid"),
]


@pytest.mark.parametrize(("op", "left", "right", "axis", "activation"), JOINS)
def test_joined_parts_are_what_all_of_them_are(
    tmp_path: Path, op: str, left: str, right: str, axis: int, activation: str
) -> None:
    inputs = {"ConcatV2": ["a", "b", "axis"], "Concat": ["axis", "a", "b"], "Pack": ["a", "b"]}[op]
    shape = [None, 2, 4] if op == "Pack" else [None, 4]

    head = detected(
        tmp_path,
        "y",
        shape,
        *LAYER,
        node("a", left, "z", shape=[None, 4]),
        node("b", right, "z", shape=[None, 4]),
        integers("axis", axis),
        node("y", op, *inputs, shape=shape, numbers={"axis": axis} if op == "Pack" else None),
    )

    assert head.activation == activation


@pytest.mark.parametrize(
    ("under", "over", "beneath"),
    [
        ("Sigmoid", "Sigmoid", "sigmoid"),
        ("Relu", "Sigmoid", "relu"),
        ("Softmax", "Sigmoid", "softmax"),
        ("Relu", "Softmax", "relu"),
        ("Identity", "Softmax", None),
        ("Neg", "Sigmoid", None),
    ],
)
def test_an_activation_beneath_another_is_named(tmp_path: Path, under: str, over: str, beneath: str | None) -> None:
    nodes = [
        node("a", under, "z", shape=[None, 4]),
        node("b", "Reshape", "a", "c", shape=[None, 4]),
        node("y", over, "b", shape=[None, 4]),
    ]

    head = detected(tmp_path, "y", [None, 4], *LAYER, SCALAR, *nodes)

    assert (head.activation, head.beneath) == (over.lower(), beneath)


def test_what_lies_beneath_two_parts_is_named_where_they_agree(tmp_path: Path) -> None:
    for under, beneath in (("Relu", "relu"), ("Tanh", None)):
        nodes = [node("a", "Relu", "z"), node("b", under, "z"), node("c", "Sigmoid", "a"), node("d", "Sigmoid", "b")]
        join = node("y", "ConcatV2", "c", "d", "axis")
        head = detected(tmp_path, "y", [None, 8], *LAYER, *nodes, integers("axis", 1), join)
        assert (head.activation, head.beneath) == ("sigmoid", beneath)


CALLED = function(
    "inner",
    ["x", "w"],
    {"logits": "product:product:0", "given": "x", "both": "pair:output:1"},
    node("product", "MatMul", "x", "w", shape=[None, 4]),
    node("p", "Sigmoid", "product:product:0", shape=[None, 4]),
    node("pair", "IdentityN", "product:product:0", "p:y:0", shapes=[[None, 4], [None, 4]]),
)
OUTER = function(
    "outer",
    ["x", "w"],
    {"first": "call:output:0", "second": "call:output:1", "third": "call:output:2"},
    node("call", "PartitionedCall", "x", "w", "^p", calls="inner", shapes=[[None, 4]] * 3),
)


@pytest.mark.parametrize("op", ["PartitionedCall", "StatefulPartitionedCall", "outer"])
@pytest.mark.parametrize(("index", "activation"), [(0, "linear"), (1, "tanh"), (2, "sigmoid")])
def test_calls_are_entered_and_arguments_lead_back(tmp_path: Path, op: str, index: int, activation: str) -> None:
    given = node("t", "Tanh", "z", shape=[None, 4])
    call = node("call", op, "t", "kernel", "^x", shapes=[[None, 4]] * 3, calls="outer" if op != "outer" else None)

    head = detected(tmp_path, f"call:{index}", [None, 4], *LAYER, given, call, CALLED, OUTER)

    assert head.activation == activation
    assert head.path[:2] == (f"{op} call", "PartitionedCall call")


def test_units_come_from_the_signature_or_else_from_the_graph(tmp_path: Path) -> None:
    for shape, units in (([None, 4], 4), ([None], 1), (None, 4), ([None, None], 4), ([None, 3], 3)):
        head = detected(tmp_path, "y", shape, *LAYER, SIGMOID, node("y", "Identity", "p", shape=shape))
        assert head.units == units, shape
    reshaped = node("y", "Reshape", "p", "c")
    assert detected(tmp_path, "y", None, *LAYER, SCALAR, SIGMOID, reshaped) == DetectedHead(
        "sigmoid", None, ("Reshape y", "Sigmoid p")
    )


def test_an_output_that_is_no_float_has_no_head(tmp_path: Path) -> None:
    assert savedmodel.read(MODELS / "bytes" / "1").detected["serving_default"] == {}


RECORDED = {
    "bad_softmax1": {"output_0": ("softmax", 1)},
    "image": {"output_0": ("softmax", 10)},
    "logit": {"output_0": ("linear", 1)},
    "multilabel": {"output_0": ("sigmoid", 3)},
    "nanout": {"y": (UNKNOWN, 6)},
    "pair": {"hidden": ("linear", 2), "prob": ("sigmoid", 1)},
    "scalar": {"total": (UNKNOWN, None)},
    "sigmoid": {"output_0": ("sigmoid", 1)},
    "softmax2": {"output_0": ("softmax", 2)},
    "softmax4": {"output_0": ("softmax", 4)},
    "steps": {"y": (UNKNOWN, 1)},
    "dtypes": {"bf": (UNKNOWN, 1), "d": (UNKNOWN, 1), "hf": (UNKNOWN, 1)},
    "examples": {"scores": ("softmax", 3)},
    "bytes": {},
}


@pytest.mark.parametrize("model", RECORDED)
def test_the_recorded_models_are_what_they_are(model: str) -> None:
    heads = savedmodel.read(MODELS / model / "1").detected["serving_default"]

    assert {name: (head.activation, head.units) for name, head in heads.items()} == RECORDED[model]


def test_every_recorded_model_is_in_the_table() -> None:
    assert {folder.name for folder in MODELS.iterdir()} == {*RECORDED, "broken"}


def test_half_a_softmax_is_none_in_a_recorded_model() -> None:
    heads = savedmodel.read(MODELS / "examples" / "1").detected

    assert heads["classify_short"]["scores"].activation == "softmax"
    assert heads["classify_flat"]["scores"].activation == UNKNOWN
    assert heads["classify_uneven"]["scores"].path[-1].startswith("the rows of the softmax do not arrive whole")
