"""Losses and metrics of a compiled model go to the outputs that Keras gives them to."""

from __future__ import annotations

from typing import Any

import keras
import pytest
from keras import layers

from headwise.savedmodel.keras import from_config
from headwise.savedmodel.training_config import UNTRAINED, Loss, Metric, TrainingConfig
from support.keras_models import dense, in_memory


def trained(loss: Any, metric: Any = None, outputs: str = "list") -> list[TrainingConfig]:
    features = keras.Input((4,))
    first, second = layers.Dense(1, name="one")(features), layers.Dense(2, name="two")(features)
    model = keras.Model(features, {"list": [first, second], "dict": {"z": first, "y": second}, "one": first}[outputs])
    model.compile(loss=loss, metrics=metric)
    return [output.training for output in in_memory(model).outputs.values()]


MSE, MAE = Loss("mean_squared_error"), Loss("mean_absolute_error")
AUC = Metric("auc", from_logits=False)
ACCURACY = Metric("accuracy")


@pytest.mark.parametrize(
    ("loss", "metric", "outputs", "expected"),
    [
        ("mse", None, "one", [TrainingConfig(MSE)]),
        (["mse"], ["acc", ["auc"]], "one", [TrainingConfig(MSE, (ACCURACY, AUC))]),
        ({"one": "mse"}, {"one": "acc"}, "one", [TrainingConfig(MSE, (ACCURACY,))]),
        (None, None, "one", [UNTRAINED]),
        ("mse", None, "list", [TrainingConfig(MSE), TrainingConfig(MSE)]),
        (["mse", "mae"], [["acc"], ["auc"]], "list", [TrainingConfig(MSE, (ACCURACY,)), TrainingConfig(MAE, (AUC,))]),
        (["mse", None], ["acc", "auc"], "list", [TrainingConfig(MSE, (ACCURACY,)), TrainingConfig(None, (AUC,))]),
        ({"two": "mae", "one": "mse"}, {"two": "auc"}, "list", [TrainingConfig(MSE), TrainingConfig(MAE, (AUC,))]),
        # A dict of outputs goes by its sorted keys: y comes first.
        ({"z": "mse", "y": "mae"}, {"z": ["acc"]}, "dict", [TrainingConfig(MAE), TrainingConfig(MSE, (ACCURACY,))]),
        ({"z": "mse"}, None, "dict", [UNTRAINED, TrainingConfig(MSE)]),
        (["mae", "mse"], None, "dict", [TrainingConfig(MAE), TrainingConfig(MSE)]),
    ],
)
def test_losses_and_metrics_go_to_the_outputs_that_keras_gives_them_to(
    loss: Any, metric: Any, outputs: str, expected: list[TrainingConfig]
) -> None:
    assert trained(loss, metric, outputs) == expected


def test_weighted_metrics_count_as_well() -> None:
    model = keras.Sequential([keras.Input((4,)), dense(1)])
    model.compile(loss="mse", metrics=["mae"], weighted_metrics=["accuracy"])

    assert in_memory(model).outputs["output_0"].training.metrics == (Metric("mean_absolute_error"), ACCURACY)


@pytest.mark.parametrize(
    "opaque", [{"anything": 3}, {"loss": 7}, {"loss": [], "metrics": {"a": {}}}, {"loss": {"q": 1}}]
)
def test_a_compile_of_the_users_own_tells_what_it_can(opaque: dict[str, Any]) -> None:
    config = keras.saving.serialize_keras_object(keras.Sequential([keras.Input((4,)), dense(1)]))

    assert from_config(config, opaque).outputs["output_0"].training in (UNTRAINED, TrainingConfig(Loss("custom")))
