"""Fitted maps from canonical logits to probabilities. A new one is a class and a line in CALIBRATORS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Discriminator

from headwise.heads.calibrators.per_label import Binary, EachLabel
from headwise.heads.calibrators.protocol import Calibrator
from headwise.heads.calibrators.slopes import Beta, Platt, Vector
from headwise.heads.calibrators.steps import Isotonic, VennAbers
from headwise.heads.calibrators.temperature import COLDEST, Identity, Temperature, TemperatureMixture

AnyCalibrator = Annotated[
    Identity | Temperature | TemperatureMixture | Vector | Platt | Beta | Isotonic | VennAbers | EachLabel,
    Discriminator("method"),
]
"""The registered calibrators as one type, told apart by "method"."""

CALIBRATORS: Mapping[str, type[Calibrator]] = {
    "identity": Identity,
    "temperature": Temperature,
    "temperature_mixture": TemperatureMixture,
    "vector": Vector,
    "platt": Platt,
    "beta": Beta,
    "isotonic": Isotonic,
    "venn_abers": VennAbers,
    "per_label": EachLabel,
}

__all__ = [
    "CALIBRATORS",
    "COLDEST",
    "AnyCalibrator",
    "Beta",
    "Binary",
    "Calibrator",
    "EachLabel",
    "Identity",
    "Isotonic",
    "Platt",
    "Temperature",
    "TemperatureMixture",
    "Vector",
    "VennAbers",
]
