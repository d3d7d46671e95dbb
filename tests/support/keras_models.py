"""Keras models built in a line, and what is read of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from headwise.savedmodel import DetectedHead
from headwise.savedmodel.keras import KerasModel, from_config

Tensor = Any


def in_memory(model: keras.Model) -> KerasModel:
    return from_config(keras.saving.serialize_keras_object(model), model.get_compile_config())


def brief(head: DetectedHead) -> tuple[str, int | None, str | None]:
    return head.activation, head.units, head.beneath


def nested(*within: layers.Layer) -> keras.Model:
    features = keras.Input((4,))
    result = features
    for layer in within:
        result = layer(result)
    return keras.Model(features, result)


def dense(units: int = 3, activation: Any = None) -> layers.Layer:
    return layers.Dense(units, activation=activation)


def save_graph(network: keras.Model, folder: Path) -> None:
    """Write a network with one signature; `network.export` takes five times as long, as it traces every layer too."""
    holder = tf.Module()
    holder.weights = network.variables
    inputs = [tf.TensorSpec(given.shape, given.dtype, given.name) for given in tf.nest.flatten(network.input)]
    serve = tf.function(lambda *given: network(tf.nest.pack_sequence_as(network.input, given), training=False))
    tf.saved_model.save(holder, str(folder), signatures=serve.get_concrete_function(*inputs))
