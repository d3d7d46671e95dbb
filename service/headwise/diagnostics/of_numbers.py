"""Entries about a head's numbers: what it should not give."""

from __future__ import annotations

from headwise.diagnostics.activations import RANGES
from headwise.diagnostics.data import FEW
from headwise.diagnostics.entry import Entry, Milder
from headwise.diagnostics.facts import Facts
from headwise.diagnostics.of_head import one_unit_softmax
from headwise.heads.contract import CONTRADICTION

_ENOUGH = 200
"""So many rows of one logit that all lie in [0, 1] are no accident."""
_MUCH = 0.25
"""A share of saturated rows that hurts ranking and calibration."""


def _constant(facts: Facts) -> str | None:
    raw = facts.numbers.raw
    if raw is None or raw.rows < FEW or not raw.constant or one_unit_softmax(facts) is not None:
        return None
    if len(raw.constant) == raw.units:
        return f"the output is the same for all {raw.rows} rows"
    units = ", ".join(map(str, raw.constant))
    return f"unit {units} gives the same number for all {raw.rows} rows"


def _saturated(facts: Facts) -> str | None:
    raw = facts.numbers.raw
    if raw is None or raw.rows < FEW or one_unit_softmax(facts) is not None:
        return None
    # A softmax row such as (1e-9, 1) still tells its logits: the small number has them.
    share = {"sigmoid": raw.ends, "softmax": raw.only_ends}.get(str(facts.activation), 0.0)
    if share < _MUCH:
        return None
    return f"in {share:.0%} of {raw.rows} rows a probability is exactly 1 (or 0)"


def _contradicted_by_numbers(facts: Facts) -> str | None:
    raw = facts.numbers.raw
    activation = facts.activation if facts.declared is None else facts.declared.activation
    if raw is None or activation is None:
        return None
    if raw.broken:
        return f"{raw.broken} of {raw.rows} rows are not finite"
    if activation not in RANGES:
        return None
    low, high = RANGES[activation]
    if raw.low < low - raw.room or raw.high > high + raw.room:
        return f"{activation} promises {low:g} to {high:g}, but the numbers go from {raw.low:.4g} to {raw.high:.4g}"
    error = {"softmax": raw.row_sum_error, "log_softmax": raw.exp_sum_error}.get(activation, 0.0)
    if error > CONTRADICTION:
        return f"{activation} promises rows that sum to 1, but one misses it by {error:.3g}"
    return None


def _logits_like_probabilities(facts: Facts) -> str | None:
    head, raw = facts.declared, facts.numbers.raw
    if head is None or raw is None or head.activation != "linear" or head.task == "regression":
        return None
    if facts.detected is not None and facts.detected.activation == "linear":
        return None
    if raw.units > 1 and raw.rows >= FEW and raw.simplex == 1:
        return f"declared raw logits, but all {raw.rows} rows lie in [0, 1] and sum to 1: they are probabilities"
    if raw.units == 1 and raw.rows >= _ENOUGH and raw.unit_interval == 1:
        return f"declared a raw logit, but all {raw.rows} rows lie in [0, 1]: it looks like a probability"
    return None


def _of_one_unit(facts: Facts) -> bool:
    return facts.numbers.raw is not None and facts.numbers.raw.units == 1


OF_NUMBERS = (
    Entry(
        code="HW114",
        severity="warning",
        title="Constant outputs",
        what="A unit gives one and the same number for every row.",
        why="It does not look at its input: a dead ReLU beneath it, inputs that were scaled away, weights that were "
        "not loaded, or training that went to NaN and back.",
        fix="Look at the preprocessing of these rows first, then at the layer before the head.",
        example="""
facts = Facts("output_0", DetectedHead("sigmoid", units=1), data=observe(raw=np.full((32, 1), 0.5)))
""",
        check=_constant,
    ),
    Entry(
        code="HW115",
        severity="warning",
        title="Saturated outputs",
        what="Many probabilities are exactly 0 or 1.",
        why="A float32 sigmoid is exactly 1 from a logit of 16.6 on. Such rows cannot be ranked, and no calibration "
        "can tell them apart. Often the inputs are not scaled as they were in training.",
        fix="Export the logits instead (no activation on the last layer), and check the scale of the inputs.",
        example="""
facts = Facts("output_0", DetectedHead("sigmoid", units=1), data=observe(raw=np.tile([[1.0], [0.2]], (16, 1))))
""",
        check=_saturated,
    ),
    Entry(
        code="HW118",
        severity="error",
        title="The numbers contradict the activation",
        what="The output is not finite, leaves the range of its activation, or its rows do not sum to 1.",
        why="The activation promises what the numbers do not keep: the card describes another layer, or the model "
        "gives NaN.",
        fix="Declare what the graph applies (`headwise inspect` shows it); for NaN look at the inputs and weights.",
        example="""
head = Head("binary", "sigmoid", ("benign", "malignant"))
raw = np.array([[0.8656], [1.1738]])
""",
        check=_contradicted_by_numbers,
    ),
    Entry(
        code="HW119",
        severity="error",
        title="Declared logits that look like probabilities",
        what="The card says linear, but every row lies in [0, 1] (and, with several units, sums to 1).",
        why="Read as logits, probabilities are activated a second time: answers become flat, and with one unit all "
        "positive.",
        fix='Write "activation": "softmax" (or "sigmoid") into the card, if that is what the graph applies.',
        example="""
head = Head("multiclass", "linear", ("cat", "dog", "owl"))
raw = np.random.default_rng(0).dirichlet([1, 1, 1], size=32)
""",
        check=_logits_like_probabilities,
        milder=Milder("with one unit: logits may happen to lie there", _of_one_unit),
    ),
)
