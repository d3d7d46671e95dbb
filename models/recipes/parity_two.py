"""Is a handwritten digit odd: two units, softmax."""

import digit_images
import keras
from recipe import SEED, Expected, Trained

from headwise.heads import Head

HEAD = Head(task="binary", activation="softmax", labels=("even", "odd"))
EXPECTED = Expected(0.975, "as parity: two softmax units can say what one sigmoid unit says")


def train() -> Trained:
    """The digits' network with one unit for each class."""
    images, held_out, targets, held_out_targets = digit_images.load(lambda digits: digits % 2)
    keras.utils.set_random_seed(SEED)
    model = digit_images.network(keras.layers.Dense(2, activation="softmax"))
    digit_images.fit(model, images, targets, keras.losses.SparseCategoricalCrossentropy())
    return Trained(model, HEAD, held_out, held_out_targets)
