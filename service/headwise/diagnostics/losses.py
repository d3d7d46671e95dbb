"""What Keras's losses and metrics expect of the numbers that they are given."""

from __future__ import annotations

from dataclasses import replace

from headwise.diagnostics.facts import Facts
from headwise.savedmodel.training_config import Loss, Metric

BINARY_CROSSENTROPIES = frozenset({"binary_crossentropy", "binary_focal_crossentropy"})
"""They train each unit by itself, against 0 or 1."""

CATEGORICAL_CROSSENTROPIES = frozenset(
    {"categorical_crossentropy", "sparse_categorical_crossentropy", "categorical_focal_crossentropy"}
)
"""They train units that share one truth."""

CROSSENTROPIES = BINARY_CROSSENTROPIES | CATEGORICAL_CROSSENTROPIES

PROBABILITY_LOSSES = frozenset({"kl_divergence", "dice", "tversky"})
"""They expect probabilities, and have no from_logits."""

HINGES = frozenset({"hinge", "squared_hinge", "categorical_hinge"})
"""They expect margins that may go beyond -1 and 1."""

LOG_LOSSES = frozenset({"poisson", "mean_squared_logarithmic_error"})
"""They take the logarithm of a quantity that must not be negative."""

VALUE_LOSSES = frozenset(
    {
        "mean_squared_error",
        "mean_absolute_error",
        "mean_absolute_percentage_error",
        "mean_squared_logarithmic_error",
        "huber",
        "log_cosh",
        "poisson",
    }
)
"""They measure the distance to a quantity; on probabilities mean_squared_error is the Brier score."""

ARGMAX_METRICS = frozenset(
    {
        "categorical_accuracy",
        "sparse_categorical_accuracy",
        "top_k_categorical_accuracy",
        "sparse_top_k_categorical_accuracy",
    }
)
"""They ask which unit is the largest."""

CURVE_METRICS = frozenset(
    {"auc", "precision_at_recall", "recall_at_precision", "sensitivity_at_specificity", "specificity_at_sensitivity"}
)
"""They go through thresholds from 0 to 1."""

DEFAULT_THRESHOLD = 0.5
"""Where Keras cuts if nothing is said."""


def loss_of(facts: Facts) -> Loss | None:
    """The loss, with Keras's "crossentropy" told apart by units as Keras does it."""
    loss = facts.training.loss
    if loss is None or loss.name != "crossentropy":
        return loss
    return replace(loss, name="binary_crossentropy" if facts.units == 1 else "categorical_crossentropy")


def loss_name(facts: Facts) -> str:
    """The loss's name; empty where there is none."""
    loss = loss_of(facts)
    return "" if loss is None else loss.name


def is_any(facts: Facts, names: frozenset[str]) -> bool:
    """Whether the loss is one of these."""
    return loss_name(facts) in names


def cut(metric: Metric, units: int | None) -> float | None:
    """Where a metric cuts each number; None if it does not.

    Keras reads "accuracy" as binary_accuracy for one unit, whatever the loss says of logits.
    """
    return DEFAULT_THRESHOLD if metric.name == "accuracy" and units == 1 else metric.threshold


def ranks(metric: Metric, units: int | None) -> bool:
    """Whether a metric asks which unit is the largest. Keras reads "accuracy" so for two units or more."""
    return metric.name in ARGMAX_METRICS or (metric.name == "accuracy" and units is not None and units > 1)
