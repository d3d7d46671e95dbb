"""Reads SavedModels without TensorFlow."""

from headwise.savedmodel.reader import SavedModel, read
from headwise.savedmodel.signature import Signature, TensorSpec

__all__ = ["SavedModel", "Signature", "TensorSpec", "read"]
