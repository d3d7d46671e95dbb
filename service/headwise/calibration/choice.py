"""Which calibrator to use: "do nothing" is a candidate, and has the benefit of the doubt."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from headwise.calibration.bayes.grid import LEAST, MOST, SHIFTS
from headwise.calibration.fitting.each_label import label_samples
from headwise.calibration.fitting.ordering import require_order
from headwise.calibration.fitting.problem import require_two_classes
from headwise.calibration.fitting.temperature import HIGHEST, LOWEST
from headwise.calibration.folds import Dealt, deal, probabilities_of
from headwise.calibration.gate import Held
from headwise.calibration.samples import Samples
from headwise.calibration.selection import ENOUGH, Candidate, Selection, select
from headwise.heads import Task
from headwise.heads.calibrators import (
    AnyCalibrator,
    Binary,
    EachLabel,
    Identity,
    Platt,
    Temperature,
    TemperatureMixture,
)
from headwise.heads.links import Float64
from headwise.heads.scores import Form

__all__ = ["Candidate", "Choice", "choose"]

FOLDS = 5

FEW, RARE = 50, 5
"""Rows in all, and of a class, below which the user is told."""

TASKS: dict[Form, Task] = {
    Form.BINARY: "binary",
    Form.MULTICLASS: "multiclass",
    Form.MULTILABEL: "multilabel",
    Form.CUMULATIVE: "ordinal",
    Form.CONDITIONAL: "ordinal",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """calibrator: fitted to all rows; Identity where nothing better was proved.

    reason: one sentence that says why this one, or why nothing was taken. out_of_fold: the chosen method's
    probabilities (rows, classes), each row predicted by the fit of the other folds: what evidence is measured on.
    warnings: what the user should know (few rows, a class missing, a parameter at its bound). folds: how many; 0 where
    nothing was fitted.
    """

    calibrator: AnyCalibrator
    reason: str
    candidates: tuple[Candidate, ...]
    out_of_fold: Float64
    warnings: tuple[str, ...] = ()
    folds: int = 0


def choose(samples: Samples, *, seed: int = 0) -> Choice:
    """Fit every candidate that the rows can carry, and take the simplest that is as good as the best.

    The same rows in the same order and the same seed give the same choice; the order decides who shares a fold.

    Raises: CalibrationError for rows that can fit nothing (fewer than two classes, reversed labels).
    """
    require_two_classes(samples)
    require_order(samples)
    folds = min(FOLDS, len(samples))
    dealt = deal(samples, folds, seed)
    nothing = Held.of(probabilities_of(Identity(), samples), samples.targets, TASKS[samples.form])
    selection = select(samples, Identity(), nothing, dealt, seed=seed)
    if samples.form is Form.MULTILABEL:
        selection = _each_label(samples, selection, nothing, dealt, seed)
    return Choice(
        selection.calibrator,
        selection.reason,
        selection.candidates,
        selection.held.probabilities,
        (*_of_rows(samples), *_at_bound(selection.calibrator)),
        folds,
    )


def _each_label(samples: Samples, shared: Selection, nothing: Held, dealt: Dealt, seed: int) -> Selection:
    """Every label may have a calibrator of its own, where it surely beats what all labels share."""
    base = shared.calibrator
    found = [_label(samples, label, shared, dealt, seed) for label in range(samples.classes)]
    own = [label for label, each in enumerate(found) if each.calibrator is not base]
    if not own:
        none = Candidate("per_label", None, None, None, "no label's own calibrator surely beats the shared one")
        return replace(shared, candidates=(*shared.candidates, none))
    columns = np.stack([each.held.probabilities[:, 1] for each in found], axis=1)
    held = Held.of(columns, samples.targets, "multilabel")
    per_label = Candidate.of("per_label", nothing, held)
    named = ", ".join(f"{found[label].calibrator.method} for label {label}" for label in own)
    rest = "" if len(own) == len(found) else f", {base.method} for the rest"
    return Selection(
        EachLabel(tuple(each.calibrator for each in found if isinstance(each.calibrator, Binary))),
        f"per_label ({named}{rest}) lowers the held-out log loss by {per_label.gained} and label.",
        (*(_beaten(candidate) for candidate in shared.candidates), per_label),
        held,
    )


def _label(samples: Samples, label: int, shared: Selection, dealt: Dealt, seed: int) -> Selection:
    alone = label_samples(samples, label)
    on = alone.targets
    p = shared.held.probabilities[:, label]
    before = Held.of(np.stack([1.0 - p, p], axis=1), on, "binary")
    if len(samples) < ENOUGH or on.min() == on.max():
        return Selection(shared.calibrator, "", (), before)
    return select(alone, shared.calibrator, before, dealt, seed=seed, choices=samples.classes)


def _beaten(candidate: Candidate) -> Candidate:
    if candidate.note or candidate.method == "identity":
        return candidate
    return replace(candidate, note="labels with a calibrator of their own do better")


def _of_rows(samples: Samples) -> list[str]:
    """Rows or classes that are few."""
    rows, told = len(samples), []
    if rows < FEW:
        told.append(f"{rows} rows are few: give {FEW} or more, and a few hundred for calibrators of many parameters")
    if samples.form is Form.MULTILABEL:
        counts, what = samples.targets.sum(axis=0), "label"
    else:
        counts, what = np.bincount(samples.targets, minlength=samples.classes), "class"
    if len(missing := np.flatnonzero(counts == 0)):
        told.append(f"no row is of {_listed(what, missing)}: nothing of their own could be fitted")
    if len(rare := np.flatnonzero((counts > 0) & (counts < RARE))):
        told.append(f"fewer than {RARE} rows are of {_listed(what, rare)}: little can be said about them")
    return told


def _listed(what: str, indices: NDArray[np.intp], shown: int = 10) -> str:
    named = ", ".join(map(str, indices[:shown].tolist())) + (", …" if len(indices) > shown else "")
    return f"{what} {named}"


def _at_bound(calibrator: AnyCalibrator) -> list[str]:
    """A temperature or an intercept that would be more extreme if it might."""
    each = calibrator.calibrators if isinstance(calibrator, EachLabel) else (calibrator,)
    found = [
        f"the {name} hit its bound, {bound:.3g}: the logits hardly fit these labels"
        for by in each
        for name, value in _bounded(by).items()
        for bound in BOUNDS[name]
        if abs(value - bound) < _AT * abs(bound)
    ]
    return list(dict.fromkeys(found))


def _bounded(calibrator: AnyCalibrator) -> dict[str, float]:
    match calibrator:
        case Temperature() | TemperatureMixture():
            return {"temperature": calibrator.temperature}
        case Platt(slope=slope) if slope > 0:
            return {"temperature": 1.0 / slope, "intercept": calibrator.intercept}
    return {}


BOUNDS: dict[str, tuple[float, ...]] = {
    "temperature": (LOWEST, LEAST, MOST, HIGHEST),
    "intercept": (float(SHIFTS[0]), float(SHIFTS[-1])),
}
"""Of a fit, and of a bet."""

_AT = 1e-6
