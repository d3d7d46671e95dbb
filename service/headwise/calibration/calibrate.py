"""headwise.calibrate: from raw outputs and what was true to a head with calibration and decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from headwise.calibration import guards, inputs
from headwise.calibration.choice import Choice, choose
from headwise.calibration.evidence import prove
from headwise.calibration.forced import force
from headwise.calibration.inherited import inherited
from headwise.calibration.samples import Samples
from headwise.calibration.tuning.tune import tune
from headwise.errors import CalibrationError
from headwise.heads import Head
from headwise.heads.links import Float64

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class Calibrated:
    """head: with the chosen calibration (identity where refused) and decision. evidence: what goes into the card.

    before, after: probabilities (rows, classes) float64 of the rows that were fitted on, uncalibrated and out of fold.
    """

    head: Head
    choice: Choice
    samples: Samples
    before: Float64
    after: Float64
    evidence: Mapping[str, Any]

    def __repr__(self) -> str:
        """What was chosen, what it is worth, and what is worth knowing."""
        loss = self.evidence["log_loss"]
        told = f"Calibrated({self.chosen}: {self.choice.reason} log loss {loss['before']:.4f} -> {loss['after']:.4f}"
        return f"{told}, {len(self.samples)} rows" + "".join(f"\n  warning: {text}" for text in self.warnings) + ")"

    @property
    def chosen(self) -> str:
        """The chosen method; "identity" when nothing was taken."""
        return self.choice.calibrator.method

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may be wrong with the rows, or with what was fitted to them."""
        return tuple(self.evidence["warnings"])

    def predict_proba(self, raw: ArrayLike) -> Float64:
        """Calibrated probabilities (batch, classes) float64 of raw outputs (batch,) or (batch, units).

        As `head.predict` gives them; values that miss their range a little are brought into it, as in `calibrate`.

        Raises: HeadMismatchError; CalibrationError for a margin that was left without calibrator.
        """
        probabilities = self.head.predict(raw).probabilities
        if probabilities is None:
            raise CalibrationError(
                f"no calibrator was taken ({self.choice.reason}), and a tanh margin without one has no probability"
            )
        return probabilities

    def plot_reliability(self) -> Figure:
        """Reliability diagrams before and after (needs matplotlib)."""
        return self._plot("reliability")

    def plot_scores(self) -> Figure:
        """Histograms of the probabilities by what was true (needs matplotlib)."""
        return self._plot("scores")

    def plot_thresholds(self) -> Figure:
        """What each cut would be worth, with the chosen one (needs matplotlib)."""
        return self._plot("thresholds")

    def plot_confusion(self) -> Figure:
        """What was true against what is answered (needs matplotlib)."""
        return self._plot("confusion")

    def plot_sets(self) -> Figure:
        """Sizes of the prediction sets, and how often they hold the true class (needs matplotlib)."""
        return self._plot("sets")

    def _plot(self, name: str) -> Figure:
        from headwise.calibration.report import plots  # noqa: PLC0415 - the gateway must not load it

        figure: Figure = plots.PLOTS[name](self)
        return figure


def calibrate(
    raw_outputs: ArrayLike,
    targets: ArrayLike,
    head: Head,
    *,
    seed: int = 0,
    objective: str | None = None,
    method: str | None = None,
    intervals: bool = True,
) -> Calibrated:
    """Fit, choose and prove a calibrator for a head, and tune its decision to `objective`.

    raw_outputs: (batch,) or (batch, *positions, units), the model's own numbers, uncalibrated. targets: class indices
    (batch,), or a 0/1 matrix (batch, labels) for multilabel; one a position where there are positions. objective: f1,
    f0.5, f2, youden, cost:FP:FN, precision>=0.9, recall>=0.9, coverage>=0.95; None leaves the head's decision. method:
    the one calibrator to fit, taken whatever it does; None chooses. intervals: bootstrap intervals in the evidence.
    The head's own calibration is replaced; its prior stays, and is not part of what is measured and tuned here.

    Raises: CalibrationError, HeadMismatchError, saying what is wrong and what is expected; ImportError without scipy.
    """
    _require_scipy()
    given = inputs.read(raw_outputs, targets, head)
    samples, warnings = given.samples, guards.check(given)
    choice = choose(samples, seed=seed) if method is None else force(samples, method, seed=seed)
    before = inputs.uncalibrated(samples)
    fitted = choice.calibrator.scores(samples.logits, samples.form).probabilities
    bare = replace(head, calibration=choice.calibrator, decision=None)
    kept = inherited(head, bare, tuned_now=objective is not None)
    decision, tuned = kept.rule, None
    if objective is not None and not bare.is_margin:
        tuned = tune(
            objective, choice.out_of_fold, samples.targets, head.task, head.labels, seed=seed, current=kept.rule
        )
        decision = tuned.rule or kept.rule
    evidence = prove(
        given,
        choice,
        before if fitted is None else fitted,
        tuple(dict.fromkeys((*warnings, *choice.warnings, *kept.warnings))),
        seed=seed,
        saturated_share=guards.saturated_share(given),
        intervals=intervals,
        decision=tuned,
    )
    calibrated = replace(bare, decision=decision)
    return Calibrated(calibrated, choice, samples, before, choice.out_of_fold, evidence.to_json())


def _require_scipy() -> None:
    try:
        import scipy  # noqa: F401, PLC0415  # an extra: the gateway does without
    except ImportError as error:
        raise ImportError("headwise.calibrate needs scipy: pip install 'headwise[calibrate]'") from error
