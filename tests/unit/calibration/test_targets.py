"""What was true, held against the head."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headwise.calibration.targets import check_targets
from headwise.errors import InvalidRequestError
from headwise.heads import Head

BINARY = Head("binary", "linear", ("no", "yes"))
THREE = Head("multiclass", "softmax", ("a", "b", "c"))
LABELS = Head("multilabel", "sigmoid", ("x", "y"))
STEPS = Head("ordinal", "linear", ("low", "middle", "high"))
VALUE = Head("regression", "linear")


@pytest.mark.parametrize(
    ("head", "shape", "targets", "expected"),
    [
        (BINARY, (3, 1), [0, 1, 1], [0, 1, 1]),
        (BINARY, (3, 1), [[0.0], [1.0], [1.0]], [0, 1, 1]),
        (BINARY, (2, 1), [False, True], [0, 1]),
        (BINARY, (2, 2), [[1, 0], [0, 1]], [0, 1]),
        (THREE, (2, 3), [2, 0], [2, 0]),
        (THREE, (2, 3), [[0, 0, 1], [1, 0, 0]], [2, 0]),
        (THREE, (1, 2, 3), [[1, 2]], [1, 2]),
        (STEPS, (2, 2), [2, 0], [2, 0]),
        (LABELS, (2, 2), [[0, 1], [1, 1]], [[False, True], [True, True]]),
        (VALUE, (2, 1), [0.5, -3], [[0.5], [-3.0]]),
        (VALUE, (2, 2), [[0.5, 1], [-3, 2]], [[0.5, 1], [-3, 2]]),
    ],
)
def test_targets_are_brought_to_one_row_a_position(head: Head, shape: Any, targets: Any, expected: Any) -> None:
    checked = check_targets(targets, head, shape)
    assert checked.tolist() == expected


@pytest.mark.parametrize(
    ("head", "shape", "targets", "reason"),
    [
        (
            BINARY,
            (2, 1),
            [0, 2],
            r"targets hold 2 in row 1, but the head has 2 classes: .* from 0 to 1, in shape \(2,\)",
        ),
        (BINARY, (2, 1), [0, 0.5], "hold 0.5 in row 1"),
        (BINARY, (2, 1), [0, -1], "hold -1 in row 1"),
        (BINARY, (2, 1), [0, np.nan], r"hold nan at \[1\]: numbers must be finite"),
        (BINARY, (2, 1), ["no", "yes"], "targets are <U3: numbers are expected"),
        (BINARY, (2, 1), [0, 1, 1], "targets have 3 rows, but the inputs have 2"),
        (BINARY, (2, 1), 1, "targets have no rows"),
        (THREE, (2, 3), [[1, 1, 0], [0, 0, 1]], "a matrix that is not one-hot"),
        (THREE, (2, 3), [[1, 0], [0, 1]], r"targets have shape \(2, 2\)"),
        (
            LABELS,
            (2, 2),
            [0, 1],
            r"targets have shape \(2,\): a multilabel head takes 0 or 1 a label, in shape \(2, 2\)",
        ),
        (LABELS, (2, 2), [[0, 1], [0, 3]], "targets hold 3"),
        (VALUE, (2, 2), [1, 2], r"values in shape \(2, 2\)"),
    ],
)
def test_what_does_not_fit_is_told(head: Head, shape: Any, targets: Any, reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        check_targets(targets, head, shape)
