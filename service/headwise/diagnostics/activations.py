"""What the numbers of each activation mean, and where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from headwise.heads import contract

READ_AS: Mapping[str, str] = {"hard_sigmoid": "sigmoid", "sparse_sigmoid": "sigmoid", "sparsemax": "softmax"}
"""Activations whose numbers mean what another one's do."""

SOFTMAXES = frozenset({"softmax", "log_softmax"})

ODD = frozenset(
    {
        "relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "celu", "gelu", "silu", "mish",
        "softplus", "softsign", "exponential", "threshold", "glu", "hard_tanh", "hard_silu",
        "squareplus", "sparse_plus", "soft_shrink", "hard_shrink", "tanh_shrink", "log_sigmoid",
    }
)  # fmt: skip
"""They give neither logits nor probabilities."""

RANGES: Mapping[str, tuple[float, float]] = {
    **{str(name): ends for name, ends in contract.RANGES.items()},
    **dict.fromkeys(READ_AS, contract.RANGES["sigmoid"]),
    "exponential": (0, inf),
    "log_sigmoid": (-inf, 0),
    "relu": (0, inf),
    "relu6": (0, 6),
    "softplus": (0, inf),
    "softsign": (-1, 1),
}
"""Those that do not reach every number."""

NEVER_NEGATIVE = frozenset(name for name, (low, _) in RANGES.items() if low >= 0)
