"""A head: what the last layer's numbers mean, and the one way from them to an answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any, ClassVar, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwise.errors import InvalidCardError, InvalidRequestError, OutputShapeError, UnsupportedHeadError
from headwise.heads import contract, decisions
from headwise.heads.calibrators import CALIBRATORS, AnyCalibrator
from headwise.heads.decisions import RULES, Applied, Argmax, Decision, Options, PerLabel, Threshold
from headwise.heads.links import Float64, FloatDtype
from headwise.heads.prediction import Prediction
from headwise.heads.scores import Scores, Space
from headwise.heads.spec import HEAD_TABLE, Activation, Encoding, Layout, Legal, Task, legal

NO_OPTIONS = Options()

_LAYOUTS: Mapping[tuple[Task, Encoding | None], tuple[Layout, ...]] = {
    ("binary", None): (Layout.BINARY_ONE_UNIT, Layout.BINARY_TWO_UNITS),
    ("multiclass", None): (Layout.MULTICLASS,),
    ("multilabel", None): (Layout.MULTILABEL,),
    ("ordinal", None): (Layout.ORDINAL_CUMULATIVE,),
    ("ordinal", "cumulative"): (Layout.ORDINAL_CUMULATIVE,),
    ("ordinal", "conditional"): (Layout.ORDINAL_CONDITIONAL,),
    ("regression", None): (Layout.REGRESSION,),
}
_FEWEST_LABELS: Mapping[Task, int] = {
    "binary": 2,
    "multiclass": 2,
    "multilabel": 1,
    "ordinal": 2,
    "regression": 0,
}


@dataclass(frozen=True)
class Head:
    """One output of one signature, as its card declares it; valid from birth.

    labels: one entry a class, in the order of the units; for binary, labels[1] is the positive class;
    empty for regression. encoding: ordinal only. range: regression with sigmoid or tanh only.

    Raises: UnsupportedHeadError for a refused cell of HEAD_TABLE, InvalidCardError for anything else.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}

    task: Task
    activation: Activation
    labels: tuple[str, ...] = ()
    encoding: Encoding | None = None
    range: tuple[float, float] | None = None
    calibration: AnyCalibrator | None = None
    decision: Decision | None = None

    def __post_init__(self) -> None:
        _check_types(self)
        object.__setattr__(self, "labels", tuple(self.labels))
        object.__setattr__(self, "range", None if self.range is None else tuple(self.range))
        _require_known("task", self.task, get_args(Task))
        _require_known("activation", self.activation, get_args(Activation))
        if (self.task, self.encoding) not in _LAYOUTS:
            raise InvalidCardError(
                f"encoding is {self.encoding!r}: only an ordinal head has one, " + " or ".join(get_args(Encoding))
            )
        self._check_labels()
        cells = self._legal_cells()
        self._check_range(cells)
        self._check_calibration(cells)
        self._check_decision()

    @property
    def is_margin(self) -> bool:
        """A tanh head without calibrator: it decides, and has no probability."""
        return self.task == "binary" and self.activation == "tanh" and self.calibration is None

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
        layouts = _LAYOUTS[self.task, self.encoding]
        layout = layouts[units - 1] if self.task == "binary" else layouts[0]
        legal(layout, self.activation)
        return layout

    def resolve(self, options: Options) -> Applied:
        """The rule that these options make this head follow.

        Raises: InvalidRequestError for options that this head does not have.
        """
        if options.top_k is not None and self.task == "regression":
            raise InvalidRequestError("a regression head has no classes for top_k to rank")
        if self.is_margin:
            if options != NO_OPTIONS:
                raise InvalidRequestError(
                    "a tanh margin without calibrator has no probability: threshold and top_k do not apply to it"
                )
            return decisions.AT_ZERO
        return decisions.resolve(self.decision, self.task, self.labels, options.threshold)

    def predict(
        self, output: ArrayLike, *, threshold: float | str | None = None, top_k: int | None = None
    ) -> Prediction:
        """Answer for a model's output: (batch,), (batch, units) or (batch, *positions, units).

        `threshold` is a probability in (0, 1) or the name of one of the card's thresholds.

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
        array = contract.with_units(output)
        *positions, units = array.shape
        try:
            layout = self.layout(units)
        except UnsupportedHeadError as error:
            raise OutputShapeError(f"output of shape {np.shape(output)}: {error}") from error
        cell = legal(layout, self.activation)
        raw, told = contract.admit(array, layout, self.activation, strict=strict)
        rows = raw.reshape(-1, units)
        scores = self._scores(cell, rows, array.dtype)
        off = 0.0
        if self.activation in contract.SHARES and not told:
            shares = (scores if self.calibration is None else cell.scores(rows)).probabilities
            assert shares is not None
            off, told = contract.row_sum_error(array, shares, self.activation, strict=strict)

        observed = contract.Observations(array, self.activation, off, told)
        answer = self._decide(scores, applied, options.top_k)
        shaped = {name: rows.reshape(*positions, *rows.shape[1:]) for name, rows in answer.items()}
        return Prediction(self.task, self.labels, applied, observed, **shaped)

    def _scores(self, cell: Legal, raw: Float64, source: FloatDtype) -> Scores:
        # A logit beyond float64 is infinite, and its probability 0 or 1: that overflow is right.
        with np.errstate(over="ignore"):
            if self.calibration is None or cell.form is None or cell.canonical is None:
                return cell.scores(raw)
            return self.calibration.scores(cell.canonical(raw, source), cell.form)

    def _decide(self, scores: Scores, applied: Applied, top_k: int | None) -> dict[str, NDArray[Any]]:
        if self.task == "regression":
            return {"values": scores.evidence}
        answer: dict[str, NDArray[Any]] = {}
        if scores.probabilities is not None:
            answer["probabilities"] = scores.probabilities
        if scores.space is Space.MARGIN:
            answer["margins"] = scores.evidence[:, 0]
        if applied.cuts is None:
            answer["indices"] = scores.evidence.argmax(axis=1)
        elif self.task == "multilabel":
            answer["decisions"] = decisions.above(scores, applied.cuts)
        else:
            answer["indices"] = decisions.above(scores, applied.cuts).sum(axis=1)
        if top_k is not None and scores.probabilities is not None:
            answer["top"] = decisions.ranked(scores, scores.probabilities, top_k)
        return answer

    def _check_labels(self) -> None:
        if self.task == "regression" and self.labels:
            raise InvalidCardError("labels are given: a regression head has none")
        if len(self.labels) < _FEWEST_LABELS[self.task] or (self.task == "binary" and len(self.labels) != 2):
            raise InvalidCardError(
                f"labels has {len(self.labels)} entries: {self.task} needs one a class, "
                + (
                    "exactly 2, the positive one last"
                    if self.task == "binary"
                    else f"{_FEWEST_LABELS[self.task]} or more"
                )
            )
        if not all(isinstance(label, str) and label for label in self.labels):
            texts = json.dumps([str(label) for label in self.labels[:3]], ensure_ascii=False)
            wrong = "" if all(isinstance(label, str) for label in self.labels) else f": give texts, such as {texts}"
            raise InvalidCardError(f"labels must be texts that are not empty{wrong}")
        if twice := sorted({label for label in self.labels if self.labels.count(label) > 1}):
            raise InvalidCardError(f"labels holds {', '.join(map(repr, twice))} more than once")

    def _legal_cells(self) -> tuple[Legal, ...]:
        """The legal cells among the rows that this task may be; until units are known, one will do."""
        layouts = _LAYOUTS[self.task, self.encoding]
        cells = tuple(c for layout in layouts if isinstance(c := HEAD_TABLE[layout][self.activation], Legal))
        if not cells:
            legal(layouts[-1], self.activation)
        return cells

    def _check_range(self, cells: tuple[Legal, ...]) -> None:
        wanted = cells[0].value_range
        if wanted is None and self.range is not None:
            raise InvalidCardError("range is given: only regression with sigmoid or tanh declares one")
        if wanted is not None and (self.range is None or tuple(self.range) != wanted):
            raise UnsupportedHeadError(
                f"regression with activation {self.activation}: the values can only lie in "
                f'{list(wanted)}; write "range": {list(wanted)} if that is meant, or train a linear unit (HW128)'
            )

    def _check_calibration(self, cells: tuple[Legal, ...]) -> None:
        if self.calibration is None:
            return
        if not any(cell.form in self.calibration.FORMS for cell in cells):
            raise InvalidCardError(f"calibration {self.calibration.method!r} does not apply to a {self.task} head")

    def _check_decision(self) -> None:
        if self.decision is None:
            return
        if self.decision.rule not in RULES[self.task]:
            raise InvalidCardError(
                f"decision rule {self.decision.rule!r} does not fit a {self.task} head, which takes: "
                + (" or ".join(RULES[self.task]) or "none")
            )
        if self.is_margin:
            raise InvalidCardError("a tanh margin without calibrator is decided at 0: leave the decision out")
        if isinstance(self.decision, PerLabel) and set(self.decision.thresholds) != set(self.labels):
            raise InvalidCardError("per_label thresholds must name each label once, and no other")


def check_in_order(labels: object) -> None:
    """Raises: InvalidCardError if labels are no list, or have no order of their own."""
    if isinstance(labels, str):
        raise InvalidCardError(f"labels is the text {labels!r}: it must be a list of texts")
    if isinstance(labels, Set):
        raise InvalidCardError(
            f"labels is a {type(labels).__name__}, which has no order: give a list in the order of the units"
        )
    if not isinstance(labels, Iterable):
        raise InvalidCardError(f"labels is {labels!r}: it must be a list of texts")


def _check_types(head: Head) -> None:
    """What a type checker would say; a notebook has none."""
    check_in_order(head.labels)
    for name, value, kinds in (
        ("calibration", head.calibration, tuple(CALIBRATORS.values())),
        ("decision", head.decision, (Threshold, PerLabel, Argmax)),
    ):
        if value is not None and not isinstance(value, kinds):
            listed = ", ".join(kind.__name__ for kind in kinds)
            raise InvalidCardError(f"{name} is {value!r}: it must be one of headwise's {listed}")


def _require_known(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidCardError(f"{name} is {value!r}: it must be one of {', '.join(known)}")
