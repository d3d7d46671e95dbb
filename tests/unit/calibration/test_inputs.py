"""What calibration is given, read as rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headwise.calibration.inputs import read
from headwise.errors import CalibrationError, HeadMismatchError, OutputRangeError, OutputShapeError
from headwise.heads import Head, Platt

RANDOM = np.random.default_rng(0)
BINARY = Head("binary", "linear", ("no", "yes"))
THREE = Head("multiclass", "linear", ("a", "b", "c"))
SHARES = Head("multiclass", "softmax", ("a", "b", "c"))
TWENTY = np.arange(20)


def test_rows_become_canonical_logits() -> None:
    raw = RANDOM.normal(size=20).astype(np.float32)
    found = read(raw, TWENTY % 2, BINARY)
    np.testing.assert_array_equal(found.samples.logits[:, 0], raw.astype(np.float64))
    assert found.raw.dtype == np.float32
    assert found.samples.classes == 2
    assert found.items.tolist() == TWENTY.tolist()
    assert found.warnings == ()


def test_a_head_that_is_calibrated_is_read_without_its_calibration() -> None:
    raw = RANDOM.normal(size=20)
    calibrated = Head("binary", "linear", ("no", "yes"), calibration=Platt(2.0, 1.0))
    np.testing.assert_array_equal(read(raw, TWENTY % 2, calibrated).samples.logits[:, 0], raw)


def test_positions_are_rows_of_their_input() -> None:
    raw = RANDOM.normal(size=(5, 4, 3))
    raw[1, 2] = np.nan
    found = read(raw, np.zeros((5, 4), int), THREE)
    assert len(found.samples) == 19
    assert np.bincount(found.items).tolist() == [4, 3, 4, 4, 4]


def test_rows_that_are_not_finite_are_left_out_alone() -> None:
    raw = RANDOM.normal(size=(20, 3))
    raw[3, 0], raw[7, 2] = np.nan, np.inf
    raw[9, 1] = -np.inf
    targets = TWENTY % 3
    found = read(raw, targets, THREE)
    # Row 9 says that a class cannot be, which a head answers.
    np.testing.assert_array_equal(found.samples.targets, np.delete(targets, [3, 7]))
    np.testing.assert_array_equal(found.samples.logits, THREE.canonical(np.delete(raw, [3, 7], axis=0))[0])
    assert found.warnings == ("2 of 20 rows hold NaN or infinity and were left out: 3, 7",)


def test_an_item_without_a_row_left_is_no_item() -> None:
    raw = RANDOM.normal(size=(12, 1))
    raw[:2] = np.nan
    assert read(raw, np.arange(12) % 2, BINARY).items.tolist() == list(range(10))


def test_values_a_little_beyond_their_range_count_as_its_end() -> None:
    raw = np.tile([[0.5, 0.5, 0.0]], (20, 1))
    raw[4] = [1.00001, 0.0, 0.0]
    found = read(raw, TWENTY % 3, SHARES)
    assert found.warnings == (
        "1 of 60 values miss the range of softmax a little, such as 1.00001: they count as its end",
    )
    assert found.samples.logits[4, 0] == 0.0
    raw[4] = [1.5, 0.0, 0.0]
    with pytest.raises(OutputRangeError, match="promises values in"):
        read(raw, TWENTY % 3, SHARES)


@pytest.mark.parametrize(
    ("head", "raw", "targets", "error", "reason"),
    [
        (Head("regression", "linear"), TWENTY * 1.0, TWENTY, CalibrationError, "no probabilities to calibrate"),
        (BINARY, TWENTY * 1.0, TWENTY, CalibrationError, "targets hold 2 in row 2, but the head has 2 classes"),
        (BINARY, TWENTY * 1.0, TWENTY[:5] % 2, CalibrationError, "targets have 5 rows, but the inputs have 20"),
        (BINARY, np.full(20, np.nan), TWENTY % 2, CalibrationError, "all 20 rows of the output hold NaN or infinity"),
        (BINARY, TWENTY[:9] * 1.0, TWENTY[:9] % 2, CalibrationError, "there are 9 rows .* it takes 10"),
        (BINARY, np.empty((0, 1)), [], CalibrationError, "has no rows"),
        (BINARY, np.zeros((20, 3)), TWENTY % 2, OutputShapeError, "3 units, but binary with 2 labels needs 1 or 2"),
        (SHARES, RANDOM.normal(size=(20, 3)), TWENTY % 3, HeadMismatchError, "softmax promises values in"),
        (SHARES, np.full((20, 3), 0.5), TWENTY % 3, HeadMismatchError, "promises rows that sum to 1"),
    ],
)
def test_what_does_not_fit_is_told(head: Head, raw: Any, targets: Any, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        read(raw, targets, head)
