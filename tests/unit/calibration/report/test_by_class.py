"""Tables of what answers are worth by class and label."""

from __future__ import annotations

import re
from html import unescape

import numpy as np
import pytest
from sklearn import metrics as sk

from headwise.calibration.answers import answer
from headwise.calibration.report.by_class import MOST_CONFUSIONS, by_class, costs, most_confused
from headwise.calibration.report.tables import NOTHING, number
from headwise.heads import Argmax, Cost, Head
from support.calibrations import ODD, calibration, letters


def cells(page: str) -> list[list[str]]:
    """The rows of a table, its header first."""
    lines = re.findall(r"<tr[^>]*>(.*?)</tr>", page, re.DOTALL)
    return [[unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line, re.DOTALL)] for line in lines]


def text(value: float) -> str:
    return NOTHING if np.isnan(value) else number(float(value))


@pytest.mark.parametrize("kind", ["binary", "tiny", "multiclass abstaining", "ordinal", "odd labels"])
def test_classes_have_their_counts_and_shares(kind: str) -> None:
    one = calibration(kind)
    answers, truth, every = answer(one.head, one.after).indices, one.samples.targets, range(len(one.head.labels))
    assert answers is not None
    header, *rows = cells(by_class(one))
    scores = sk.precision_recall_fscore_support(truth, answers, labels=every, zero_division=np.nan)
    for at, (row, precision, recall, f1, count) in enumerate(zip(rows, *scores, strict=True)):
        answered = str((answers == at).sum())
        assert row[2:7] == [str(count), answered, text(precision), text(recall), text(f1)]
        assert row[7:9] == [number(float(one.after[:, at].mean())), number(float((truth == at).mean()))]
    assert ("set coverage" in header) == (kind in ("ordinal", "odd labels"))
    if kind == "odd labels":
        assert [row[1] for row in rows[:-1]] == list(ODD[:-1])


def test_labels_have_their_cuts_and_costs() -> None:
    one = calibration("sixty labels")
    on, truth = answer(one.head, one.after).decisions, one.samples.targets
    assert on is not None
    header, *rows = cells(by_class(one))
    assert "cost a row (false alarm 1, miss 4)" in header
    assert [row[2] for row in rows] == ["0.2"] * 60
    paid = np.mean((~truth & on) + 4 * (truth & ~on), axis=0)
    assert [row[8] for row in rows] == [number(float(each)) for each in paid]


def test_costs_are_shown_where_there_are_some_to_read() -> None:
    assert cells(costs(calibration("binary cost").head))[1:] == [["no", "0", "1"], ["yes", "4", "0"]]
    assert costs(Head("multiclass", "linear", letters(3), decision=Argmax())) == ""
    many = Cost(tuple(map(tuple, (1 - np.eye(40)).tolist())))
    assert "40 rows and columns" in costs(Head("multiclass", "linear", letters(40), decision=many))


def test_confusions_are_told_from_the_most_frequent_on() -> None:
    one = calibration("thirty classes")
    answers, truth = answer(one.head, one.after).indices, one.samples.targets
    assert answers is not None
    kept = (answers >= 0) & (answers != truth)
    pairs = [
        (one.head.labels[true], one.head.labels[told]) for true, told in zip(truth[kept], answers[kept], strict=True)
    ]
    _, *rows = cells(most_confused(one))
    counts = [int(row[2]) for row in rows]
    assert len(rows) <= MOST_CONFUSIONS
    assert counts == sorted(counts, reverse=True)
    assert counts == [pairs.count((row[0], row[1])) for row in rows]
    assert counts[0] == max(pairs.count(pair) for pair in pairs)
