"""Entries about the compiled metrics: what they count, and what the head gives them."""

from __future__ import annotations

from collections.abc import Callable

from headwise.diagnostics.entry import Entry
from headwise.diagnostics.facts import Facts
from headwise.diagnostics.losses import (
    ARGMAX_METRICS,
    BINARY_CROSSENTROPIES,
    CATEGORICAL_CROSSENTROPIES,
    CROSSENTROPIES,
    CURVE_METRICS,
    DEFAULT_THRESHOLD,
    HINGES,
    VALUE_LOSSES,
    cut,
    is_any,
    ranks,
)
from headwise.savedmodel.training_config import Metric

_OF_LOGITS = BINARY_CROSSENTROPIES | HINGES


def _cut_at_half(facts: Facts) -> str | None:
    if facts.activation not in ("linear", "tanh") or not is_any(facts, _OF_LOGITS):
        return None
    names = ", ".join(m.name for m in facts.training.metrics if cut(m, facts.units) == DEFAULT_THRESHOLD)
    if not names:
        return None
    where = "a probability of 0.62" if facts.activation == "linear" else "half the way to the positive end"
    return f"{names} cuts {facts.shown} at 0.5, which is {where}; the head decides at 0"


def _measures_nothing(facts: Facts) -> str | None:
    for metric in facts.training.metrics:
        for misses, reason in _MISSES:
            if misses(metric, facts):
                return f"{metric.name} on {facts.shown}: {reason}"
    return None


def _compares_exactly(metric: Metric, _: Facts) -> bool:
    return metric.name == "exact_accuracy"


def _ranks_one_unit(metric: Metric, facts: Facts) -> bool:
    return facts.units == 1 and metric.name in ARGMAX_METRICS


def _ranks_labels(metric: Metric, facts: Facts) -> bool:
    independent = facts.activation in ("sigmoid", "linear") and is_any(facts, BINARY_CROSSENTROPIES)
    return independent and ranks(metric, facts.units)


def _counts_cells(metric: Metric, facts: Facts) -> bool:
    many = facts.units is not None and facts.units > 2
    return many and metric.name == "binary_accuracy" and is_any(facts, CATEGORICAL_CROSSENTROPIES)


def _thresholds_on_logits(metric: Metric, facts: Facts) -> bool:
    return metric.name in CURVE_METRICS and _takes_logits_for_probabilities(metric, facts)


def _crossentropy_of_logits(metric: Metric, facts: Facts) -> bool:
    return metric.name in CROSSENTROPIES and _takes_logits_for_probabilities(metric, facts)


def _takes_logits_for_probabilities(metric: Metric, facts: Facts) -> bool:
    return facts.activation == "linear" and not metric.from_logits and is_any(facts, CROSSENTROPIES)


def _counts_quantities(metric: Metric, facts: Facts) -> bool:
    counts = metric.name == "accuracy" or metric.name in ARGMAX_METRICS
    of_quantity = facts.activation == "linear" and is_any(facts, VALUE_LOSSES) and not _targets_are_classes(facts)
    return counts and of_quantity


def _targets_are_classes(facts: Facts) -> bool:
    targets = facts.numbers.targets
    return targets is not None and targets.zero_one


_MISSES: tuple[tuple[Callable[[Metric, Facts], bool], str], ...] = (
    (_compares_exactly, "the class Accuracy counts numbers that equal their target exactly, and no probability does"),
    (_ranks_one_unit, "it asks which unit is the largest, and there is only one"),
    (
        _ranks_labels,
        "Keras asks only which unit is the largest, and the loss trains labels that may hold together",
    ),
    (_counts_cells, "it counts each number of a row by itself, so that saying no to every class is mostly right"),
    (_thresholds_on_logits, "its thresholds lie between 0 and 1, and raw logits do not"),
    (_crossentropy_of_logits, "it expects probabilities and gets raw logits"),
    (_counts_quantities, "the loss trains a quantity, and accuracy counts classes"),
)

OF_METRICS = (
    Entry(
        code="HW106",
        severity="warning",
        title="An accuracy that is cut at 0.5 on a logit",
        what="A metric cuts raw logits at 0.5, as if they were probabilities.",
        why='Keras reads "accuracy" on one unit as BinaryAccuracy(threshold=0.5), even where the loss says '
        "from_logits=True. A logit of 0.5 is a probability of 0.62: rows between 0 and 0.5 are counted as negative. "
        "Training is not touched, but the figure that is printed, and that early stopping may follow, is wrong.",
        fix="Write metrics=[keras.metrics.BinaryAccuracy(threshold=0.0)].",
        example="""
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
model.compile(loss=keras.losses.BinaryCrossentropy(from_logits=True), metrics=["accuracy"])
""",
        check=_cut_at_half,
    ),
    Entry(
        code="HW122",
        severity="warning",
        title="A metric that does not measure this head",
        what="A compiled metric counts something else than what the head decides.",
        why='The usual case are several sigmoid units with metrics=["accuracy"]: Keras takes '
        "CategoricalAccuracy, which only asks whether the largest unit is right.",
        fix="Labels: keras.metrics.BinaryAccuracy (threshold=0.0 on logits). Classes: CategoricalAccuracy or the "
        "sparse one; the class Accuracy is neither. AUC and cross-entropies of logits: from_logits=True. Quantities: "
        "MeanAbsoluteError.",
        example="""
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="sigmoid")])
model.compile(loss="binary_crossentropy", metrics=["accuracy"])
""",
        check=_measures_nothing,
    ),
)
