"""Rows that would mislead calibration are refused, doubtful ones are told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax

from headwise.calibration import guards
from headwise.calibration.inputs import read
from headwise.errors import CalibrationError
from headwise.heads import Head, Prior

ROWS = 300
BINARY = Head("binary", "linear", ("benign", "malignant"))
PROBABILITY = Head("binary", "sigmoid", ("benign", "malignant"))
THREE = Head("multiclass", "linear", ("cat", "dog", "fox"))
SHARES = Head("multiclass", "softmax", ("cat", "dog", "fox"))
LABELS = Head("multilabel", "linear", ("x", "y"))
STEPS = Head("ordinal", "linear", ("low", "middle", "high"))


def binary(seed: int = 0, rows: int = ROWS, slope: float = 2.0) -> tuple[Any, Any]:
    """Logits and targets, calibrated for a slope of 1."""
    random = np.random.default_rng(seed)
    z = slope * random.normal(size=rows)
    return z, (random.random(rows) < expit(z)).astype(int)


def classes(seed: int = 0, rows: int = ROWS, count: int = 3) -> tuple[Any, Any]:
    """Logits and targets, calibrated."""
    random = np.random.default_rng(seed)
    z = 2 * random.normal(size=(rows, count))
    return z, (random.random((rows, 1)) > softmax(z, axis=1).cumsum(axis=1)).sum(axis=1).clip(0, count - 1)


def warnings(raw: Any, targets: Any, head: Head) -> tuple[str, ...]:
    """What the guards say of these rows."""
    return guards.check(read(raw, targets, head))


@pytest.mark.parametrize("seed", range(5))
def test_healthy_rows_raise_no_warning(seed: int) -> None:
    z, y = binary(seed)
    assert warnings(z, y, BINARY) == ()
    assert warnings(expit(z), y, PROBABILITY) == ()
    assert warnings(expit(z).astype(np.float32), y, PROBABILITY) == ()
    z, y = classes(seed)
    assert warnings(z, y, THREE) == ()
    assert warnings(softmax(z, axis=1).astype(np.float32), y, SHARES) == ()
    assert warnings(log_softmax(z, axis=1), y, Head("multiclass", "log_softmax", SHARES.labels)) == ()
    # No signal at all is no reversal either.
    noise = np.random.default_rng(seed)
    assert warnings(noise.normal(size=ROWS), noise.integers(0, 2, ROWS), BINARY) == ()
    assert warnings(noise.normal(size=(ROWS, 3)), noise.integers(0, 3, ROWS), THREE) == ()


def test_one_class_calibrates_nothing() -> None:
    with pytest.raises(CalibrationError, match="all 300 rows are 'malignant': calibration needs rows of two classes"):
        warnings(binary()[0], np.ones(ROWS, int), BINARY)
    with pytest.raises(CalibrationError, match="on in all rows or off in all"):
        warnings(classes()[0][:, :2], np.tile([0, 1], (ROWS, 1)), LABELS)
    warnings(classes()[0][:, :2], np.column_stack([np.zeros(ROWS, int), np.arange(ROWS) % 2]), LABELS)


def test_probabilities_that_are_declared_logits_are_refused() -> None:
    z, y = binary()
    with pytest.raises(CalibrationError, match=r'fit the targets better as probabilities .* write "activation": "sig'):
        warnings(expit(z), y, BINARY)
    z, y = classes()
    with pytest.raises(CalibrationError, match='sum to 1, as softmax gives them: write "activation": "softmax"'):
        warnings(softmax(z, axis=1).astype(np.float32), y, THREE)
    (z, y), (other, truth) = binary(), binary(1)
    with pytest.raises(CalibrationError, match='write "activation": "sigmoid"'):
        warnings(expit(np.column_stack([z, other])), np.column_stack([y, truth]), LABELS)


def test_logits_that_happen_to_lie_in_the_unit_interval_are_only_told() -> None:
    random = np.random.default_rng(0)
    z = random.random(ROWS)
    y = (random.random(ROWS) < expit(z)).astype(int)
    assert warnings(z, y, BINARY) == (
        'all values lie in [0, 1], though the head is declared "linear": are they probabilities?',
    )


def test_swapped_labels_are_refused_with_the_likely_reason() -> None:
    z, y = binary()
    with pytest.raises(
        CalibrationError, match=r"higher outputs go with 'benign' .* are labels\[0\] and labels\[1\] swap"
    ):
        warnings(z, 1 - y, BINARY)
    with pytest.raises(CalibrationError, match="negative slope"):
        warnings(-z, y, BINARY)
    assert warnings(z[:12], 1 - y[:12], BINARY) == ()


def test_labels_that_few_rows_show_swapped_are_told() -> None:
    z, y = binary()
    (told,) = warnings(z[:30], 1 - y[:30], BINARY)
    assert told.startswith("higher outputs rather go with 'benign'")
    assert warnings(z[:30], y[:30], BINARY) == ()


def test_a_label_that_ranks_backwards_is_told() -> None:
    z, y = binary()
    other, truth = binary(1)
    (told,) = warnings(np.column_stack([z, other]), np.column_stack([1 - y, truth]), LABELS)
    assert told.startswith("label 'x' ranks backwards")


def test_classes_in_another_order_are_refused() -> None:
    z, y = classes()
    with pytest.raises(CalibrationError, match=r"'cat' is answered 'dog' in .* 'dog' is answered 'fox' in"):
        warnings(z[:, [2, 0, 1]], y, THREE)
    steps, k = np.linspace(-2, 2, ROWS)[:, np.newaxis] * 3 + [1.0, -1.0], np.digitize(np.linspace(-2, 2, ROWS), [-1, 1])
    assert warnings(steps, k, STEPS) == ()
    with pytest.raises(CalibrationError, match="another order"):
        warnings(steps, 2 - k, STEPS)


@pytest.mark.parametrize("seed", range(5))
def test_a_weak_model_of_many_classes_is_not_taken_for_a_wrong_order(seed: int) -> None:
    random = np.random.default_rng(seed)
    head = Head("multiclass", "linear", tuple(map(str, range(50))))
    assert warnings(random.normal(size=(ROWS, 50)), random.integers(0, 50, ROWS), head) == ()
    # A rare class that is always answered as its neighbour, which is answered right.
    z, y = classes(seed)
    z[y == 2, 1] += 5
    assert warnings(z, y, THREE) == ()


def test_two_classes_that_are_often_mistaken_keep_their_places() -> None:
    # Cats and dogs are answered right in a fifth of the rows, as each other in two fifths: another order would be
    # right more often, yet not for most of them.
    answers = np.array([[1, 2, 2], [2, 1, 2], [0, 0, 5]])
    y = np.repeat([0, 1, 2], 500)
    z = np.concatenate([np.repeat(np.eye(3), 100 * row, axis=0) for row in answers])
    warnings(z + np.random.default_rng(0).normal(size=z.shape) / 100, y, THREE)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        (lambda p: np.round(p, 3), "has 3 decimals and no more"),
        (lambda p: np.round(p.astype(np.float32), 4), "has 4 decimals and no more"),
        (np.round, "has 0 decimals and no more"),
        (lambda p: p.astype(np.float16), "is float16, which keeps 3 digits"),
        (lambda p: np.where(p > 0.9, 1.0, p), r"of the values reached the end of what sigmoid can say in float64"),
        (lambda p: np.tile(p[:20], 15), "the 300 rows have only 20 different outputs"),
    ],
)
def test_numbers_that_lost_something_are_told(how: Any, told: str) -> None:
    z, y = binary()
    found = warnings(how(expit(z)), np.tile(y[:20], 15) if "20 diff" in told else y, PROBABILITY)
    assert any(told.replace("\\", "") in text for text in found), found


def test_repeated_rows_are_told() -> None:
    z, y = classes()
    again = np.concatenate([z, z[:100]]), np.concatenate([y, y[:100]])
    assert warnings(*again, THREE) == (
        "100 of 400 rows repeat another row's output: duplicates make intervals too narrow",
    )


def test_the_share_of_saturated_values() -> None:
    p = np.full(40, 0.5, np.float32)
    p[:4] = 1.0
    assert guards.saturated_share(read(p, np.arange(40) % 2, PROBABILITY)) == 0.1
    assert guards.saturated_share(read(np.full(40, 1e30), np.arange(40) % 2, BINARY)) == 0.0


def test_a_prior_of_other_rows_is_told() -> None:
    z, y = binary()
    seen = float(y.mean())
    told = warnings(z, y, Head("binary", "linear", BINARY.labels, prior=Prior((1 - seen, seen), (0.9, 0.1))))
    assert told == ("the head has a prior: figures and decisions here are of the rows as they are, without it",)
    _, other = warnings(z, y, Head("binary", "linear", BINARY.labels, prior=Prior((0.9, 0.1), (0.5, 0.5))))
    assert "calibration saw classes in the shares 0.9, 0.1, but these rows have" in other


def test_rows_that_training_saw_are_told() -> None:
    features = np.arange(40.0).reshape(20, 2)
    held_out = features[10:] + 0.5
    assert guards.shared_rows({"x": held_out}, {"x": features}) is None
    mixed = np.concatenate([features[:3].astype(np.float32), held_out])
    told = guards.shared_rows({"x": mixed}, {"x": features})
    assert told is not None
    assert told.startswith("3 of 13 calibration rows are in the training data too (0, 1, 2): ")
    texts = {"text": np.array([b"a", b"b"], object)}, {"text": np.array(["b", "c"]), "other": np.zeros(2)}
    told = guards.shared_rows(*texts)
    assert told is not None
    assert told.startswith("1 of 2")
    both = {"x": features, "text": np.array(["t"] * 20)}
    assert guards.shared_rows(both, {**both, "text": np.array(["u"] * 20)}) is None
    with pytest.raises(CalibrationError, match="none of the calibration data's inputs: it needs x"):
        guards.shared_rows({"x": features}, {"y": features})
