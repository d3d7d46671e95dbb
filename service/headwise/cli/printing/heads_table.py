"""The heads of a card: what each is, how it is calibrated, how it decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields

from rich.markup import escape
from rich.table import Column, Table

from headwise.heads import Abstain, Argmax, Cost, EachLabel, Head, HeadCard, PerLabel, Prior, Threshold
from headwise.heads.calibrators import AnyCalibrator
from headwise.heads.decisions import DEFAULTS, Rule
from headwise.savedmodel.signature import DEFAULT_SIGNATURE

_MOST_NUMBERS = 4
"""Longer lists of numbers are counted: a Venn-Abers calibrator has hundreds."""


def heads_table(card: HeadCard) -> Table:
    """A row for each head."""
    names = ("head", "task", "activation", "labels", "calibration", "decision")
    table = Table(*(Column(name, overflow="fold") for name in names))
    for name, head in named_heads(card):
        labels = ", ".join(head.labels) or "-"
        calibration = "; ".join([calibrator_text(head.calibration), *prior_text(head.prior)])
        texts = (name, head.task, head.activation, labels, calibration, decision_text(head))
        table.add_row(*map(escape, texts))
    return table


def named_heads(card: HeadCard) -> Iterator[tuple[str, Head]]:
    """A card's heads by their outputs; those of other signatures than the default as `signature.output`."""
    for name, signature in card.signatures.items():
        for output, head in signature.heads.items():
            yield (output if name == DEFAULT_SIGNATURE else f"{name}.{output}"), head


def calibrator_text(calibrator: AnyCalibrator | None) -> str:
    """Such as `platt: slope 0.7, intercept -0.2`."""
    if calibrator is None:
        return "none"
    if isinstance(calibrator, EachLabel):
        return f"{calibrator.method}: {', '.join(each.method for each in calibrator.calibrators)}"
    parameters = {field.name: getattr(calibrator, field.name) for field in fields(calibrator) if field.name != "method"}
    return calibrator.method + (f": {_numbers(parameters)}" if parameters else "")


def prior_text(prior: Prior | None) -> Iterator[str]:
    """Such as `prior 0.1, 0.9`: the shares where it serves; nothing where there is none."""
    if prior is not None:
        yield f"prior {_listed(prior.target)}"


def decision_text(head: Head) -> str:
    """Such as `threshold 0.2; named: screen 0.1; below 0.8 no answer`."""
    if head.decision is not None:
        return "; ".join([_rule(head.decision), *_extras(head.decision)])
    default = DEFAULTS[head.task]
    return "-" if default is None else f"{_rule(default)} (default)"


def _rule(rule: Rule) -> str:
    objective = f" ({rule.objective})" if rule.objective else ""
    match rule:
        case Threshold(threshold=threshold, thresholds=named):
            return f"threshold {threshold:.6g}{objective}" + (f"; named: {_numbers(named)}" if named else "")
        case PerLabel(thresholds=thresholds):
            return f"thresholds {_numbers(thresholds)}{objective}"
        case Argmax():
            return f"argmax{objective}"
        case Cost(costs=costs):
            return f"least cost{objective}: {'; '.join(_listed(row) for row in costs)}"


def _extras(rule: Rule) -> Iterator[str]:
    """What else the decision says: sets, abstention, how many classes are listed."""
    if not isinstance(rule, PerLabel):
        if rule.prediction_set is not None:
            yield f"sets ({rule.prediction_set.score}) of coverage {rule.prediction_set.coverage:g}"
        if rule.abstain is not None:
            yield f"abstains by {', '.join(_limits(rule.abstain)) or 'nothing'}"
    if rule.top_k is not None:
        yield f"top {rule.top_k}"


def _limits(abstain: Abstain) -> Iterator[str]:
    for name, limit in (("floor", abstain.floor), ("margin", abstain.margin), ("cost", abstain.cost)):
        if limit is not None:
            yield f"{name} {limit:g}"
    if abstain.set:
        yield "set"


def _numbers(named: Mapping[str, float | Sequence[float]]) -> str:
    return ", ".join(f"{name} {_listed(value)}" for name, value in named.items())


def _listed(value: float | Sequence[float]) -> str:
    if isinstance(value, int | float):
        return f"{value:.6g}"
    return ", ".join(f"{number:.6g}" for number in value) if len(value) <= _MOST_NUMBERS else f"of {len(value)} numbers"
