"""How far diabetes will progress within a year, as a number: one linear unit."""

import keras
from recipe import SEED, Expected, Trained, split
from sklearn.datasets import load_diabetes

from headwise.heads import Head

HEAD = Head(task="regression", activation="linear")
EXPECTED = Expected(0.35, "least squares: 0.393 on these rows, 0.393 to 0.590 over 20 splits")


def train() -> Trained:
    """Linear regression on age, sex, body mass, blood pressure and six blood values (442 patients)."""
    data = load_diabetes(scaled=False)
    rows, held_out, targets, held_out_targets = split(data.data, data.target, stratify=False)

    keras.utils.set_random_seed(SEED)
    standardise = keras.layers.Normalization()
    standardise.adapt(rows)
    usual = keras.initializers.Constant(targets.mean())  # start at the mean: only the slopes are left to learn
    unit = keras.layers.Dense(1, bias_initializer=usual)
    model = keras.Sequential([keras.Input((10,), name="features"), standardise, unit])
    model.compile(keras.optimizers.Adam(1.0), "mean_squared_error", jit_compile=False)
    model.fit(rows, targets, batch_size=64, epochs=40, verbose=0)
    return Trained(model, HEAD, held_out, held_out_targets)
