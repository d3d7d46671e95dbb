"""One calibrator that the user names, without a choice."""

from __future__ import annotations

import numpy as np

from headwise.calibration.choice import Candidate, Choice
from headwise.calibration.fitting.fitters import FITTERS, Fitter
from headwise.calibration.folds import deal, out_of_fold
from headwise.calibration.inputs import uncalibrated
from headwise.calibration.measures.measure import log_losses
from headwise.calibration.samples import Samples
from headwise.errors import CalibrationError
from headwise.heads import CALIBRATORS, Identity, Task
from headwise.heads.scores import Form

FOLDS = 5


def force(samples: Samples, method: str, *, seed: int = 0) -> Choice:
    """The calibrator of this method, whatever it does to the log loss; the candidates tell what it does.

    Raises: CalibrationError for a method that does not exist or does not fit the head, or rows that cannot fit it.
    """
    before = uncalibrated(samples)
    task: Task = "multilabel" if samples.form is Form.MULTILABEL else "multiclass"
    losses = log_losses(before, samples.targets, task)
    nothing = Candidate("identity", float(losses.mean()), 0.0, 0.0)
    reason = f"{method} was asked for, and nothing else was tried."
    if method == nothing.method:
        return Choice(Identity(), reason, (nothing,), before)
    fit = _fitter(method, samples.form)
    calibrator = fit(samples)
    after = out_of_fold(samples, fit, deal(samples, FOLDS, seed))
    gain = losses - (own := log_losses(after, samples.targets, task))
    error = float(gain.std(ddof=1) / np.sqrt(len(gain)))
    fitted = Candidate(method, float(own.mean()), float(gain.mean()), error)
    worse = (f"{method} was asked for, and makes the log loss worse",) if gain.mean() < 0 else ()
    return Choice(calibrator, reason, (nothing, fitted), after, worse, FOLDS)


def _fitter(method: str, form: Form) -> Fitter:
    fitting = [name for name in FITTERS if form in CALIBRATORS[name].FORMS]
    if method not in fitting:
        listed = ", ".join(dict.fromkeys(["identity", *fitting]))
        raise CalibrationError(f"method is {method!r}: this head takes {listed}; leave it out to have one chosen")
    return FITTERS[method]
