"""TensorFlow's ops, sorted by what they say about the meaning of the numbers that they give."""

from __future__ import annotations

from collections.abc import Mapping

from headwise.savedmodel import axes

ELEMENTWISE: Mapping[str, str] = {
    "Elu": "elu",
    "Exp": "exponential",
    "LeakyRelu": "leaky_relu",
    "Relu": "relu",
    "Relu6": "relu6",
    "Selu": "selu",
    "Sigmoid": "sigmoid",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Tanh": "tanh",
}
"""Activations that look at one number at a time: any selection of the numbers is still one."""

ROW_WISE: Mapping[str, str] = {"LogSoftmax": "log_softmax", "Softmax": "softmax"}
"""Activations over the last axis: half a row of a softmax is none."""

UNCHANGED = frozenset(
    {
        "Cast",
        "CheckNumerics",
        "FakeQuantWithMinMaxArgs",
        "FakeQuantWithMinMaxVars",
        "FakeQuantWithMinMaxVarsPerChannel",
        "Identity",
        "IdentityN",
        "PreventGradient",
        "QuantizeAndDequantizeV2",
        "QuantizeAndDequantizeV3",
        "QuantizeAndDequantizeV4",
        "StopGradient",
    }
)
"""Ops that give the numbers and the shape that they read, but for rounding."""

MOVES: Mapping[str, axes.Keeps] = {
    "BatchToSpaceND": axes.never,
    "DepthToSpace": axes.never,
    "ExpandDims": axes.same_size,
    "GatherNd": axes.never,
    "GatherV2": axes.never,
    "Reshape": axes.same_size,
    "Slice": axes.same_size,
    "Split": axes.same_size,
    "SplitV": axes.same_size,
    "Squeeze": axes.same_size,
    "StridedSlice": axes.indexed,
    "Transpose": axes.transposed,
    "Unpack": axes.unstacked,
}
"""Ops that select and rearrange numbers, and whether the rows of the last axis survive it."""

SEVERAL_OUTPUTS = frozenset({"IdentityN", "Split", "SplitV", "Unpack"})

JOINS = frozenset({"Concat", "ConcatV2", "Pack"})

SUMS = frozenset({"Add", "AddV2", "BiasAdd"})

PRODUCTS: Mapping[str, tuple[int, int]] = {
    "BatchMatMul": (0, 1),
    "BatchMatMulV2": (0, 1),
    "BatchMatMulV3": (0, 1),
    "Conv2D": (0, 1),
    "Conv2DBackpropInput": (2, 1),
    "Conv3D": (0, 1),
    "Conv3DBackpropInputV2": (2, 1),
    "DepthwiseConv2dNative": (0, 1),
    "Einsum": (0, 1),
    "MatMul": (0, 1),
}
"""Weighted sums, by the positions of what is summed and of the weights."""

MATRIX_PRODUCTS = frozenset({"BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum", "MatMul"})
"""Products whose weights may stand on either side."""

LITERALS = frozenset({"Const"})
VARIABLES = frozenset({"ReadVariableOp", "Variable", "VariableV2"})
