"""What was chosen and why, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from headwise.calibration.answers import answer, applied
from headwise.calibration.report.tables import number
from headwise.heads import Abstain, Applied, Head
from headwise.heads.calibrators import AnyCalibrator

if TYPE_CHECKING:
    from headwise.calibration.calibrate import Calibrated

_MOST_CLASSES = 12

DOES: Mapping[str, Callable[[Any], str]] = {
    "identity": lambda _: "leaves the probabilities as the model gives them",
    "temperature": lambda by: f"divides the logits by {by.temperature:.4g}",
    "temperature_mixture": lambda by: (
        f"divides the logits by {by.temperature:.4g}, and spreads {by.uniform:.4g} of each row evenly over the classes"
    ),
    "vector": lambda by: (
        f"stretches and moves each class's log-probability by its own slope ({_span(by.slopes)}) and intercept "
        f"({_span(by.intercepts)})"
    ),
    "platt": lambda by: f"takes sigmoid({by.slope:.4g} z {by.intercept:+.4g}) of the logit z",
    "beta": lambda by: f"takes the logit {by.a:.4g} log p - {by.b:.4g} log(1 - p) {by.c:+.4g}",
    "isotonic": lambda by: f"takes one of {len(by.probabilities)} probabilities, rising with the logit",
    "venn_abers": lambda by: f"gives a probability and its interval, by steps at {len(by.logits)} logits",
    "per_label": lambda by: f"gives labels calibrators of their own: {_counted(by.calibrators)}",
}
"""What each calibrator does to a row."""


RULES: Mapping[tuple[str, str], str] = {
    ("binary", "threshold"): "A row is {positive} where the probability of that is {cut} or more.",
    (
        "binary",
        "cost",
    ): "The answer is the one with the least expected cost: {positive} from a probability of {cut} on.",
    ("multiclass", "argmax"): "The answer is the most probable class.",
    ("multiclass", "cost"): "The answer is the one with the least expected cost.",
    ("multilabel", "threshold"): "A label is on where its probability is {cut} or more.",
    (
        "multilabel",
        "per_label",
    ): "A label is on where its probability reaches its own cut, which the table by label has.",
    ("ordinal", "threshold"): "The answer is the highest class that is reached with a probability of {cut} or more.",
    ("ordinal", "cost"): "The answer is the one with the least expected cost.",
}
"""How a row is answered, by task and rule."""


def chosen(calibrated: Calibrated) -> str:
    """The calibrator, what it does, and why it was taken."""
    by, reason = calibrated.choice.calibrator, calibrated.choice.reason
    if by.method == "identity":
        return f"Nothing was changed: the chosen calibration, identity, {DOES[by.method](by)}. Why: {_ended(reason)}"
    return f"Chosen: {by.method}, which {DOES[by.method](by)}. Why: {_ended(reason)}"


def measured(calibrated: Calibrated) -> str:
    """On which rows the figures were measured, and how."""
    head, evidence = calibrated.head, calibrated.evidence
    folds = evidence["folds"]
    how = (
        f"“After” is out of fold: each row by the fit of the other {folds - 1} of {folds} folds (seed "
        f"{evidence['seed']})."
        if folds > 1
        else "Nothing was fitted."
    )
    return (
        f"A {head.task} head with activation {head.activation}, measured on {evidence['rows']:,} rows "
        f"({_per_class(evidence['rows_per_class'], head)}). {how} Calibration alone changes "
        f"{evidence['changed_answers']:.2%} of the answers; {evidence['saturated_share']:.2%} of the model's values "
        f"were saturated, and its logits lay from {evidence['logits']['low']:.4g} to {evidence['logits']['high']:.4g}."
    )


def decided(calibrated: Calibrated) -> Iterator[str]:
    """The rule, when it gives no answer, its sets, and what the answers are worth on these rows."""
    rule = applied(calibrated.head)
    yield f"{_rule(calibrated.head, rule)} {_source(rule)}"
    if rule.abstain is not None:
        yield f"It gives no answer where {' or where '.join(_limits(rule.abstain))}."
    if rule.prediction_set is not None:
        stored = ", ".join(f"{coverage:g}" for coverage in rule.prediction_set.coverages)
        yield (
            f"Prediction sets ({rule.prediction_set.score}) are made to hold the true class of {rule.coverage:g} of "
            f"all rows; a request may choose one of the coverages {stored}."
        )
    yield _answers(calibrated)
    if calibrated.head.prior is not None or "prior" in calibrated.evidence:
        yield "The card's prior correction comes after calibration; nothing on this page has it."


def warnings(evidence: Mapping[str, Any]) -> Iterator[str]:
    """What may be wrong with the rows, or with what was fitted to them."""
    for warning in evidence["warnings"]:
        yield f"Warning: {_ended(warning)}"


def tuned(decision: Mapping[str, Any], rows: int) -> str:
    """Of an objective, what came out."""
    return f"Tuned for {decision['objective']} on {rows:,} rows: {_ended(decision['reason'])}"


def provenance(evidence: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where the figures come from: names and values, of what is known."""
    for key in ("data", "data_sha256", "model_fingerprint", "date", "expires", "seed", "folds", "resamples"):
        if key in evidence:
            yield key.replace("_", " "), str(evidence[key])
    yield "versions", ", ".join(f"{name} {version}" for name, version in evidence["versions"].items())


