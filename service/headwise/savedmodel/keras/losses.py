"""Keras's losses and metrics by all the names that a configuration uses for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headwise.savedmodel.keras.serialised import is_keras, is_sequence, items, mapping, text
from headwise.savedmodel.training_config import Loss, Metric

CUSTOM = "custom"

LOSSES: Mapping[str, tuple[str, ...]] = {
    "binary_crossentropy": ("BinaryCrossentropy", "bce", "BCE"),
    "binary_focal_crossentropy": ("BinaryFocalCrossentropy",),
    "categorical_crossentropy": ("CategoricalCrossentropy",),
    "categorical_focal_crossentropy": ("CategoricalFocalCrossentropy",),
    "categorical_generalized_cross_entropy": ("CategoricalGeneralizedCrossEntropy",),
    "categorical_hinge": ("CategoricalHinge",),
    "circle": ("Circle",),
    "cosine_similarity": ("CosineSimilarity", "cosine_proximity"),
    "crossentropy": ("ce",),
    "ctc": ("CTC",),
    "dice": ("Dice",),
    "hinge": ("Hinge",),
    "huber": ("Huber", "huber_loss"),
    "kl_divergence": ("KLDivergence", "kld", "KLD", "kullback_leibler_divergence"),
    "log_cosh": ("LogCosh", "logcosh"),
    "mean_absolute_error": ("MeanAbsoluteError", "mae", "MAE"),
    "mean_absolute_percentage_error": ("MeanAbsolutePercentageError", "mape", "MAPE"),
    "mean_squared_error": ("MeanSquaredError", "mse", "MSE"),
    "mean_squared_logarithmic_error": ("MeanSquaredLogarithmicError", "msle", "MSLE"),
    "poisson": ("Poisson",),
    "sparse_categorical_crossentropy": ("SparseCategoricalCrossentropy",),
    "squared_hinge": ("SquaredHinge",),
    "tversky": ("Tversky",),
}
"""The name that is reported: the others. Keras 2's are among them. "crossentropy" is told apart by Keras, by shapes."""

FROM_LOGITS = frozenset(
    {
        "binary_crossentropy",
        "binary_focal_crossentropy",
        "categorical_crossentropy",
        "categorical_focal_crossentropy",
        "crossentropy",
        "sparse_categorical_crossentropy",
    }
)
"""Losses that can be told that they get raw logits."""

METRICS: Mapping[str, tuple[str, ...]] = {
    **{name: aliases for name, aliases in LOSSES.items() if name not in ("crossentropy", "log_cosh")},
    "accuracy": ("acc",),
    "auc": ("AUC",),
    "binary_accuracy": ("BinaryAccuracy",),
    "binary_io_u": ("BinaryIoU",),
    "categorical_accuracy": ("CategoricalAccuracy",),
    "concordance_correlation": ("ConcordanceCorrelation",),
    "exact_accuracy": (),
    "f1_score": ("F1Score",),
    "false_negatives": ("FalseNegatives",),
    "false_positives": ("FalsePositives",),
    "fbeta_score": ("FBetaScore", "f_beta_score"),
    "io_u": ("IoU",),
    "log_cosh_error": ("LogCoshError", "log_cosh", "logcosh"),
    "mean": ("Mean",),
    "mean_io_u": ("MeanIoU",),
    "one_hot_io_u": ("OneHotIoU",),
    "one_hot_mean_io_u": ("OneHotMeanIoU",),
    "pearson_correlation": ("PearsonCorrelation",),
    "precision": ("Precision",),
    "precision_at_recall": ("PrecisionAtRecall",),
    "r2_score": ("R2Score",),
    "recall": ("Recall",),
    "recall_at_precision": ("RecallAtPrecision",),
    "root_mean_squared_error": ("RootMeanSquaredError",),
    "sensitivity_at_specificity": ("SensitivityAtSpecificity",),
    "sparse_categorical_accuracy": ("SparseCategoricalAccuracy",),
    "sparse_top_k_categorical_accuracy": ("SparseTopKCategoricalAccuracy",),
    "specificity_at_sensitivity": ("SpecificityAtSensitivity",),
    "sum": ("Sum",),
    "top_k_categorical_accuracy": ("TopKCategoricalAccuracy",),
    "true_negatives": ("TrueNegatives",),
    "true_positives": ("TruePositives",),
}
"""Likewise. exact_accuracy: the class keras.metrics.Accuracy, which counts outputs equal to the target; the text
"accuracy" means another one."""

THRESHOLDS: Mapping[str, float | None] = {
    "binary_accuracy": 0.5,
    "binary_io_u": 0.5,
    "f1_score": None,
    "false_negatives": 0.5,
    "false_positives": 0.5,
    "fbeta_score": None,
    "precision": 0.5,
    "recall": 0.5,
    "true_negatives": 0.5,
    "true_positives": 0.5,
}
"""Metrics that cut, and where if nothing is said; None: they take the largest unit."""

_METRICS_FROM_LOGITS = FROM_LOGITS | {"auc"}


def _by_any_name(table: Mapping[str, tuple[str, ...]]) -> Mapping[str, str]:
    return {alias: name for name, aliases in table.items() for alias in (name, *aliases)}


_LOSS_NAMES = _by_any_name(LOSSES)
_METRIC_NAMES = _by_any_name(METRICS)


def read_loss(spec: object) -> Loss | None:
    """A loss as `compile` was given it: a name, a serialised function or object; None where there is none."""
    if spec is None:
        return None
    said, config = _named(spec)
    name = _LOSS_NAMES.get(said.lower() if said.lower() in ("crossentropy", "ce") else said, CUSTOM)
    from_logits = config.get("from_logits") is True if name in FROM_LOGITS else None
    return Loss(name, from_logits, ignores=config.get("ignore_class") is not None)


def read_metric(spec: object) -> Metric:
    """A metric, likewise."""
    said, config = _named(spec)
    if isinstance(spec, str) and said.lower() in ("accuracy", "acc"):
        return Metric("accuracy")
    name = "exact_accuracy" if said == "Accuracy" else _METRIC_NAMES.get(said, CUSTOM)
    from_logits = config.get("from_logits") is True if name in _METRICS_FROM_LOGITS else None
    return Metric(name, _threshold(name, config), from_logits)


def _named(spec: object) -> tuple[str, Mapping[str, Any]]:
    """The name of a class or function, and its options; an empty name for what is not Keras's."""
    if isinstance(spec, str):
        return spec, {}
    said, config = mapping(spec), mapping(spec).get("config")
    if said.get("class_name") == "function":
        # Only the name is written down, and Keras itself takes its own function of that name when it loads.
        return text(config), {}
    of_keras = "module" not in said or is_keras(said)
    return text(said.get("class_name")) if of_keras else "", mapping(config)


def _threshold(name: str, config: Mapping[str, Any]) -> float | None:
    given = config.get("threshold", config.get("thresholds"))
    if is_sequence(given) and len(items(given)) == 1:
        given = items(given)[0]
    if isinstance(given, int | float) and not isinstance(given, bool):
        return float(given)
    return THRESHOLDS.get(name) if given is None and config.get("top_k") is None else None
