"""Models that only the benchmark has, written when it runs.

    python -m serving.made_models FOLDER

`pixels`: 784 numbers to 10 classes, one Dense. `image`: 224x224x3 to 10 classes, averages of 32x32 patches and a Dense,
so that moving the numbers costs more than the model. `classes_N` and `logits_N`: 8 numbers to N classes by one Dense,
with and without a softmax in the graph.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CLASSES = (2, 10, 1000, 100_000)
IMAGE = (224, 224, 3)
SHAPES = {
    "pixels": (784,),
    "image": IMAGE,
    **{f"{kind}_{classes}": (8,) for classes in CLASSES for kind in ("classes", "logits")},
}
"""The shape of a row of each."""


def rows(name: str) -> Any:
    """(many, ...) in [0, 1): a picture in float32, as it comes from a division by 255; else three digits a number."""
    many = 4 if name == "image" else 64
    drawn = np.random.default_rng(0).uniform(size=(many, *SHAPES[name]))
    return drawn.astype(np.float32) if name == "image" else np.round(drawn, 3)


def main() -> None:
    import tensorflow as tf  # noqa: PLC0415 - the benchmark itself goes without

    folder = Path(sys.argv[1])
    for name, shape in SHAPES.items():
        classes = int(name.rpartition("_")[2]) if "_" in name else 10
        softmax = not name.startswith("logits")
        _write(tf, folder / name / "1", shape, _patches if name == "image" else lambda _tf, x: x, classes, softmax)


def _patches(tf: Any, images: Any) -> Any:
    """(rows, 224, 224, 3) -> (rows, 7 * 7 * 3)."""
    return tf.reshape(tf.nn.avg_pool2d(images, 32, 32, "VALID"), (-1, 7 * 7 * 3))


def _write(
    tf: Any, version: Path, shape: tuple[int, ...], features: Callable[[Any, Any], Any], classes: int, softmax: bool
) -> None:
    width = 7 * 7 * 3 if shape == IMAGE else shape[0]
    draw = np.random.default_rng(1)
    module = tf.Module()
    module.kernel = tf.Variable(draw.normal(scale=3 / np.sqrt(width), size=(width, classes)).astype(np.float32))
    module.bias = tf.Variable(draw.normal(size=classes).astype(np.float32))

    @tf.function(  # type: ignore[untyped-decorator]  # TensorFlow has no types
        input_signature=[tf.TensorSpec((None, *shape), tf.float32, name="features")]
    )
    def serve(x: Any) -> dict[str, Any]:
        logits = tf.matmul(features(tf, x), module.kernel) + module.bias
        return {"scores": tf.nn.softmax(logits) if softmax else logits}

    tf.saved_model.save(module, str(version), signatures={"serving_default": serve})
    labels = [f"class {at}" for at in range(classes)]
    head = {"task": "multiclass", "activation": "softmax" if softmax else "linear", "labels": labels}
    if classes == 2:
        head["task"] = "binary"
    card = {"card_version": 1, "signatures": {"serving_default": {"heads": {"scores": head}}}}
    (version / "assets.extra").mkdir()
    (version / "assets.extra" / "head.json").write_text(json.dumps(card), "utf-8")


if __name__ == "__main__":
    main()
