"""How likely each calibrator of a grid is the right one, and what it would do to the log loss if another were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from headwise.calibration.bayes.grid import grid
from headwise.calibration.folds import Dealt, probabilities_of, splits
from headwise.calibration.metrics import LEAST_PROBABILITY
from headwise.calibration.samples import Samples
from headwise.heads.calibrators import AnyCalibrator
from headwise.heads.links import Float64
from headwise.heads.scores import Form

LIKELY_WORSE = 0.05
"""How likely a calibrator may be to raise the log loss, at most."""

MUCH, LIKELY_MUCH_WORSE = 0.07, 0.02
"""A relative rise of the log loss, and how likely a calibrator may be to exceed it, at most."""

_BLOCK = 2**22
"""Numbers in one table of probabilities, 32 MB; a few such tables are held at a time."""
_RISE, _DIGITS = 1e-9, 9


@dataclass(frozen=True, slots=True)
class Bet:
    """A calibrator, judged by everything that may be right.

    change: the expected change of the log loss, relative to the reference's. worse: how likely it rises; much: how
    likely it rises by more than MUCH.
    """

    calibrator: AnyCalibrator
    change: float
    worse: float
    much: float

    def objection(self, choices: int = 1) -> str:
        """Why not to take it, as one of so many choices (Bonferroni); empty if it may be taken."""
        if self.change >= 0:
            return "no gain is to be expected"
        for likely, most, by in ((self.worse, LIKELY_WORSE, ""), (self.much, LIKELY_MUCH_WORSE, f" by {MUCH:.0%}")):
            if likely > most / choices:
                return f"the log loss rises{by} with a probability of {likely:.1%}, above {most / choices:.2g}"
        return ""


@dataclass(frozen=True, slots=True)
class Losses:
    """Log losses summed over rows, of the reference and of each calibrator of a grid.

    expected: (calibrators, calibrators) if one is right and another answers; observed: (calibrators,) as it was.
    """

    expected: Float64
    observed: Float64

    def __add__(self, other: Losses) -> Losses:
        return Losses(self.expected + other.expected, self.observed + other.observed)

    def __sub__(self, other: Losses) -> Losses:
        return Losses(self.expected - other.expected, self.observed - other.observed)


def bets(samples: Samples, reference: AnyCalibrator, choices: int = 1) -> dict[str, Bet]:
    """The best calibrator of each method, against `reference` and as one of so many choices.

    Of those without objection the one of least expected log loss; where all have one, the least likely to be worse of
    those that may be expected to gain. The likelier one beforehand where the rows cannot tell them apart.
    """
    return _judged(samples, _losses(samples, _among(samples, reference)), reference, choices)


def bets_and_held(
    samples: Samples, dealt: Dealt, reference: AnyCalibrator, choices: int = 1
) -> tuple[dict[str, Bet], list[dict[str, Bet]]]:
    """The bets on all rows, and for each fold those on the other folds' rows."""
    calibrators = _among(samples, reference)
    folds = [_losses(samples.take(fold), calibrators) for _, fold in splits(dealt)]
    every = reduce(add, folds)
    return _judged(samples, every, reference, choices), [
        _judged(samples.take(others), every - fold, reference, choices)
        for (others, _), fold in zip(splits(dealt), folds, strict=True)
    ]


def _among(samples: Samples, reference: AnyCalibrator) -> tuple[AnyCalibrator, ...]:
    return (reference, *grid(samples.form).calibrators)


def _judged(samples: Samples, losses: Losses, reference: AnyCalibrator, choices: int) -> dict[str, Bet]:
    among, observed = grid(samples.form), losses.observed[1:]
    top = among.calibrators[int(np.argmax(among.log_prior - observed))]
    log_likely = among.log_prior - _trust(samples, reference, top) * observed
    likely = np.exp(log_likely - log_likely.max())
    likely /= likely.sum()
    relative = losses.expected[1:, 1:] / losses.expected[1:, :1] - 1.0
    told = (likely @ figure for figure in (relative, relative > _RISE, relative > MUCH))
    judged = [Bet(calibrator, *map(float, of)) for calibrator, *of in zip(among.calibrators, *told, strict=True)]
    likeliest_first = [judged[at] for at in np.argsort(-among.log_prior, kind="stable")]
    best: dict[str, Bet] = {}
    for bet in sorted(likeliest_first, key=lambda bet: _rank(bet, choices)):
        best.setdefault(bet.calibrator.method, bet)
    return best


def _rank(bet: Bet, choices: int) -> tuple[bool, bool, float]:
    refused = bool(bet.objection(choices))
    return refused, bet.change >= 0, round(bet.worse if refused else bet.change, _DIGITS)


def _losses(samples: Samples, calibrators: Sequence[AnyCalibrator], *, block: int = _BLOCK) -> Losses:
    """block: how many numbers are held at a time."""
    count = len(calibrators)
    expected, observed = np.zeros((count, count)), np.zeros(count)
    step = max(block // (count * 2 * samples.classes), 1)
    for start in range(0, len(samples), step):
        rows = samples.take(np.arange(start, min(start + step, len(samples))))
        p = np.stack([_outcomes(calibrator, rows) for calibrator in calibrators])
        losses = -np.log(p)
        expected += p.reshape(count, -1) @ losses.reshape(count, -1).T
        observed += np.take_along_axis(losses, _truth(rows)[np.newaxis], axis=3).sum(axis=(1, 2, 3))
    return Losses(expected, observed)


def _trust(samples: Samples, reference: AnyCalibrator, top: AnyCalibrator) -> float:
    """By how much the likelihood counts: less where losses scatter more than the likeliest calibrator explains.

    A few surely wrong rows would else outvote all others (Grünwald, van Ommen 2017). The labels of a row may all say
    the same, so together they count as one event.
    """
    p, before = _outcomes(top, samples), _outcomes(reference, samples)
    gains = np.log(p) - np.log(before)
    mean = (p * gains).sum(axis=2)
    explained = (p * np.square(gains - mean[:, :, np.newaxis])).sum()
    was = np.take_along_axis(gains, _truth(samples), axis=2)[:, :, 0]
    seen = np.square((was - mean).sum(axis=1)).sum()
    events: int = p.shape[1]
    return min(float(explained / seen) if seen > explained else 1.0, 1.0 / events)


def _outcomes(calibrator: AnyCalibrator, samples: Samples) -> Float64:
    """Probabilities (rows, events, outcomes): one event of all classes, or one of two outcomes for each label."""
    p = probabilities_of(calibrator, samples)
    every = np.stack([1.0 - p, p], axis=2) if samples.form is Form.MULTILABEL else p[:, np.newaxis]
    return np.maximum(every, LEAST_PROBABILITY)


def _truth(samples: Samples) -> NDArray[np.int64]:
    """(rows, events, 1): which outcome each event had."""
    return samples.targets.astype(np.int64).reshape(len(samples), -1, 1)
