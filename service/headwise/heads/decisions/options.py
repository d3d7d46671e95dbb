"""What a request may ask of a head, and which of request, card and default speaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from headwise.errors import InvalidCardError, InvalidRequestError
from headwise.heads.decisions.abstention import NEVER, Abstain
from headwise.heads.decisions.rules import Cost, PerLabel, Rule, Threshold
from headwise.heads.decisions.table import CUT_BY_REQUEST, DEFAULTS, ONE_ANSWER, misfit, unmet
from headwise.heads.parameters import share, whole
from headwise.heads.prediction_sets import PredictionSet
from headwise.heads.spec import Task

Source = Literal["request", "card", "default"]


@dataclass(frozen=True, slots=True)
class Options:
    """What a request may ask of one head; None leaves it to the card.

    threshold: a probability, or the name of one of the card's. decision: a rule in place of the card's. abstain: in
    place of the card's; an empty one switches it off. coverage: one for which the card has quantiles.

    Raises: InvalidRequestError for a threshold or coverage outside (0, 1), or a top_k below 1.
    """

    threshold: float | str | None = None
    top_k: int | None = None
    decision: Rule | None = None
    abstain: Abstain | None = None
    coverage: float | None = None

    def __post_init__(self) -> None:
        try:
            if self.threshold is not None and not isinstance(self.threshold, str):
                share("threshold", self.threshold)
            if self.coverage is not None:
                share("coverage", self.coverage)
            if self.top_k is not None:
                whole("top_k", self.top_k, 1)
        except InvalidCardError as error:
            raise InvalidRequestError(str(error)) from None
        for name, value, kinds in (("decision", self.decision, Rule), ("abstain", self.abstain, Abstain)):
            if value is not None and not isinstance(value, kinds):
                listed = ", ".join(kind.__name__ for kind in get_args(kinds) or (kinds,))
                raise InvalidRequestError(f"{name} is {value!r}: it must be one of headwise's {listed}")
        if self.threshold is not None and self.decision is not None:
            raise InvalidRequestError("threshold and decision are both given: send one of them")


@dataclass(frozen=True, slots=True)
class Applied:
    """What a head was told to follow, and who said each part.

    cuts: in label order; None where no probability is cut. name: of the card's threshold that a request chose. cost:
    the costs that were minimised, on a binary head by the one of `cuts`. abstain: None where every row is answered.
    """

    rule: str | None
    source: Source
    cuts: tuple[float, ...] | None = None
    name: str | None = None
    objective: str | None = None
    cost: Cost | None = None
    abstain: Abstain | None = None
    abstain_source: Source = "default"
    prediction_set: PredictionSet | None = None
    prediction_set_source: Source = "default"
    coverage: float | None = None
    coverage_source: Source = "default"
    top_k: int | None = None
    top_k_source: Source = "default"


AT_ZERO = Applied("threshold", "default", (0.0,))
"""How a margin is decided: it has no probability to compare."""

_Said = tuple[tuple[Rule | None, Source], ...]


def resolve(card: Rule | None, task: Task, labels: tuple[str, ...], options: Options) -> Applied:
    """Request over card over default: for the rule, the abstention, the prediction set, its coverage and top_k each.

    Raises: InvalidRequestError for options that this head does not have.
    """
    said: _Said = (
        (_requested(card, task, labels, options), "request"),
        (card, "card"),
        (DEFAULTS[task], "default"),
    )
    rule, source = next((one for one in said if one[0] is not None), said[-1])
    abstain, abstain_source = _first(said, "abstain", options.abstain)
    sets, sets_source = _first(said, "prediction_set", None)
    coverage, coverage_source = _first(said, "coverage", options.coverage)
    if coverage is None and sets is not None:
        coverage, coverage_source = sets.coverage, sets_source
    top_k, top_k_source = _first(said, "top_k", options.top_k)
    applied = Applied(
        None if rule is None else rule.rule,
        source,
        _cuts(rule, task, labels),
        options.threshold if isinstance(options.threshold, str) else None,
        None if rule is None else rule.objective,
        rule if isinstance(rule, Cost) else None,
        None if abstain == NEVER else abstain,
        abstain_source,
        sets,
        sets_source,
        coverage,
        coverage_source,
        top_k,
        top_k_source,
    )
    _check(applied, task)
    return applied


def _first(said: _Said, part: str, asked: Any) -> tuple[Any, Source]:
    """The first who says this part of a decision; an option of its own speaks before any rule."""
    if asked is not None:
        return asked, "request"
    for rule, source in said:
        if (value := getattr(rule, part, None)) is not None:
            return value, source
    return None, "default"


def _requested(card: Rule | None, task: Task, labels: tuple[str, ...], options: Options) -> Rule | None:
    """The rule that the request gives, if it does; a cut of its own is a threshold."""
    wanted = options.threshold
    if wanted is not None:
        if task not in CUT_BY_REQUEST:
            raise InvalidRequestError(f"a {task} head takes no threshold: only binary and multilabel heads do")
        return Threshold(_named(card, wanted) if isinstance(wanted, str) else float(wanted))
    if options.decision is not None and (why := misfit(options.decision, task, labels)):
        raise InvalidRequestError(f"decision: {why}")
    return options.decision


def _named(card: Rule | None, name: str) -> float:
    known = card.thresholds if isinstance(card, Threshold) else {}
    if name not in known:
        listed = ", ".join(map(repr, known)) or "none"
        raise InvalidRequestError(f"no threshold is named {name!r}; the card names: {listed}")
    return known[name]


def _cuts(rule: Rule | None, task: Task, labels: tuple[str, ...]) -> tuple[float, ...] | None:
    match rule:
        case Threshold():
            return (rule.threshold,) * (len(labels) if task == "multilabel" else 1)
        case PerLabel():
            return tuple(rule.thresholds[label] for label in labels)
        case Cost() if task == "binary":
            return (rule.cut,)
        case _:
            return None


def _check(applied: Applied, task: Task) -> None:
    if applied.top_k is not None and task == "regression":
        raise InvalidRequestError("a regression head has no classes for top_k to rank")
    if applied.abstain is not None:
        if task not in ONE_ANSWER:
            raise InvalidRequestError(f"a {task} head does not abstain: only binary, multiclass and ordinal heads do")
        if why := unmet(applied.abstain, applied.rule, applied.prediction_set):
            raise InvalidRequestError(
                f"{why}; the {applied.abstain_source} asks for it: send another abstain, or {{}} to answer every row"
            )
    if applied.coverage is not None:
        if applied.prediction_set is None:
            raise InvalidRequestError(
                f"coverage is {applied.coverage}, but the card has no prediction_set: `headwise calibrate "
                f"--objective 'coverage>={applied.coverage}'` writes one"
            )
        if applied.coverage not in applied.prediction_set.coverages:
            listed = ", ".join(map(str, applied.prediction_set.coverages))
            raise InvalidRequestError(f"coverage is {applied.coverage}: the card has quantiles for {listed}")
