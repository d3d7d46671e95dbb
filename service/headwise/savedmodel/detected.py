"""What a model's own graph or configuration says of an output."""

from __future__ import annotations

from dataclasses import dataclass

LINEAR = "linear"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DetectedHead:
    """How an output is made, as far as it is proved.

    activation: what the graph has applied last: one of headwise's activations (linear, sigmoid, softmax,
    log_softmax, tanh), another one by its name ("relu", "softplus"), or UNKNOWN. Never a guess.
    units: the size of the last axis, one for (batch,), None where it is not known.
    path: the ops from the output back to the one that made it.
    beneath: the activation whose result was activated again ("sigmoid" in a double sigmoid); None if linear
    or not known.
    """

    activation: str
    units: int | None
    path: tuple[str, ...] = ()
    beneath: str | None = None
