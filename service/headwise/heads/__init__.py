"""What a classifier's last layer means: heads, their cards, links, calibrators and decisions. Pure numpy."""

from headwise.heads.calibrators import (
    CALIBRATORS,
    Beta,
    Calibrator,
    EachLabel,
    Identity,
    Isotonic,
    Platt,
    Temperature,
    TemperatureMixture,
    Vector,
    VennAbers,
)
from headwise.heads.card import HeadCard, ModelRecord, SignatureHeads
from headwise.heads.decisions import Abstain, Applied, Argmax, Cost, Options, PerLabel, PredictionSet, Threshold
from headwise.heads.head import Head
from headwise.heads.prediction import Prediction
from headwise.heads.prior import Prior
from headwise.heads.spec import HEAD_TABLE, Activation, Layout, Legal, Refused, Task

__all__ = [
    "CALIBRATORS",
    "HEAD_TABLE",
    "Abstain",
    "Activation",
    "Applied",
    "Argmax",
    "Beta",
    "Calibrator",
    "Cost",
    "EachLabel",
    "Head",
    "HeadCard",
    "Identity",
    "Isotonic",
    "Layout",
    "Legal",
    "ModelRecord",
    "Options",
    "PerLabel",
    "Platt",
    "Prediction",
    "PredictionSet",
    "Prior",
    "Refused",
    "SignatureHeads",
    "Task",
    "Temperature",
    "TemperatureMixture",
    "Threshold",
    "Vector",
    "VennAbers",
]
