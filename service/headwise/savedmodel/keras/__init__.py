"""Reads Keras models, saved or in memory, from their configuration: without Keras, and without running their code."""

from headwise.savedmodel.keras.model import KerasModel, KerasOutput, from_config, read_keras

__all__ = ["KerasModel", "KerasOutput", "from_config", "read_keras"]
