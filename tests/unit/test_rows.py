"""Answers as one object a row."""

from __future__ import annotations

import tracemalloc

import numpy as np

from headwise.heads import Abstain, Argmax, Head, Options
from headwise.rows import nested

ABC = Head("multiclass", "softmax", ("a", "b", "c"))
OUTPUT = np.array([[0.25, 0.25, 0.5], [0.125, 0.75, 0.125]])


def test_a_row_says_its_answer_its_probabilities_and_its_best_classes_in_this_order() -> None:
    first, second = nested(ABC.answer(OUTPUT, Options(top_k=2)), (2,), raw=OUTPUT)

    assert list(first) == ["label", "index", "probability", "probabilities", "top", "raw"]
    assert first["top"] == [
        {"label": "c", "index": 2, "probability": 0.5},
        {"label": "a", "index": 0, "probability": 0.25},
    ]
    assert second["top"] == [
        {"label": "b", "index": 1, "probability": 0.75},
        {"label": "a", "index": 0, "probability": 0.125},
    ]
    assert all(type(told["probability"]) is float for told in (first, *first["top"]))


def test_a_row_that_was_not_answered_keeps_its_best_classes() -> None:
    head = Head("multiclass", "softmax", ("a", "b", "c"), decision=Argmax(abstain=Abstain(floor=0.6)))

    first, second = nested(head.answer(OUTPUT, Options(top_k=1)), (2,), probabilities=False)

    assert (first["label"], first["abstained"], first["top"][0]["label"]) == (None, True, "c")
    assert (second["label"], second["top"]) == ("b", [{"label": "b", "index": 1, "probability": 0.75}])


def test_the_best_of_many_classes_are_told_without_making_numbers_of_the_rest() -> None:
    classes = 50_000
    head = Head("multiclass", "linear", tuple(map(str, range(classes))))
    answers = head.answer(np.arange(classes, dtype=np.float32)[np.newaxis], Options(top_k=3))

    tracemalloc.start()
    (row,) = nested(answers, (1,), probabilities=False)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [told["index"] for told in row["top"]] == [classes - 1, classes - 2, classes - 3]
    assert most < classes
