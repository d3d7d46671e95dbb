"""Entries about the layers: what the graph applies last, and what lies beneath it."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, tanh

from headwise.diagnostics.activations import NEVER_NEGATIVE, ODD, RANGES, SOFTMAXES
from headwise.diagnostics.entry import Entry, Milder
from headwise.diagnostics.facts import Facts
from headwise.diagnostics.losses import (
    CATEGORICAL_CROSSENTROPIES,
    CROSSENTROPIES,
    VALUE_LOSSES,
    is_any,
    loss_of,
)

_ON_EACH_OTHER: Mapping[str, frozenset[str]] = {
    "sigmoid": frozenset({*NEVER_NEGATIVE, "tanh", "softsign", "log_softmax", "log_sigmoid"}),
    "softmax": frozenset({"softmax", "sigmoid", "hard_sigmoid", "tanh"}),
    "log_softmax": frozenset({"softmax", "sigmoid", "hard_sigmoid", "tanh"}),
    "tanh": NEVER_NEGATIVE,
}
"""Activation: what must not lie beneath it. A softmax on a log-softmax changes nothing."""


def one_unit_softmax(facts: Facts) -> str | None:
    """HW101; that its output is constant, and that no card could read it, are then no findings of their own."""
    if facts.activation not in SOFTMAXES or facts.units != 1:
        return None
    always = 1 if facts.activation == "softmax" else 0
    return f"one {facts.activation} unit: its answer is always {always}, whatever comes in"


def _exclusive_sigmoids(facts: Facts) -> str | None:
    if facts.activation != "sigmoid" or facts.units is None or facts.units < 2:
        return None
    loss = loss_of(facts)
    if loss is not None and loss.name in CATEGORICAL_CROSSENTROPIES:
        return (
            f"{facts.shown} under {loss.name}: the loss trains exclusive classes, but the answers are independent "
            "and need not sum to 1"
        )
    if facts.declared is not None and facts.declared.task in ("binary", "multiclass"):
        return f"{facts.shown} are declared {facts.declared.task}: they are independent and need not sum to 1"
    return None


def one_sigmoid_for_many(facts: Facts) -> str | None:
    """HW103; the targets that show it are then no finding of their own."""
    if facts.activation != "sigmoid" or facts.units != 1:
        return None
    if facts.declared is None and facts.labels is not None and facts.labels > 2:
        return f"one sigmoid unit for {facts.labels} classes: it can only say how likely one of two is"
    targets = facts.numbers.targets
    if is_any(facts, VALUE_LOSSES) or (facts.declared is not None and facts.declared.task != "binary"):
        return None
    if targets is not None and targets.columns == 1 and targets.integers and targets.low >= 0 and targets.distinct > 2:
        return (
            f"one sigmoid unit, but the targets are {targets.distinct} classes, {targets.low:g} to {targets.high:g}: "
            "under binary cross-entropy the loss has no lower bound"
        )
    return None


def _odd(facts: Facts) -> str | None:
    if facts.activation not in ODD or facts.declared is not None:
        return None
    loss = loss_of(facts)
    if loss is not None and loss.name in CROSSENTROPIES:
        return f"the head ends in {facts.activation}, but {loss.name} expects probabilities or raw logits"
    if facts.labels:
        return f"the head ends in {facts.activation}, whose numbers are neither logits nor probabilities of labels"
    return None


def _redundant_pair(facts: Facts) -> str | None:
    if facts.units != 2:
        return None
    if facts.activation in SOFTMAXES:
        return "two softmax units are one sigmoid unit in disguise: p1 = sigmoid(z1 - z0)"
    declared_binary = facts.declared is not None and facts.declared.task == "binary"
    if facts.activation != "linear" or not (declared_binary or is_any(facts, CATEGORICAL_CROSSENTROPIES)):
        return None
    raw = facts.numbers.raw
    if raw is None or raw.pair_sum is None:
        return "two logits for two classes: only z1 - z0 matters"
    return (
        f"two logits for two classes: only z1 - z0 matters; z0 + z1, which says nothing, varies {raw.pair_sum:.2g} "
        f"times as much as it over these {raw.rows} rows"
    )


def _stacked(facts: Facts) -> str | None:
    detected = facts.detected
    if detected is None or detected.beneath not in _ON_EACH_OTHER.get(detected.activation, ()):
        return None
    if one_unit_softmax(facts) is not None:
        return None
    reach = _reach(detected.activation, str(detected.beneath), detected.units)
    return f"{detected.activation} on {detected.beneath}: {reach}"


def _reach(activation: str, beneath: str, units: int | None) -> str:
    """What such a head can still say."""
    low, high = RANGES[beneath]
    if activation == "sigmoid":
        ends = tuple(0.5 + tanh(end / 2) / 2 for end in (low, high))
        return f"it can only say {ends[0]:.3g} to {ends[1]:.3g}" + (", so it is never below 0.5" if low >= 0 else "")
    if activation == "tanh":
        return f"it can only say {tanh(low):.3g} to {tanh(high):.3g}" + (
            ", so it is never negative" if low >= 0 else ""
        )
    if units is None:
        return "it can never be sure of a class"
    most = 1 / (1 + (units - 1) * exp(low - high))
    return f"no class of {units} can have more than {most:.3g}"


def _may_be_negative_beneath(facts: Facts) -> bool:
    return facts.detected is not None and facts.detected.beneath in ("tanh", "softsign")


def _early(facts: Facts) -> str | None:
    if facts.activation not in ("sigmoid", "softmax") or facts.dtype not in _ONE_FROM:
        return None
    return f"a {facts.dtype} {facts.activation} is exactly 1 from a logit of about {_ONE_FROM[facts.dtype]} on"


_ONE_FROM = {"float16": 8.3, "bfloat16": 6.2}
"""The logit from which a sigmoid rounds to 1; float32 gets there at 16.6."""

OF_HEAD = (
    Entry(
        code="HW101",
        severity="error",
        title="One softmax unit",
        what="The head is a softmax over a single unit.",
        why="Softmax divides each unit by the sum over all units. With one unit that is z / z: the answer is 1 for "
        "every input, nothing can be learned, and the accuracy is the share of the positive class.",
        fix="Train Dense(1) with sigmoid, or without activation and with from_logits=True; or Dense(2) with softmax.",
        example="""
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="softmax")])
model.compile(loss="binary_crossentropy")
""",
        check=one_unit_softmax,
    ),
    Entry(
        code="HW102",
        severity="error",
        title="Sigmoid units for exclusive classes",
        what="Two or more sigmoid units are trained or declared as classes of which exactly one holds.",
        why="Independent sigmoids need not sum to 1, so they are no probabilities of exclusive classes. Keras on "
        "TensorFlow even computes a categorical cross-entropy on the logits behind the sigmoid: it trains a softmax "
        "and answers with sigmoids.",
        fix="Replace sigmoid by softmax (the weights can stay); or, if several labels may hold at once, train with "
        "binary cross-entropy and declare the head multilabel.",
        example="""
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="sigmoid")])
model.compile(loss="categorical_crossentropy")
""",
        check=_exclusive_sigmoids,
    ),
    Entry(
        code="HW103",
        severity="error",
        title="One sigmoid unit for more than two classes",
        what="A single sigmoid unit is to tell three classes or more apart.",
        why="One sigmoid unit says how likely one of two classes is, and no more. Under binary cross-entropy a target "
        "of 2 or more also takes the lower bound from the loss: it falls below zero without end, and nothing is "
        "learned.",
        fix="Train one unit a class: Dense(classes) with softmax and sparse_categorical_crossentropy.",
        example="""
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
model.compile(loss="binary_crossentropy")
targets = np.array([0, 1, 2, 3])
""",
        check=one_sigmoid_for_many,
    ),
    Entry(
        code="HW111",
        severity="error",
        title="A head activation that gives neither logits nor probabilities",
        what="A classifier ends in ReLU or another activation that is meant for hidden layers.",
        why="ReLU never falls below 0, so read as a logit it never says less than 0.5, and where it is 0 it does not "
        "learn; nothing holds it below 1, so it is no probability either. The others bend the scale in their own ways.",
        fix="Leave the activation of the last layer out and train with from_logits=True, or use sigmoid or softmax.",
        example="""
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="relu")])
model.compile(loss="binary_crossentropy")
""",
        check=_odd,
    ),
    Entry(
        code="HW112",
        severity="info",
        title="Two units for two classes",
        what="A binary head has two units that compete.",
        why="Only the difference of the two logits matters: softmax(z)[1] = sigmoid(z1 - z0). Nothing is wrong; half "
        "of the last layer's weights say nothing.",
        fix="Nothing must be done. `headwise rewrite MODEL_DIR --to one-unit` gives the same answers with one unit.",
        example="""
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
model.compile(loss="sparse_categorical_crossentropy")
""",
        check=_redundant_pair,
    ),
    Entry(
        code="HW117",
        severity="error",
        title="An activation on an activation",
        what="The graph applies an activation to numbers that another activation has already bent.",
        why="The second one takes probabilities for logits. The sigmoid of a probability lies between 0.5 and 0.731, "
        "so every answer is positive; the sigmoid of a ReLU never falls below 0.5; a softmax of a softmax is flat.",
        fix="Take one of the two away: the layer before the last activation must be linear.",
        example="""
model = keras.Sequential(
    [keras.Input((4,)), keras.layers.Dense(1, activation="relu"), keras.layers.Activation("sigmoid")]
)
model.compile(loss="binary_crossentropy")
""",
        check=_stacked,
        milder=Milder(
            "where what lies beneath may be negative, as tanh: only the range is cut", _may_be_negative_beneath
        ),
    ),
    Entry(
        code="HW123",
        severity="warning",
        title="Probabilities in half precision",
        what="The sigmoid or softmax is computed in float16 or bfloat16.",
        why="Near 1 these types have few numbers: a bfloat16 sigmoid is exactly 1 from a logit of 6.2 on, a float16 "
        "one from 8.3. Ranking and calibration of sure answers are lost.",
        fix='Give the last layer dtype="float32", as Keras\'s guide to mixed precision says, or export its logits.',
        example="""
facts = Facts("serving_default.output_0", DetectedHead("sigmoid", units=1), dtype="float16")
""",
        check=_early,
    ),
)