def _rule(head: Head, rule: Applied) -> str:
    if head.is_margin:
        return f"A row is {head.labels[1]!r} where its margin is 0 or more; without a calibrator it has no probability."
    assert rule.rule is not None
    cut = f"{rule.cuts[0]:.4g}" if rule.cuts else ""
    return RULES[head.task, rule.rule].format(positive=repr(head.labels[-1]), cut=cut)


def _source(rule: Applied) -> str:
    if rule.objective is not None:
        return f"It was tuned for {rule.objective}."
    return "This is the default." if rule.source == "default" else "The card says so."


def _limits(abstain: Abstain) -> Iterator[str]:
    if abstain.floor is not None:
        yield f"the largest probability is below {abstain.floor:.4g}"
    if abstain.margin is not None:
        yield f"the largest probability exceeds the second by less than {abstain.margin:.4g}"
    if abstain.cost is not None:
        yield f"the cheapest answer is expected to cost more than {abstain.cost:.4g}"
    if abstain.set:
        yield "the prediction set has not exactly one class"


def _answers(calibrated: Calibrated) -> str:
    """What the decision answers on the rows, on probabilities out of fold."""
    prediction, targets = answer(calibrated.head, calibrated.after), calibrated.samples.targets
    if prediction.decisions is not None:
        right = prediction.decisions == targets
        return (
            f"On these {len(targets):,} rows {right.mean():.2%} of the labels are right, and in "
            f"{right.all(axis=1).mean():.2%} of the rows all of them."
        )
    assert prediction.indices is not None
    given = prediction.indices >= 0
    share = f" and {np.mean((prediction.indices == targets)[given]):.2%} of them right" if given.any() else ""
    return f"On these {len(targets):,} rows {given.sum():,} are answered{share}."


def _per_class(counts: Mapping[str, int], head: Head) -> str:
    shown = list(counts.items())[:_MOST_CLASSES]
    more = f", and {len(counts) - len(shown)} more" if len(counts) > len(shown) else ""
    of = "on in: " if head.task == "multilabel" else ""
    return of + ", ".join(f"{label} {number(count)}" for label, count in shown) + more


def _counted(calibrators: tuple[AnyCalibrator, ...]) -> str:
    methods = [each.method for each in calibrators]
    return ", ".join(f"{method} for {methods.count(method)}" for method in dict.fromkeys(methods))


def _span(values: tuple[float, ...]) -> str:
    return f"{min(values):.4g} to {max(values):.4g}"


def _ended(text: str) -> str:
    """With a full stop."""
    return text + ("" if text.endswith((".", "!", "?")) else ".")
