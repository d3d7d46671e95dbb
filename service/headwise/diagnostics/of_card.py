"""Entries about the card: against the graph, the labels and the model it was written for."""

from __future__ import annotations

from collections.abc import Mapping

from headwise.diagnostics.activations import READ_AS, SOFTMAXES
from headwise.diagnostics.entry import Entry, Milder
from headwise.diagnostics.facts import Facts
from headwise.diagnostics.losses import CROSSENTROPIES, VALUE_LOSSES, is_any, loss_name
from headwise.diagnostics.of_head import one_unit_softmax
from headwise.errors import UnsupportedHeadError
from headwise.heads import Head
from headwise.savedmodel.detected import UNKNOWN, DetectedHead

_BENT = frozenset({"sigmoid", "softmax", "log_softmax", "tanh"})


def contradiction(detected: DetectedHead, declared: Head) -> str | None:
    """What the graph proves against the card; None where it proves nothing, or agrees."""
    found = READ_AS.get(detected.activation, detected.activation)
    if found in (UNKNOWN, declared.activation):
        return None
    if declared.task == "regression" and declared.activation == "linear" and found not in _BENT:
        return None
    maker = f" ({detected.path[-1]})" if detected.path else ""
    harm = _HARM.get((found, declared.activation), "the numbers do not mean what the card says")
    return f"the card says {declared.activation}, but the graph ends in {detected.activation}{maker}: {harm}"


_HARM: Mapping[tuple[str, str], str] = {
    ("sigmoid", "linear"): "it would get a second sigmoid, which makes every probability 0.5 to 0.731 and so positive",
    ("softmax", "linear"): "it would get a second softmax, which flattens every answer",
    ("linear", "sigmoid"): "raw logits would be taken for probabilities, and cut at 0.5 instead of 0",
    ("linear", "softmax"): "raw logits would be taken for probabilities",
    ("linear", "tanh"): "raw logits would be taken for margins between -1 and 1",
}


def _contradicted(facts: Facts) -> str | None:
    if facts.detected is None or facts.declared is None:
        return None
    return contradiction(facts.detected, facts.declared)


def _label_count(facts: Facts) -> str | None:
    units = facts.units
    if units is None:
        return None
    if facts.declared is not None:
        try:
            facts.declared.layout(units)
        except UnsupportedHeadError as error:
            misfit, of_count, _ = str(error).partition(" (HW109)")
            return misfit if of_count else None
        return None
    labels = facts.labels
    if not labels or labels == units or (units == 1 and facts.activation == "sigmoid"):
        return None
    # One label more than units: two for one unit, or the steps of an ordinal head, which no softmax is.
    if labels == units + 1 and (units == 1 or facts.activation not in SOFTMAXES):
        return None
    return f"{labels} labels for {facts.shown if facts.activation else f'{units} units'}"


def _value_as_class(facts: Facts) -> str | None:
    if not facts.is_classifier or facts.activation != "linear" or not is_any(facts, VALUE_LOSSES):
        return None
    return (
        f"{facts.shown} trained with {loss_name(facts)} predicts a quantity, but "
        + ("the card reads it as a logit" if facts.declared else "labels are given")
        + ": a prediction of 0.1 for class 0 would be the logit of 0.52, and so positive"
    )


def _tanh_classes(facts: Facts) -> str | None:
    if facts.activation != "tanh" or not is_any(facts, CROSSENTROPIES):
        return None
    return f"{facts.shown} under {loss_name(facts)}, which expects probabilities or raw logits, not margins"


def _other_model(facts: Facts) -> str | None:
    fitted = " and its calibration was fitted on that one" if facts.declared and facts.declared.calibration else ""
    for other in (facts.card_fingerprint, facts.fitted_fingerprint):
        if facts.fingerprint is not None and other not in (None, facts.fingerprint):
            return f"the card was written for the model {other}, this one is {facts.fingerprint}{fitted}"
    return None


def _without_calibration(facts: Facts) -> bool:
    return facts.declared is None or facts.declared.calibration is None


def _expired(facts: Facts) -> str | None:
    if facts.expired is None or _without_calibration(facts):
        return None
    return f"the calibration was meant to be used until {facts.expired}"


def _golden(facts: Facts) -> str | None:
    return None if facts.golden is None else f"the golden records are not answered as they say: {facts.golden}"


def _cardless(facts: Facts) -> str | None:
    if not facts.cardless or one_unit_softmax(facts) is not None:
        return None
    if facts.detected is None or facts.activation is None:
        return "there is no head card, and the graph does not show what made this output"
    return f"there is no head card; the graph shows {facts.shown}: {_suggested(facts.activation, facts.units)}"


def _suggested(activation: str, units: int | None) -> str:
    """What a card could declare."""
    found = READ_AS.get(activation, activation)
    if found not in _BY_UNITS:
        return _SUGGESTED.get(found, "a regression at most")
    most, of_more = _BY_UNITS[found]
    if units is None:
        return f"binary, or {of_more}"
    return "binary" if units <= most else of_more


_BY_UNITS: Mapping[str, tuple[int, str]] = {
    "sigmoid": (1, "multilabel"),
    "softmax": (2, "multiclass"),
    "log_softmax": (2, "multiclass"),
}
"""Activation: how many units a binary head has at most, and what has more."""

_SUGGESTED: Mapping[str, str] = {
    "linear": "raw logits of a classifier, or a regression; only you know which",
    "tanh": "the margin of a binary classifier, or a regression from -1 to 1",
}


def refused_at_birth(_: Facts) -> None:
    """No head can be made that is like this: its error names the code."""


