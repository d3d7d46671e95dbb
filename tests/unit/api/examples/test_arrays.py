"""tf.Examples become the arrays that the signature asks for, as `instances` would, or an error names the place."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from headwise.api.examples.arrays import arrays
from headwise.api.examples.examples import Examples
from headwise.api.rest.instances import read_inputs
from headwise.errors import InvalidTensorError, UnsupportedError
from headwise.savedmodel import Signature, TensorSpec
from headwise.savedmodel.signature import Shape


def _array(dtype: str, shape: Shape | None, *features: list[Any]) -> Any:
    rows = tuple({"x": feature} for feature in features)
    return arrays(Examples(rows), Signature({"x": TensorSpec(dtype, shape)}, {}))["x"]


@pytest.mark.parametrize(
    ("dtype", "shape", "features", "expected"),
    [
        ("float32", (None, 2), [[1.5, 2.5], [3.5, 4.5]], np.array([[1.5, 2.5], [3.5, 4.5]], np.float32)),
        ("float32", (None, 2), [[1, 2], [3.5, 4.5]], np.array([[1, 2], [3.5, 4.5]], np.float32)),
        ("float64", (None,), [[0.1], [3]], np.array([0.1, 3])),
        ("float16", (None, 1), [[0.5]], np.array([[0.5]], np.float16)),
        ("float32", (2, 1), [[1.0], [2.0]], np.array([[1], [2]], np.float32)),
        ("float32", (None, 2, 2, 1), [[1, 2, 3, 4]], np.array([1, 2, 3, 4], np.float32).reshape(1, 2, 2, 1)),
        ("float32", (None, None, 2), [[1, 2, 3, 4]], np.array([[[1, 2], [3, 4]]], np.float32)),
        ("float32", (None, None), [[1.0], [2.0]], np.array([[1], [2]], np.float32)),
        ("int32", (None, 1), [[-(2**31)], [2**31 - 1]], np.array([[-(2**31)], [2**31 - 1]], np.int32)),
        ("uint64", (None,), [[2**63 - 1]], np.array([2**63 - 1], np.uint64)),
        ("int64", (None,), [[2**63 - 1]], np.array([2**63 - 1])),
        ("uint8", (None, 2), [[0, 255]], np.array([[0, 255]], np.uint8)),
        ("bool", (None, 2), [[1, 0]], np.array([[True, False]])),
        ("string", (None, 2), [[b"a", b"\xff"]], np.array([[b"a", b"\xff"]], object)),
        ("string", (None,), [[b"a"], [b"b"]], np.array([b"a", b"b"], object)),
    ],
)
def test_a_flat_feature_is_shaped_as_the_input(
    dtype: str, shape: Shape, features: list[list[Any]], expected: np.ndarray[Any, Any]
) -> None:
    got = _array(dtype, shape, *features)
    assert (got.dtype, got.shape, got.tolist()) == (expected.dtype, expected.shape, expected.tolist())


@pytest.mark.parametrize(
    ("dtype", "shape", "features", "text"),
    [
        ("float32", (None, 2), [[1.0, 2.0], []], r"^examples\[1\] has no feature 'x': the model takes float32"),
        ("float32", (None, 2), [[1.0]], r"^examples\[0\]: feature 'x' has 1 value: the model takes float32 \(\?, 2\)$"),
        ("float32", (None,), [[1.0, 2.0]], r"feature 'x' has 2 values: the model takes float32 \(\?,\)"),
        ("float32", (None, None, 2), [[1, 2, 3]], r"^examples\[0\]: feature 'x' has 3 values"),
        ("float32", (None, None), [[1], [1, 2]], r"^examples\[1\]: feature 'x' has 2 values, but 1 in examples\[0\]"),
        ("float32", (None, None, 0), [[1]], r"^examples\[0\]: feature 'x' has 1 value"),
        ("float32", (None, None, None), [[1, 2]], r"ambiguous with several free axes; send arrays"),
        ("float32", None, [[1, 2]], r"cannot fill row by row: send arrays"),
        ("float32", (), [[1]], r"cannot fill row by row: send arrays"),
        ("float32", (None,), [[b"1"]], r"^examples\[0\]: feature 'x' holds bytes: the model takes float32"),
        ("int32", (None,), [[1], [1.5]], r"^examples\[1\]: feature 'x' holds floats: the model takes int32"),
        ("int32", (None,), [[0], [2**31]], r"^examples\[1\]: feature 'x' holds 2147483648: int32 goes from -2147"),
        ("uint8", (None, 2), [[1, -1]], r"^examples\[0\]: feature 'x' holds -1: uint8 goes from 0 to 255"),
        ("bool", (None,), [[2]], r"^examples\[0\]: feature 'x' holds 2: bool goes from 0 to 1"),
        ("string", (None,), [[1]], r"^examples\[0\]: feature 'x' holds integers: the model takes string"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(dtype: str, shape: Shape | None, features: list[list[Any]], text: str) -> None:
    with pytest.raises(InvalidTensorError, match=text):
        _array(dtype, shape, *features)


@pytest.mark.parametrize("dtype", ["complex64", "bfloat16", "dtype 99"])
def test_a_dtype_that_tf_examples_cannot_carry_is_refused(dtype: str) -> None:
    with pytest.raises(UnsupportedError, match=f"the model takes {dtype}, which tf.Examples cannot carry"):
        _array(dtype, (None,), [1.0])


def test_a_number_beyond_the_dtype_becomes_infinity_for_the_preflight_to_name() -> None:
    assert _array("float32", (None,), [1e300]).tolist() == [np.inf]


def test_the_context_fills_what_an_example_lacks_and_other_features_are_passed_over() -> None:
    signature = Signature({"n": TensorSpec("int32", (None,)), "x": TensorSpec("float32", (None, 2))}, {})
    examples = Examples(({"x": [1.0, 2.0], "other": [b"y"]}, {"n": [7]}), {"n": [5], "x": [8, 9]})
    got = arrays(examples, signature)
    assert {name: array.tolist() for name, array in got.items()} == {"n": [5, 7], "x": [[1, 2], [8, 9]]}


def test_an_input_with_a_default_may_be_absent_but_not_in_some_rows_only() -> None:
    inputs = {"x": TensorSpec("float32", (None,)), "y": TensorSpec("float32", (None,))}
    signature = Signature(inputs, {}, defaults=frozenset({"y"}))
    assert arrays(Examples(({"x": [1.0]},)), signature).keys() == {"x"}
    assert arrays(Examples(({"x": [1.0], "y": [2.0]},)), signature).keys() == {"x", "y"}
    with pytest.raises(InvalidTensorError, match=r"^examples\[1\] has no feature 'y'"):
        arrays(Examples(({"x": [1.0], "y": [2.0]}, {"x": [1.0]})), signature)


@given(
    st.sampled_from(["float32", "float64", "int32", "uint8", "bool"]).flatmap(
        lambda dtype: st.tuples(
            st.just(dtype),
            arrays_of.arrays(
                dtype,
                arrays_of.array_shapes(min_dims=1, max_dims=4, max_side=3),
                elements={"allow_nan": False, "allow_infinity": False} if dtype.startswith("float") else None,
            ),
        )
    )
)
@settings(max_examples=60, deadline=None)
def test_examples_give_the_arrays_that_instances_give(sent: tuple[str, np.ndarray[Any, Any]]) -> None:
    dtype, array = sent
    signature = Signature({"x": TensorSpec(dtype, (None, *array.shape[1:]))}, {})
    rows = [row.reshape(-1).astype(int if dtype == "bool" else dtype).tolist() for row in array]
    from_examples = arrays(Examples(tuple({"x": row} for row in rows)), signature)["x"]
    from_instances = read_inputs({"instances": [{"x": row} for row in array.tolist()]}, signature)["x"]
    assert (from_examples.dtype, from_examples.shape) == (from_instances.dtype, from_instances.shape)
    assert from_examples.tobytes() == from_instances.tobytes()
