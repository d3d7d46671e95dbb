"""What prediction sets come to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headwise.calibration.answers import answer
from headwise.calibration.report.sets import sets_of
from support.calibrations import calibration


@pytest.mark.parametrize("kind", ["odd labels", "ordinal", "thirty classes"])
def test_coverage_is_the_one_held_out(kind: str) -> None:
    one = calibration(kind)
    found = sets_of(one)
    assert found is not None
    figures = one.evidence["decision"]["figures"]
    told = figures.get("coverage>=0.8", figures)
    assert (found.asked, found.coverage) == (0.8, told["coverage"])
    assert "held-out" in found.told
    expected = [np.nan if share is None else share for share in told["coverage_per_class"].values()]
    np.testing.assert_allclose(found.coverages, expected)


def test_without_tuning_it_is_counted() -> None:
    one = calibration("ordinal")
    found = sets_of(replace(one, evidence={}))
    sets, truth = answer(one.head, one.after).sets, one.samples.targets
    assert found is not None
    assert sets is not None
    covered = sets[np.arange(len(truth)), truth]
    assert found.coverage == pytest.approx(covered.mean())
    assert "that set the quantile" in found.told
    np.testing.assert_allclose(found.coverages, [covered[truth == at].mean() for at in range(4)])
    assert found.mean_size == pytest.approx(sets.sum(axis=1).mean())
    assert found.sizes.sum() == len(truth)


def test_other_coverage_is_not_taken_for_it() -> None:
    one = calibration("ordinal")
    decision = one.evidence["decision"] | {"objective": "coverage>=0.9"}
    found = sets_of(replace(one, evidence={"decision": decision}))
    assert found is not None
    assert "that set the quantile" in found.told


def test_a_head_without_sets_has_none() -> None:
    assert sets_of(calibration("binary")) is None
    assert sets_of(calibration("multilabel")) is None
