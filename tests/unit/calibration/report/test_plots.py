"""Pictures of a calibration: their artists hold the numbers of the rows."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from sklearn import metrics as sk

from headwise.calibration.answers import answer
from headwise.calibration.report import curves
from headwise.calibration.report.confusions import MOST_BARS, MOST_NAMED
from headwise.calibration.report.plots import MOST_PANELS, PLOTS, fitting, left_out
from headwise.errors import CalibrationError
from support.calibrations import calibration


def draw(plot: str, kind: str) -> Figure:
    figure = PLOTS[plot](calibration(kind))
    assert isinstance(figure, Figure)
    return figure


def bars(axis: Any) -> list[list[float]]:
    """Heights of upright bars, lengths of lying ones, a list for each group."""
    return [
        [bar.get_width() if group.orientation == "horizontal" else bar.get_height() for bar in group]
        for group in axis.containers
        if isinstance(group, BarContainer)
    ]


def marked(axis: Any, label: str) -> list[float]:
    return [line.get_xdata()[0] for line in axis.lines if line.get_label() == label]


def counted(steps: Any) -> int:
    """The sum of a histogram's heights."""
    return int(steps.get_data().values.sum())


def written(axis: Any) -> int:
    return sum(int(text.get_text()) for text in axis.texts)


@pytest.mark.parametrize("kind", ["binary", "tiny", "multiclass", "ordinal"])
def test_reliability_shows_the_bins_of_the_evidence(kind: str) -> None:
    one = calibration(kind)
    before, after, *counts = draw("reliability", kind).axes
    for axis, count, when in ((before, counts[0], "before"), (after, counts[1], "after")):
        bins = one.evidence["reliability"][when]
        (errors,) = (group for group in axis.containers if isinstance(group, ErrorbarContainer))
        points, _, (reach,) = errors
        assert points.get_xdata().tolist() == [each["probability"] for each in bins]
        assert points.get_ydata().tolist() == [each["observed"] for each in bins]
        ends = np.array([segment[:, 1] for segment in reach.get_segments()])
        np.testing.assert_allclose(ends, [each["interval"] for each in bins], atol=1e-12)
        assert sum(bars(count)[0]) == len(one.samples)
        assert f"{one.evidence['log_loss'][when]:.4f}" in axis.get_title()


@pytest.mark.parametrize(("kind", "panels"), [("binary", 2), ("tiny", 2), ("ordinal", 2), ("multilabel", 4)])
def test_each_histogram_counts_every_row(kind: str, panels: int) -> None:
    one = calibration(kind)
    axes = [axis for axis in draw("scores", kind).axes if axis.patches]
    assert len(axes) == panels
    for axis in axes:
        groups = [patch for patch in axis.patches if isinstance(patch, StepPatch)]
        assert sum(map(counted, groups)) == len(one.samples)
    if kind == "binary":
        assert [counted(patch) for patch in axes[1].patches] == [*np.bincount(one.samples.targets)]


@pytest.mark.parametrize("kind", ["binary", "binary cost", "multiclass abstaining", "multiclass cost", "multilabel"])
def test_cuts_are_marked_where_they_are(kind: str) -> None:
    axes, panels = draw("thresholds", kind).axes, curves.of(calibration(kind))
    for axis, panel in zip(axes, panels, strict=False):
        assert marked(axis, "chosen cut") == [panel.chosen]
        assert marked(axis, "named cut") == list(panel.named.values())
        for line, (name, values) in zip(axis.lines, panel.curves.items(), strict=False):
            assert str(line.get_label()).startswith(name)
            np.testing.assert_array_equal(line.get_xdata(), panel.cuts)
            np.testing.assert_array_equal(line.get_ydata(), values)


def test_without_a_cut_none_is_marked() -> None:
    (axis,) = draw("thresholds", "multiclass").axes
    assert marked(axis, "chosen cut") == []


@pytest.mark.parametrize("kind", ["binary", "tiny", "margin", "multiclass", "multiclass abstaining", "ordinal"])
def test_the_matrix_holds_every_row(kind: str) -> None:
    one = calibration(kind)
    answers, truth = answer(one.head, one.after).indices, one.samples.targets
    assert answers is not None
    axis = draw("confusion", kind).axes[0]
    assert written(axis) == len(one.samples)
    kept = answers >= 0
    expected = sk.confusion_matrix(truth[kept], answers[kept], labels=range(len(one.head.labels)))
    shares = np.asarray(axis.images[0].get_array())
    by_class = np.bincount(truth, minlength=len(expected))[:, np.newaxis]
    np.testing.assert_allclose(shares[:, : len(expected)] * by_class, expected, atol=1e-9)
    assert shares.shape[1] == len(expected) + (kind == "multiclass abstaining")


def test_many_classes_have_no_names() -> None:
    axis = draw("confusion", "thirty classes").axes[0]
    assert np.asarray(axis.images[0].get_array()).shape == (30, 31)
    assert written(axis) == 0
    assert "index" in axis.get_xlabel()


@pytest.mark.parametrize(("kind", "shown"), [("multilabel", 4), ("sixty labels", MOST_BARS)])
def test_labels_are_counted_one_by_one(kind: str, shown: int) -> None:
    one = calibration(kind)
    rightly_on, wrongly_off, wrongly_on = bars(draw("confusion", kind).axes[0])
    assert len(rightly_on) == shown
    most = np.sort(np.argsort(-one.samples.targets.sum(axis=0), kind="stable")[:shown])
    on, truth = answer(one.head, one.after).decisions, one.samples.targets
    assert on is not None
    matrices = sk.multilabel_confusion_matrix(truth, on)[most]
    assert (wrongly_on, wrongly_off, rightly_on) == tuple(
        matrices[:, row, column].tolist() for row, column in ((0, 1), (1, 0), (1, 1))
    )


def test_many_labels_show_those_that_are_on_most_often() -> None:
    one = calibration("sixty labels")
    axes = [axis for axis in draw("thresholds", "sixty labels").axes if axis.lines]
    assert len(axes) == MOST_PANELS
    assert left_out(one) == 60 - MOST_PANELS
    on = one.samples.targets.sum(axis=0)
    shown = [one.head.labels.index(axis.get_title()) for axis in axes]
    assert min(on[shown]) >= max(np.delete(on, shown))


@pytest.mark.parametrize(("kind", "shown"), [("odd labels", 7), ("ordinal", 4), ("thirty classes", MOST_NAMED)])
def test_sets_are_counted_by_size_and_their_coverage_marked(kind: str, shown: int) -> None:
    one = calibration(kind)
    sizes, by_class = draw("sets", kind).axes
    found = answer(one.head, one.after).sets
    assert found is not None
    assert bars(sizes) == [np.bincount(found.sum(axis=1)).tolist()]
    assert 0.8 in [x for line in by_class.lines for x in np.asarray(line.get_xdata())]
    assert len(by_class.get_yticks()) == shown


def test_only_heads_with_sets_have_their_picture() -> None:
    with pytest.raises(CalibrationError, match="no prediction sets"):
        draw("sets", "binary")
    assert "sets" not in fitting(calibration("multilabel").head)
    assert fitting(calibration("ordinal").head) == tuple(PLOTS)


def test_settings_stay_as_they_are() -> None:
    before = dict(mpl.rcParams)
    for plot in fitting(calibration("binary").head):
        draw(plot, "binary")
    assert dict(mpl.rcParams) == before