OF_CARD = (
    Entry(
        code="HW108",
        severity="error",
        title="The card contradicts the graph",
        what="The card declares another activation than the one that the graph has applied.",
        why="headwise would read the numbers wrongly. The usual case is the double sigmoid: the graph already ends in "
        "one, the card says linear, and every answer becomes positive.",
        fix="Write the activation that the graph ends in into the card, or `headwise attach --force` a new one.",
        example="""
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
head = Head("binary", "linear", ("benign", "malignant"))
""",
        check=_contradicted,
    ),
    Entry(
        code="HW109",
        severity="error",
        title="The number of labels does not fit the units",
        what="There are more or fewer labels than this head can tell apart.",
        why="Units and labels are matched by their order: one label a unit (two for one unit, one more than units for "
        "an ordinal head). With another number some answer has no name or the wrong one.",
        fix="Give one label for each unit, in the order of the units; two for one unit, the positive one last.",
        example="""
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
labels = ["cat", "dog"]
""",
        check=_label_count,
    ),
    Entry(
        code="HW110",
        severity="error",
        title="A regression declared a classifier",
        what="A linear head was trained with a regression loss, but it gets labels.",
        why="Trained against 0 and 1 with a squared error, a linear unit predicts about 0 for the one class and about "
        "1 for the other. Read as a logit, both lie at 0.5 or above: nearly every answer is positive.",
        fix="Train with binary_crossentropy(from_logits=True) (categorical for more classes), or declare a regression.",
        example="""
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
model.compile(loss="mean_squared_error")
labels = ["benign", "malignant"]
""",
        check=_value_as_class,
    ),
    Entry(
        code="HW116",
        severity="error",
        title="The card was written for another model",
        what="The fingerprint in the card is not this model's.",
        why="A calibration is fitted to one set of weights. On others its temperature or slope is a random number.",
        fix="Calibrate anew for this model, or write a card without calibration.",
        example="""
head = Head("binary", "linear", ("benign", "malignant"), calibration=Temperature(1.31))
facts = Facts("serving_default.output_0", declared=head, fingerprint="1/2/3/4", card_fingerprint="5/6/7/8")
""",
        check=_other_model,
        milder=Milder("where the card holds no calibration", _without_calibration),
    ),
    Entry(
        code="HW120",
        severity="error",
        title="The golden records fail",
        what="The model does not answer its own golden records as they say, or their file cannot be read.",
        why="Beside the card lie a few inputs with the numbers and decisions that the model gave when it was "
        "exported. Other numbers mean other weights, other preprocessing or another card.",
        fix="Export the version again; `headwise attach` after a change of the card derives the decisions anew.",
        example="""
told = "record 1 of 8: output 'output_0' is 0.91, expected is 0.13 within 0.0023"
facts = Facts("serving_default.output_0", golden=told)
""",
        check=_golden,
    ),
    Entry(
        code="HW124",
        severity="info",
        title="No head card",
        what="The model has no card, so headwise cannot say what its numbers mean.",
        why="The graph shows what was applied last. Labels, and whether raw logits are of exclusive classes, of "
        "labels that may hold together or no logits at all, it does not show.",
        fix="Write one: `headwise attach MODEL_DIR --labels NEGATIVE,POSITIVE`.",
        example="""
facts = Facts("serving_default.output_0", DetectedHead("sigmoid", units=1), cardless=True)
""",
        check=_cardless,
    ),
    Entry(
        code="HW125",
        severity="error",
        title="Tanh for classes",
        what="A tanh head is declared for several classes or labels, or trained with a cross-entropy.",
        why="Tanh gives margins between -1 and 1. As probabilities half of them are negative; as logits they never "
        "say less than 0.27 or more than 0.73.",
        fix="Leave the activation out and train with from_logits=True; tanh goes with one unit and a hinge loss.",
        example="""
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="tanh")])
model.compile(loss="binary_crossentropy")
""",
        check=_tanh_classes,
    ),
    Entry(
        code="HW126",
        severity="error",
        title="Softmax or tanh declared ordinal",
        what="A head over classes is declared ordinal.",
        why="An ordinal head has one unit a step, P(y > k). Softmax gives one unit a class: other numbers, and "
        "another count of them.",
        fix='Write "task": "multiclass", or train K-1 steps with sigmoid or linear units.',
        example="""
head = Head("ordinal", "softmax", ("mild", "moderate", "severe"))
""",
        check=refused_at_birth,
    ),
    Entry(
        code="HW127",
        severity="error",
        title="Softmax declared a regression",
        what="The card says regression, but softmax and log-softmax give shares of one.",
        why="Shares of one are no quantity: they say how classes compare.",
        fix='Write "task": "multiclass", or train a linear unit for regression.',
        example="""
head = Head("regression", "softmax")
""",
        check=refused_at_birth,
    ),
    Entry(
        code="HW132",
        severity="warning",
        title="The calibration has expired",
        what="The day until which the calibration was meant to be used, `expires` in its evidence, is over.",
        why="Data drifts: a calibration is right for rows like those that it was fitted to. Whoever calibrated gave it "
        "a day by which it should be looked at again. The head answers on as before.",
        fix="Calibrate anew with recent rows: `headwise calibrate MODEL_DIR --data FILE --expires DATE`.",
        example="""
head = Head("binary", "linear", ("benign", "malignant"), calibration=Temperature(1.31))
facts = Facts("serving_default.output_0", declared=head, expired="2026-01-31")
""",
        check=_expired,
    ),
)
