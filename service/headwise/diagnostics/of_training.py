"""Entries about the compiled loss: what it expects, and what the head gives it."""

from __future__ import annotations

from headwise.diagnostics.entry import Entry, Milder
from headwise.diagnostics.facts import Facts
from headwise.diagnostics.losses import (
    BINARY_CROSSENTROPIES,
    CATEGORICAL_CROSSENTROPIES,
    CROSSENTROPIES,
    HINGES,
    LOG_LOSSES,
    PROBABILITY_LOSSES,
    is_any,
    loss_name,
    loss_of,
)
from headwise.savedmodel.graph import CALLS

_NO_STEPS = CALLS | {"Identity", "IdentityN"}


def _logits_as_probabilities(facts: Facts) -> str | None:
    loss = loss_of(facts)
    if loss is None or facts.activation != "linear" or (loss.name in CATEGORICAL_CROSSENTROPIES and facts.units == 1):
        return None
    if loss.name in CROSSENTROPIES and not loss.from_logits:
        return (
            f"{facts.shown} under {loss.name}, which expects probabilities: it clips raw logits into (0, 1), and "
            "nothing is learned where it does"
        )
    if loss.name in PROBABILITY_LOSSES:
        return f"{facts.shown} under {loss.name}, which expects probabilities and gets raw logits"
    return None


def _probabilities_as_logits(facts: Facts) -> str | None:
    loss = loss_of(facts)
    if loss is None or facts.activation not in ("sigmoid", "softmax", "log_softmax", "hard_sigmoid"):
        return None
    # A softmax of a log-softmax is the softmax again: under a categorical loss nothing is wrong with it.
    if not loss.from_logits or (facts.activation == "log_softmax" and loss.name in CATEGORICAL_CROSSENTROPIES):
        return None
    return f"{facts.shown} under {loss.name}(from_logits=True), which activates them a second time"


def _competing_labels(facts: Facts) -> str | None:
    if facts.activation not in ("softmax", "log_softmax") or facts.units is None or facts.units < 2:
        return None
    if not is_any(facts, BINARY_CROSSENTROPIES):
        return None
    return (
        f"{facts.shown} under {loss_name(facts)}: the loss trains independent labels, the answers compete. Keras on "
        "TensorFlow computes this loss on the logits behind the softmax"
        + (", which makes the answer sigmoid(2 z) where sigmoid(z) was trained" if facts.units == 2 else "")
    )


def _one_class(facts: Facts) -> str | None:
    if facts.units != 1 or not is_any(facts, CATEGORICAL_CROSSENTROPIES):
        return None
    return f"{facts.shown} under {loss_name(facts)}: over one class it is always 0"


def _hinge(facts: Facts) -> str | None:
    if facts.activation not in ("sigmoid", "softmax") or not is_any(facts, HINGES):
        return None
    return f"{facts.shown} under {loss_name(facts)}, which expects margins beyond -1 and 1 and gets numbers in [0, 1]"


def _negative(facts: Facts) -> str | None:
    if facts.activation not in ("linear", "tanh") or not is_any(facts, LOG_LOSSES):
        return None
    return f"{facts.shown} under {loss_name(facts)}, which takes a logarithm; the output can be negative"


def _is_last_step(facts: Facts) -> bool:
    """A SavedModel goes through calls and identities before it comes to the op itself."""
    if facts.detected is None:
        return False
    return sum(step.partition(" ")[0] not in _NO_STEPS for step in facts.detected.path) <= 1


OF_TRAINING = (
    Entry(
        code="HW104",
        severity="error",
        title="The loss expects probabilities, the head gives logits",
        what="A linear head is trained with a loss that expects probabilities: from_logits=True is missing.",
        why='loss="binary_crossentropy" means from_logits=False. Keras then clips the raw output to 1e-7 ... '
        "1 - 1e-7: where it is clipped the gradient is zero, and in between the output is pushed towards 0 and 1 as if "
        "it were a probability. The model is trained on another loss than was meant.",
        fix="Write loss=keras.losses.BinaryCrossentropy(from_logits=True) (likewise for the categorical losses), or "
        "give the last layer its sigmoid or softmax.",
        example="""
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
model.compile(loss="binary_crossentropy")
""",
        check=_logits_as_probabilities,
    ),
    Entry(
        code="HW105",
        severity="error",
        title="The loss expects logits, the head gives probabilities",
        what="The loss is told from_logits=True, but the head already ends in sigmoid or softmax.",
        why="The loss activates the numbers a second time, and the model learns to make up for it: its probabilities "
        "become extreme. Keras on TensorFlow saves the day, with a warning, where the activation is the very last "
        "step: it finds the logits behind it. A Reshape after it, or another backend, and it does not.",
        fix="Take from_logits=True away, or take the activation away.",
        example="""
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid"), keras.layers.Reshape((1,))])
model.compile(loss=keras.losses.BinaryCrossentropy(from_logits=True))
""",
        check=_probabilities_as_logits,
        milder=Milder("where the activation is the very last step", _is_last_step),
    ),
    Entry(
        code="HW107",
        severity="warning",
        title="Labels that compete",
        what="A softmax is trained with binary cross-entropy, or declared multilabel.",
        why="Softmax makes labels compete: two of them can never be on together. If they are exclusive, binary "
        "cross-entropy is the wrong loss: Keras on TensorFlow computes it on the logits behind the softmax, trains "
        "independent sigmoids and answers with a softmax, whose probabilities are then too extreme (with two units "
        "sigmoid(2 z) instead of sigmoid(z)). The order of the classes is right.",
        fix="Exclusive classes: train with categorical_crossentropy. Labels that may hold together: use sigmoid.",
        example="""
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
model.compile(loss="binary_crossentropy")
""",
        check=_competing_labels,
    ),
    Entry(
        code="HW121",
        severity="error",
        title="A loss over one class",
        what="A categorical cross-entropy is taken over a single unit.",
        why="It compares classes with each other. With one class its share is always 1 and the loss always 0, whatever "
        "the model says (integer targets above 0 fail). At best nothing is learned; TensorFlow's own gradient even "
        "pushes the rows of class 0 down for ever, and never pulls the others up.",
        fix="For two classes and one unit train with binary cross-entropy.",
        example="""
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
model.compile(loss="categorical_crossentropy")
""",
        check=_one_class,
    ),
    Entry(
        code="HW130",
        severity="warning",
        title="A hinge loss on probabilities",
        what="A sigmoid or softmax head is trained with a hinge loss.",
        why="Hinge losses ask for margins below -1 and above 1. Numbers in [0, 1] can never reach them, and what is "
        "learned is no probability.",
        fix="Leave the activation out (or use tanh) with a hinge loss; train probabilities with a cross-entropy.",
        example="""
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
model.compile(loss="hinge")
""",
        check=_hinge,
    ),
    Entry(
        code="HW131",
        severity="warning",
        title="A logarithm of an output that can be negative",
        what="The loss takes the logarithm of the prediction, and nothing keeps the prediction positive.",
        why="The Poisson loss is NaN for a prediction below zero; the squared logarithmic error clips it and learns "
        "nothing there.",
        fix='Give the last layer activation="softplus" or "exponential", or take another loss.',
        example="""
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
model.compile(loss="poisson")
""",
        check=_negative,
    ),
)
