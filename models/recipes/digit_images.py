"""The 8x8 digit images and the convolutional layers that the digit recipes share."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
from recipe import Array, split
from sklearn.datasets import load_digits

EPOCHS = 25
BATCH = 32


def load(target_of: Callable[[Array], Array]) -> tuple[Array, Array, Array, Array]:
    """Images (rows, 8, 8) with values 0 to 16, split, and `target_of` their digits (rows,).

    The split goes by digit, so that every recipe holds out the same images.
    """
    data = load_digits()
    kept, held_out, kept_digits, held_out_digits = split(data.images, data.target.astype(np.int64))
    return kept, held_out, target_of(kept_digits), target_of(held_out_digits)


def network(head: keras.layers.Layer) -> keras.Model:
    """Two small convolutions on the image, then `head`, which is the recipe's own."""
    return keras.Sequential(
        [
            keras.Input((8, 8), name="image"),
            keras.layers.Rescaling(1 / 16),
            keras.layers.Reshape((8, 8, 1)),
            keras.layers.Conv2D(32, 3, activation="relu", padding="same"),
            keras.layers.Conv2D(64, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(0.4),
            head,
        ]
    )


def fit(model: keras.Model, images: Array, targets: Array, loss: keras.losses.Loss) -> None:
    """25 passes over the images, with steps that shrink to nothing."""
    steps = keras.optimizers.schedules.CosineDecay(2e-3, EPOCHS * len(images) // BATCH)
    model.compile(keras.optimizers.Adam(steps), loss, jit_compile=False)
    model.fit(images, targets, batch_size=BATCH, epochs=EPOCHS, verbose=0)
