"""How far diabetes will progress in a year, in three ordered grades: two units, one a step, raw logits."""

import keras
import numpy as np
from recipe import SEED, Expected, Trained, split
from sklearn.datasets import load_diabetes

from headwise.heads import Head

HEAD = Head(task="ordinal", activation="linear", labels=("mild", "moderate", "severe"))
EXPECTED = Expected(0.48, "two scikit-learn logistic regressions: 0.541 on these rows, 0.534 to 0.654 over 20 splits")


def train() -> Trained:
    """One logistic regression a step: is it worse than mild, is it worse than moderate."""
    data = load_diabetes(scaled=False)
    rows, held_out, progression, held_out_progression = split(data.data, data.target, stratify=False)
    cuts = np.quantile(progression, (1 / 3, 2 / 3))  # thirds of the training rows, so no grade is rare
    steps = (progression[:, None] > cuts).astype(np.float32)

    keras.utils.set_random_seed(SEED)
    standardise = keras.layers.Normalization()
    standardise.adapt(rows)
    model = keras.Sequential([keras.Input((10,), name="features"), standardise, keras.layers.Dense(2)])
    model.compile(keras.optimizers.Adam(0.02), keras.losses.BinaryCrossentropy(True), jit_compile=False)
    model.fit(rows, steps, batch_size=32, epochs=30, verbose=0)
    grades = (held_out_progression[:, None] > cuts).sum(axis=1)
    return Trained(model, HEAD, held_out, grades)
