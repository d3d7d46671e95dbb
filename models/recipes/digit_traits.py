"""What holds of a handwritten digit, several things at once: four units, a sigmoid each."""

import digit_images
import keras
import numpy as np
from recipe import SEED, Array, Expected, Trained

from headwise.heads import Head

TRAITS = {
    "even": (0, 2, 4, 6, 8),
    "above four": (5, 6, 7, 8, 9),
    "prime": (2, 3, 5, 7),
    "has a loop": (0, 6, 8, 9),
}
HEAD = Head(task="multilabel", activation="sigmoid", labels=tuple(TRAITS))
EXPECTED = Expected(0.95, "all four right at once needs the digit itself, which digits.py gets right in 0.98")


def train() -> Trained:
    """The digits' network with one unit for each trait."""
    images, held_out, targets, held_out_targets = digit_images.load(_traits)
    keras.utils.set_random_seed(SEED)
    model = digit_images.network(keras.layers.Dense(len(TRAITS), activation="sigmoid"))
    digit_images.fit(model, images, targets, keras.losses.BinaryCrossentropy())
    return Trained(model, HEAD, held_out, held_out_targets)


def _traits(digits: Array) -> Array:
    """(rows, traits) of 0 and 1."""
    return np.stack([np.isin(digits, having) for having in TRAITS.values()], axis=1).astype(np.int64)
