"""What many rows say of a head, and that one row clears it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from headwise.heads import Activation, Head, Task
from headwise.heads.evidence import PROOF, SUSPICION, Evidence, Finding, to_gather

ABC = ("a", "b", "c")
LOGITS = Head("multiclass", "linear", ABC)
LOGIT = Head("binary", "linear", ("no", "yes"))
MANY = PROOF + SUSPICION


def shares(rows: int, units: int = 3, seed: int = 0) -> NDArray[Any]:
    """(rows, units) float32, different rows that sum to 1."""
    found: NDArray[Any] = np.random.default_rng(seed).dirichlet(np.ones(units), rows).astype(np.float32)
    return found


def watch(head: Head, *batches: NDArray[Any]) -> Finding | None:
    """What a head's evidence says after these batches."""
    evidence = list(to_gather(head, batches[0].shape[1]))
    for batch in batches:
        evidence = [more for known in evidence if (more := known.after(batch)) is not None]
    findings = [known.finding for known in evidence]
    return findings[0] if findings else None


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("task", "units"), [("multiclass", 3), ("multiclass", 1000), ("binary", 2)])
def test_logits_that_always_sum_to_1_are_proven_to_be_probabilities(task: Task, units: int, dtype: str) -> None:
    labels = tuple(f"class {number}" for number in range(units))
    rows = shares(2 * PROOF, units).astype(dtype)  # in float16 some are alike
    found = watch(Head(task, "linear", labels), rows)
    assert found is not None
    assert (found.code, found.proven) == ("HW119", True)
    assert 'write "activation": "softmax"' in found.message


def test_a_proof_takes_its_number_of_rows() -> None:
    assert watch(LOGITS, shares(PROOF - 1)) is None
    assert watch(LOGITS, *np.split(shares(PROOF), PROOF)) is not None, "in batches of one row too"


def test_a_row_that_is_asked_again_and_again_is_evidence_of_one_row() -> None:
    assert watch(LOGITS, np.repeat(shares(3), MANY, axis=0)) is None
    assert watch(LOGITS, *[shares(3)] * MANY) is None


@pytest.mark.parametrize("row", [[0.5, 0.2, 0.2], [1.5, -0.5, 0.0], [0.6, 0.6, -0.2]])
def test_one_row_that_softmax_could_not_give_clears_a_head(row: list[float]) -> None:
    odd = np.array([row], np.float32)
    assert watch(LOGITS, shares(PROOF // 2), odd, shares(PROOF, seed=1)) is None
    assert watch(LOGITS, np.concatenate([shares(PROOF), odd])) is None, "in the same batch too"
    assert watch(LOGITS, shares(PROOF), odd) is None, "after the proof too"


@pytest.mark.parametrize("head", [LOGIT, Head("multilabel", "linear", ABC), LOGITS])
def test_logits_in_0_to_1_are_only_suspicious(head: Head) -> None:
    units = 1 if head is LOGIT else 3
    inside = np.random.default_rng(0).random((SUSPICION, units), np.float32)
    found = watch(head, inside)
    assert found is not None
    assert (found.code, found.proven) == ("HW119", False)
    assert watch(head, inside[:-1]) is None
    assert watch(head, inside, np.full((1, units), 1.25)) is None


def test_a_proof_falls_with_the_sum_and_leaves_a_suspicion() -> None:
    odd = np.array([[0.5, 0.25, 0.125]], np.float32)
    found = watch(LOGITS, shares(SUSPICION), odd)
    assert found is not None
    assert not found.proven


def test_labels_that_happen_to_sum_to_1_are_no_proof() -> None:
    assert watch(Head("multilabel", "linear", ABC), shares(PROOF)) is None


@pytest.mark.parametrize(("activation", "one"), [("sigmoid", 1.0), ("log_softmax", 0.0)])
def test_a_unit_that_is_always_1_is_suspicious_until_it_says_something_else(activation: Activation, one: float) -> None:
    head = Head("multilabel" if activation == "sigmoid" else "multiclass", activation, ABC)
    full = np.random.default_rng(0).random((SUSPICION, 3), np.float32) - (activation == "log_softmax")
    full[:, 1] = one
    found = watch(head, full)
    assert found is not None
    assert (found.code, found.proven) == ("HW115", False)
    assert found.message.startswith("unit 1 was exactly 1 in all rows so far")
    assert watch(head, full[:-1]) is None
    assert watch(head, full, np.full((1, 3), one - 0.5)) is None


def test_a_unit_that_is_full_in_some_batches_only_is_not() -> None:
    head = Head("binary", "sigmoid", ("no", "yes"))
    half = np.ones((SUSPICION, 1), np.float32)
    assert watch(head, half * 0.5, half) is None
    pair = Head("multilabel", "sigmoid", ("x", "y"))
    first, second = half * np.array([[1.0, 0.5]]), half * np.array([[0.5, 1.0]])
    assert watch(pair, first, second) is None


@pytest.mark.parametrize(
    "head",
    [
        Head("regression", "linear"),
        Head("binary", "tanh", ("no", "yes")),
    ],
)
def test_values_and_margins_may_be_anything(head: Head) -> None:
    assert to_gather(head, 1) == ()


@pytest.mark.parametrize("head", [LOGITS, Head("multiclass", "softmax", ABC)])
def test_a_batch_without_rows_says_nothing(head: Head) -> None:
    before: tuple[Evidence, ...] = to_gather(head, 3)
    assert tuple(known.after(np.zeros((0, 3), np.float32)) for known in before) == before


def test_healthy_logits_are_cleared_by_their_first_row() -> None:
    (known,) = to_gather(LOGITS, 3)
    assert known.after(np.array([[2.0, -1.0, 0.5]], np.float32)) is None
