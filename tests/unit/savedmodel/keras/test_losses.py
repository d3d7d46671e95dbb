"""Every loss and metric of Keras's has one name, whichever way it was given."""

from __future__ import annotations

from typing import Any

import keras
import pytest
from keras import losses, metrics

from headwise.savedmodel.keras.losses import LOSSES, METRICS, read_loss, read_metric
from headwise.savedmodel.training_config import Loss, Metric


def objects(module: Any) -> set[str]:
    return {name for name in dir(module) if not name.startswith("_") and callable(getattr(module, name))}


def test_every_loss_of_keras_has_a_name() -> None:
    general = {"Loss", "deserialize", "get", "serialize"}

    assert {name for name in objects(losses) - general if read_loss(name) == Loss("custom")} == set()
    for name in objects(losses) - general:
        loss = getattr(losses, name)
        instance = loss() if isinstance(loss, type) else loss
        assert read_loss(keras.saving.serialize_keras_object(instance)) == read_loss(name)


def test_every_metric_of_keras_has_a_name() -> None:
    general = {"Metric", "MeanMetricWrapper", "deserialize", "get", "serialize"}

    assert {name for name in objects(metrics) - general if read_metric(name).name == "custom"} == set()


def test_no_name_means_two_things() -> None:
    for table in (LOSSES, METRICS):
        names = [name for canonical, aliases in table.items() for name in (canonical, *aliases)]
        assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (metrics.BinaryAccuracy(), Metric("binary_accuracy", 0.5)),
        (metrics.BinaryAccuracy(threshold=0.0), Metric("binary_accuracy", 0.0)),
        (metrics.Precision(), Metric("precision", 0.5)),
        (metrics.Recall(thresholds=0), Metric("recall", 0.0)),
        (metrics.Precision(thresholds=[0.2, 0.3]), Metric("precision")),
        (metrics.Precision(top_k=2), Metric("precision")),
        (metrics.F1Score(), Metric("f1_score")),
        (metrics.F1Score(threshold=0.4), Metric("f1_score", 0.4)),
        (metrics.AUC(from_logits=True), Metric("auc", from_logits=True)),
        (metrics.BinaryCrossentropy(from_logits=True), Metric("binary_crossentropy", from_logits=True)),
        (metrics.Accuracy(), Metric("exact_accuracy")),
        (metrics.MeanMetricWrapper(losses.mean_squared_error), Metric("custom")),
    ],
)
def test_thresholds_and_logits_of_metrics_are_read(metric: keras.Metric, expected: Metric) -> None:
    assert read_metric(keras.saving.serialize_keras_object(metric)) == expected


@pytest.mark.parametrize("spelling", ["accuracy", "Accuracy", "acc", "ACC"])
def test_accuracy_by_name_stays_open(spelling: str) -> None:
    assert read_metric(spelling) == Metric("accuracy")


@pytest.mark.parametrize("spelling", ["crossentropy", "Crossentropy", "ce", "CE"])
def test_crossentropy_by_name_stays_open(spelling: str) -> None:
    assert read_loss(spelling) == Loss("crossentropy", from_logits=False)


@keras.saving.register_keras_serializable("tests")
class BinaryCrossentropy(losses.BinaryCrossentropy):  # type: ignore[misc]
    """A class of the user's own that has a name of Keras's."""


def test_a_class_that_is_left_out_of_the_loss_is_read() -> None:
    loss = losses.SparseCategoricalCrossentropy(ignore_class=255)

    assert read_loss(keras.saving.serialize_keras_object(loss)).ignores  # type: ignore[union-attr]


def test_a_class_of_the_users_own_is_custom_whatever_its_name() -> None:
    assert read_loss(keras.saving.serialize_keras_object(BinaryCrossentropy())) == Loss("custom")
