"""Reads SavedModels without TensorFlow."""

from headwise.savedmodel.detected import UNKNOWN, DetectedHead
from headwise.savedmodel.reader import SavedModel, read
from headwise.savedmodel.signature import Signature, TensorSpec

__all__ = ["UNKNOWN", "DetectedHead", "SavedModel", "Signature", "TensorSpec", "read"]
