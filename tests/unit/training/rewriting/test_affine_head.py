"""The algebra of two units and one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from headwise.errors import UnsupportedError
from headwise.heads import Activation
from headwise.training.rewriting.affine_head import AffineHead, one_unit, two_units

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(50, 7)).astype(np.float32)


def head(units: int, activation: Activation = "linear", *, bias: bool = True) -> AffineHead:
    kernel = RANDOM.normal(size=(7, units)).astype(np.float32)
    return AffineHead("features:0", kernel, RANDOM.normal(size=units).astype(np.float32) if bias else None, activation)


def logits(head: AffineHead) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    z = FEATURES.astype(np.float64) @ head.kernel.astype(np.float64)
    return z if head.bias is None else z + head.bias


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", ["softmax", "log_softmax", "linear"])
def test_one_unit_says_what_two_said(activation: Activation, bias: bool) -> None:
    two = head(2, activation, bias=bias)
    one = one_unit(two)
    assert (one.units, one.activation, one.kernel.dtype.name) == (1, "linear", "float32")
    assert (one.bias is None) is not bias
    np.testing.assert_allclose(special.expit(logits(one)[:, 0]), special.softmax(logits(two), axis=1)[:, 1], atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", ["sigmoid", "linear"])
def test_two_units_say_what_one_said(activation: Activation, bias: bool) -> None:
    one = head(1, activation, bias=bias)
    two = two_units(one)
    assert (two.units, two.activation) == (2, "softmax")
    np.testing.assert_array_equal(two.kernel[:, 0], 0)
    np.testing.assert_allclose(special.softmax(logits(two), axis=1)[:, 1], special.expit(logits(one)[:, 0]), atol=1e-6)


def test_there_and_back_is_where_it_was() -> None:
    one = head(1)
    again = one_unit(two_units(one))
    np.testing.assert_array_equal(again.kernel, one.kernel)
    np.testing.assert_array_equal(np.asarray(again.bias), np.asarray(one.bias))


def test_heads_of_another_form_are_refused() -> None:
    for wrong in (head(1), head(3, "softmax"), head(2, "sigmoid")):
        with pytest.raises(UnsupportedError, match="--to one-unit takes two softmax units, or two linear ones"):
            one_unit(wrong)
    for wrong in (head(2), head(1, "softmax")):
        with pytest.raises(UnsupportedError, match="--to two-unit takes one sigmoid unit, or one linear one"):
            two_units(wrong)
