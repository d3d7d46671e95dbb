"""A head: what the last layer's numbers mean, and the one way from them to an answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from headwise.errors import (
    CalibrationError,
    InvalidCardError,
    InvalidRequestError,
    OutputShapeError,
    UnsupportedHeadError,
)
from headwise.heads import contract, decisions, declaration
from headwise.heads.calibrators import AnyCalibrator, Identity
from headwise.heads.decisions import Applied, Decision, Options
from headwise.heads.declaration import LAYOUTS
from headwise.heads.links import Float64, FloatDtype
from headwise.heads.parameters import numbers
from headwise.heads.prediction import Prediction
from headwise.heads.prior import Prior
from headwise.heads.scores import Form, Scores
from headwise.heads.spec import Activation, Encoding, Layout, Legal, Task, legal

NO_OPTIONS = Options()


class _Admitted(NamedTuple):
    """An output that obeys its head.

    rows: (rows, units) float64. scores: without calibration, where the check of the row sums needed them.
    """

    positions: tuple[int, ...]
    cell: Legal
    rows: Float64
    dtype: FloatDtype
    scores: Scores | None
    observations: contract.Observations


@dataclass(frozen=True)
class Head:
    """One output of one signature, as its card declares it; valid from birth.

    labels: one entry a class, in the order of the units; for binary, labels[1] is the positive class;
    empty for regression. encoding: ordinal only. range: regression with sigmoid or tanh only.
    prior: corrects the probabilities, after calibration and before the decision.

    Raises: UnsupportedHeadError for a refused cell of HEAD_TABLE, InvalidCardError for anything else.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}

    task: Task
    activation: Activation
    labels: tuple[str, ...] = ()
    encoding: Encoding | None = None
    range: tuple[float, float] | None = None
    calibration: AnyCalibrator | None = None
    prior: Prior | None = None
    decision: Decision | None = None

    def __post_init__(self) -> None:
        declaration.check_types(self.labels, self.calibration, self.prior, self.decision)
        object.__setattr__(self, "labels", tuple(self.labels))
        object.__setattr__(self, "range", None if self.range is None else numbers("range", self.range))
        declaration.check_known("task", self.task, get_args(Task))
        declaration.check_known("activation", self.activation, get_args(Activation))
        if (self.task, self.encoding) not in LAYOUTS:
            raise InvalidCardError(
                f"encoding is {self.encoding!r}: only an ordinal head has one, " + " or ".join(get_args(Encoding))
            )
        declaration.check_labels(self.task, self.labels)
        cells = declaration.legal_cells(self.task, self.encoding, self.activation)
        declaration.check_range(self.activation, cells[0].value_range, self.range)
        declaration.check_calibration(self.task, self.labels, cells, self.calibration)
        declaration.check_prior(self.task, self.labels, cells, self.prior, margin=self.is_margin)
        declaration.check_decision(self.task, self.labels, self.decision, margin=self.is_margin)

    @cached_property
    def calibrator(self) -> AnyCalibrator | None:
        """What moves the probabilities: `identity` is a calibration that was tried and refused, and moves nothing."""
        return None if isinstance(self.calibration, Identity) else self.calibration

    @property
    def is_margin(self) -> bool:
        """A tanh head without calibrator: it decides, and has no probability."""
        return self.task == "binary" and self.activation == "tanh" and self.calibrator is None

    def layout(self, units: int) -> Layout:
        """The row of HEAD_TABLE that this head is with `units` units in its layer.

        Raises: UnsupportedHeadError if these units cannot be this head.
        """
        wanted = {
            "binary": (1, 2),
            "ordinal": (len(self.labels) - 1,),
            "regression": (max(units, 1),),
        }.get(self.task, (len(self.labels),))
        if units not in wanted:
            raise UnsupportedHeadError(
                f"the output has {units} units, but {self.task} with {len(self.labels)} labels needs "
                + " or ".join(map(str, wanted))
                + " (HW109)"
            )
        layouts = LAYOUTS[self.task, self.encoding]
        layout = layouts[units - 1] if self.task == "binary" else layouts[0]
        legal(layout, self.activation)
        return layout

    def resolve(self, options: Options) -> Applied:
        """The rule that these options make this head follow, and what else they make it answer.

        Raises: InvalidRequestError for options that this head does not have.
        """
        if options is NO_OPTIONS or options == NO_OPTIONS:
            return self._of_card
        if self.is_margin:
            raise InvalidRequestError(
                "a tanh margin without calibrator has no probability: threshold, top_k, decision, abstain and coverage "
                "do not apply to it"
            )
        return decisions.resolve(self.decision, self.task, self.labels, options)

    def predict(
        self, output: ArrayLike, *, threshold: float | str | None = None, top_k: int | None = None
    ) -> Prediction:
        """Answer for a model's output: (batch,), (batch, units) or (batch, *positions, units).

        `threshold` is a probability in (0, 1) or the name of one of the card's thresholds; `answer` takes all options.

        Raises: HeadMismatchError if the output contradicts the head, InvalidRequestError for options that
        this head does not have.
        """
        return self.answer(output, Options(threshold, top_k))

    def answer(self, output: ArrayLike, options: Options = NO_OPTIONS, *, strict: bool = True) -> Prediction:
        """`predict` with the options as one value.

        Without `strict`, finite numbers that contradict the head are answered after they were brought into its
        range; `observations.contradictions` tells it.
        """
        applied = self.resolve(options)
        admitted = self._admit(output, strict=strict)
        answer = decisions.decide(self._scores(admitted), applied, self.task)
        shaped = {name: rows.reshape(*admitted.positions, *rows.shape[1:]) for name, rows in answer.items()}
        return Prediction(self.task, self.labels, applied, admitted.observations, **shaped)

    def canonical(self, output: ArrayLike, *, strict: bool = True) -> tuple[Float64, Form]:
        """The canonical logits (rows, k) float64 of an output, as a calibrator gets them; positions count as rows.

        Raises: HeadMismatchError if the output contradicts the head, CalibrationError for a regression head.
        """
        if self.task == "regression":
            raise CalibrationError("a regression head answers values: it has no probabilities to calibrate")
        admitted = self._admit(output, strict=strict)
        assert admitted.cell.form is not None
        assert admitted.cell.canonical is not None
        with np.errstate(over="ignore"):
            return admitted.cell.canonical(admitted.rows, admitted.dtype), admitted.cell.form

    @cached_property
    def _of_card(self) -> Applied:
        """What holds without options: most requests have none."""
        if self.is_margin:
            return decisions.AT_ZERO
        return decisions.resolve(self.decision, self.task, self.labels, NO_OPTIONS)

    def _admit(self, output: ArrayLike, *, strict: bool) -> _Admitted:
        array = contract.with_units(output)
        *positions, units = array.shape
        try:
            layout = self.layout(units)
        except UnsupportedHeadError as error:
            raise OutputShapeError(f"output of shape {np.shape(output)}: {error}") from error
        cell = legal(layout, self.activation)
        raw, beyond, told = contract.admit(array, layout, self.activation, strict=strict)
        rows = raw.reshape(-1, units)
        scores, off = None, 0.0
        if self.activation in contract.SHARES and not told:
            scores = cell.scores(rows)
            assert scores.probabilities is not None
            off, told = contract.row_sum_error(
                array, scores.probabilities, self.activation, moved=beyond > 0, strict=strict
            )
        observed = contract.Observations(array, self.activation, beyond, off, told)
        return _Admitted(tuple(positions), cell, rows, array.dtype, scores, observed)

    def _scores(self, admitted: _Admitted) -> Scores:
        scores, cell = admitted.scores, admitted.cell
        if scores is not None and self.calibrator is None and self.prior is None:
            return scores
        # A logit beyond float64 is infinite, and its probability 0 or 1: that overflow is right.
        with np.errstate(over="ignore"):
            if self.calibrator is None or cell.form is None or cell.canonical is None:
                scores = cell.scores(admitted.rows)
            else:
                scores = self.calibrator.scores(cell.canonical(admitted.rows, admitted.dtype), cell.form)
            return scores if self.prior is None or cell.form is None else self.prior.scores(scores, cell.form)
