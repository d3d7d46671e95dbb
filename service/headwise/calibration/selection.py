"""One calibrator for all columns of logits: every method that the rows can carry, held out fold by fold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from headwise.calibration.bayes.posterior import bets_and_held
from headwise.calibration.fitting.fitters import FITTERS
from headwise.calibration.folds import Dealt, held_out, out_of_fold
from headwise.calibration.gate import Held, gain, objection, simplest, veto
from headwise.calibration.samples import Samples
from headwise.errors import CalibrationError
from headwise.heads.calibrators import CALIBRATORS, AnyCalibrator
from headwise.heads.scores import Form

ENOUGH = 150
"""Rows below which nothing but bets is tried, and no label has a calibrator of its own."""

PLENTY = 1000
"""Rows below which calibrators of few parameters are bets, and isotonic and Venn-Abers have too few points."""

OF_EACH = 10
"""Rows of either kind below which a binary calibrator of several parameters is not tried, unless as a bet."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A method on the held-out folds.

    log_loss: mean over all rows, each predicted by the fit of the other folds. gain: mean of identity's loss minus
    this one's, row by row; standard_error: of that mean. note: why it was not fitted, or why it was not taken; empty
    for the chosen one.
    """

    method: str
    log_loss: float | None
    gain: float | None
    standard_error: float | None
    note: str = ""

    @classmethod
    def of(cls, method: str, before: Held, after: Held, note: str = "") -> Self:
        """Measured against what was there before it."""
        return cls(method, float(after.losses.mean()), *gain(before, after), note)

    @property
    def gained(self) -> str:
        """The gain in words."""
        return f"{self.gain or 0.0:.4f} ± {self.standard_error or 0.0:.4f} a row"


@dataclass(frozen=True, slots=True)
class Selection:
    """calibrator: the one taken, fitted to all rows; the base where none was. held: its held-out probabilities."""

    calibrator: AnyCalibrator
    reason: str
    candidates: tuple[Candidate, ...]
    held: Held


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A calibrator of all rows, its held-out probabilities, and what speaks against it; empty if nothing does."""

    calibrator: AnyCalibrator
    held: Held
    note: str


def select(
    samples: Samples, base: AnyCalibrator, before: Held, dealt: Dealt, *, seed: int, choices: int = 1
) -> Selection:
    """The simplest calibrator that surely beats `base` and is as good as the best; the base where there is none.

    before: what the base makes of the rows. choices: of how many such choices this is one.
    """
    told = [Candidate.of(base.method, before, before)]
    standing: dict[str, _Fitted] = {}
    betted = _betted(samples, base, before, dealt, seed, choices) if len(samples) < PLENTY else {}
    for method in FITTERS:
        if samples.form not in CALIBRATORS[method].FORMS or method == "per_label":
            continue
        fitted = betted.get(method) or _proved(samples, method, before, dealt, seed, choices)
        if isinstance(fitted, str):
            told.append(Candidate(method, None, None, None, f"not fitted: {fitted}"))
            continue
        told.append(Candidate.of(method, before, fitted.held, fitted.note))
        if not fitted.note:
            standing[method] = fitted
    if not standing:
        return Selection(base, _refused(told), tuple(told), before)
    chosen = simplest({method: fitted.held for method, fitted in standing.items()})
    taken = Candidate.of(chosen, before, standing[chosen].held)
    candidates = tuple(_noted(candidate, chosen, base.method) for candidate in told)
    others = "" if len(standing) == 1 else ", and no more complex one surely gains more"
    reason = f"{chosen} lowers the held-out log loss by {taken.gained}{others}."
    return Selection(standing[chosen].calibrator, reason, candidates, standing[chosen].held)


def _betted(
    samples: Samples, base: AnyCalibrator, before: Held, dealt: Dealt, seed: int, choices: int
) -> dict[str, _Fitted]:
    """The best bet of each method; nothing speaks against one of them at most, which is expected to gain most."""
    found, by_fold = bets_and_held(samples, dealt, base, choices)
    fitted: dict[str, _Fitted] = {}
    best = ""
    for method, bet in sorted(found.items(), key=lambda item: item[1].change):
        of_folds = [fold[method].calibrator for fold in by_fold]
        held = Held.of(held_out(samples, of_folds, dealt), samples.targets, before.task)
        worse = "no gain" if gain(before, held)[0] <= 0 else ""
        note = bet.objection(choices) or worse or veto(before, held, seed)
        if best and not note:
            note = f"{best} may be expected to gain more"
        best = best or (method if not note else "")
        fitted[method] = _Fitted(bet.calibrator, held, note)
    return fitted


def _proved(samples: Samples, method: str, before: Held, dealt: Dealt, seed: int, choices: int) -> _Fitted | str:
    """A method with the evidence of its held-out rows, or why it cannot be fitted."""
    if too_few := _too_few(samples, method):
        return too_few
    fit = FITTERS[method]
    try:
        held = Held.of(out_of_fold(samples, fit, dealt), samples.targets, before.task)
        return _Fitted(fit(samples), held, objection(before, held, method, seed=seed, choices=choices))
    except CalibrationError as error:
        return str(error)


def _too_few(samples: Samples, method: str) -> str:
    rows = len(samples)
    if rows < ENOUGH:
        return f"{rows} rows, and it takes {ENOUGH}"
    if method in ("isotonic", "venn_abers") and rows < PLENTY:
        return f"{rows} rows, and it takes {PLENTY}"
    if samples.form is Form.BINARY:
        rarer = int(np.bincount(samples.targets, minlength=2).min())
        if rarer < OF_EACH:
            return f"{rarer} rows of one class, and it takes {OF_EACH} of either"
    return ""


def _noted(candidate: Candidate, chosen: str, base: str) -> Candidate:
    if candidate.method == chosen or candidate.note:
        return candidate
    if candidate.method == base:
        return replace(candidate, note=f"{chosen} surely does better")
    return replace(candidate, note=f"{chosen} is simpler and as good, or surely better")


def _refused(told: list[Candidate]) -> str:
    tried = [candidate for candidate in told[1:] if candidate.log_loss is not None]
    if not tried:
        return "No calibrator could be fitted to these rows."
    best = min(tried, key=lambda candidate: candidate.log_loss or 0.0)
    return f"No calibrator surely improves held-out rows; the best, {best.method}: {best.note}."
