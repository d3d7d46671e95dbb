"""What a classifier's last layer means: heads, their cards, links, calibrators and decisions. Pure numpy."""

from headwise.heads.calibrators import CALIBRATORS, Calibrator, Platt, Temperature
from headwise.heads.card import HeadCard, ModelRecord, SignatureHeads
from headwise.heads.decisions import Applied, Argmax, Options, PerLabel, Threshold
from headwise.heads.head import Head
from headwise.heads.prediction import Prediction
from headwise.heads.spec import HEAD_TABLE, Activation, Layout, Legal, Refused, Task

__all__ = [
    "CALIBRATORS",
    "HEAD_TABLE",
    "Activation",
    "Applied",
    "Argmax",
    "Calibrator",
    "Head",
    "HeadCard",
    "Layout",
    "Legal",
    "ModelRecord",
    "Options",
    "PerLabel",
    "Platt",
    "Prediction",
    "Refused",
    "SignatureHeads",
    "Task",
    "Temperature",
    "Threshold",
]
