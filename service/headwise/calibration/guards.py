"""What can be wrong with rows before anything is fitted: errors where they would mislead, warnings where they may."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwise.calibration.inputs import Inputs, uncalibrated
from headwise.calibration.label_order import SURE, label_order
from headwise.calibration.measures.measure import log_losses
from headwise.errors import CalibrationError
from headwise.heads.contract import RANGES, Observations
from headwise.heads.evidence import ProbableLogits, to_gather
from headwise.heads.links import Float64
from headwise.heads.scores import Form

FEW = 10
"""Rows that are no accident any more."""

ENOUGH = 50
"""Rows from which a pattern in the numbers is told."""

DECIMALS = 6
"""Probabilities with so few decimals were rounded: log loss .763 from logits, .932 from four decimals (one model)."""

_SATURATED, _TWICE, _DISTINCT = 0.01, 0.05, 0.1


def check(inputs: Inputs) -> tuple[str, ...]:
    """Warnings, in the order in which they matter; those of reading come first.

    Raises: CalibrationError where calibrating would only hide what is wrong.
    """
    found = list(inputs.warnings)
    for guard in GUARDS:
        found.extend(guard(inputs))
    return tuple(found)


def saturated_share(inputs: Inputs) -> float:
    """The share of values that reached the end of what their activation can say."""
    return Observations(inputs.raw, inputs.head.activation).saturated / inputs.raw.size


def shared_rows(calibration: Mapping[str, ArrayLike], training: Mapping[str, ArrayLike]) -> str | None:
    """What is to be told of calibration rows that training saw too; None where there are none.

    Both hold arrays (rows, ...) by input name; rows are alike where all inputs that both name are, as float32.

    Raises: CalibrationError where they have no input in common.
    """
    names = sorted(calibration.keys() & training.keys())
    if not names:
        raise CalibrationError(
            "the training data has none of the calibration data's inputs: it needs " + ", ".join(sorted(calibration))
        )
    seen = set(_keys(training, names))
    shared = [row for row, key in enumerate(_keys(calibration, names)) if key in seen]
    if not shared:
        return None
    rows = len(np.asarray(calibration[names[0]]))
    named = ", ".join(map(str, shared[:5])) + (", …" if len(shared) > 5 else "")
    return (
        f"{len(shared)} of {rows} calibration rows are in the training data too ({named}): a model is surer of rows "
        "that it was trained on, so calibrate on others"
    )


def _keys(inputs: Mapping[str, ArrayLike], names: Sequence[str]) -> list[tuple[bytes, ...]]:
    """What each row holds, alike for alike numbers of any dtype."""
    return list(zip(*(map(_key, np.asarray(inputs[name])) for name in names), strict=True))


def _key(row: Any) -> bytes:
    values = np.asarray(row)
    if values.dtype.kind in "biuf":
        with np.errstate(over="ignore"):
            return (values.astype(np.float32) + np.float32(0)).tobytes()
    return repr(
        [text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text) for text in values.ravel()]
    ).encode()


def _two_classes(inputs: Inputs) -> list[str]:
    targets, labels = inputs.samples.targets, inputs.head.labels
    if inputs.head.task == "multilabel":
        constant = (targets == targets[:1]).all(axis=0)
        if constant.all():
            raise CalibrationError("each label is on in all rows or off in all: calibration needs rows of both kinds")
        return []
    if len(seen := np.unique(targets)) == 1:
        raise CalibrationError(
            f"all {len(targets)} rows are {labels[int(seen[0])]!r}: calibration needs rows of two classes or more"
        )
    return []


def _declared(inputs: Inputs) -> list[str]:
    """Probabilities where logits are declared; the reverse does not pass the head's own check."""
    watched = to_gather(inputs.head, inputs.raw.shape[1])
    finding = next((each.after(inputs.raw) for each in watched if isinstance(each, ProbableLogits)), None)
    if finding is None or len(finding.seen) < FEW:
        return []
    if finding.sums:
        raise CalibrationError(
            'the head is declared "linear", but all rows lie in [0, 1] and sum to 1, as softmax gives them: '
            'write "activation": "softmax", or give the raw logits'
        )
    if (
        inputs.samples.form in (Form.BINARY, Form.MULTILABEL)
        and len(inputs.raw) >= ENOUGH
        and _serve_as_they_are(inputs)
    ):
        raise CalibrationError(
            'the head is declared "linear", but all values lie in [0, 1] and fit the targets better as probabilities '
            'than as logits: write "activation": "sigmoid", or give the raw logits'
        )
    return ['all values lie in [0, 1], though the head is declared "linear": are they probabilities?']


def _serve_as_they_are(inputs: Inputs) -> bool:
    """Whether numbers in [0, 1] have a lower log loss as probabilities than as logits, beyond doubt."""
    samples, task = inputs.samples, inputs.head.task
    p = inputs.raw.astype(np.float64)
    if samples.form is Form.BINARY and p.shape[1] == 1:
        p = np.concatenate([1.0 - p, p], axis=1)
    elif samples.form is not Form.MULTILABEL:
        return False
    gain = log_losses(uncalibrated(inputs.samples), samples.targets, task) - log_losses(p, samples.targets, task)
    return bool(gain.mean() > SURE * gain.std() / np.sqrt(len(gain)))


def _precision(inputs: Inputs) -> list[str]:
    """What was lost before the numbers came here."""
    raw, activation = inputs.raw, inputs.head.activation
    found = []
    if raw.dtype == np.float16:
        found.append("the output is float16, which keeps 3 digits: give float32, and logits rather than probabilities")
    elif activation in ("sigmoid", "softmax", "tanh") and (decimals := _decimals(raw)) is not None:
        found.append(
            f"the output has {decimals} decimals and no more, and calibration cannot bring back what rounding took: "
            "give the model's own numbers, best its logits"
        )
    share = saturated_share(inputs)
    if share > _SATURATED:
        found.append(
            f"{share:.1%} of the values reached the end of what {activation} can say in {raw.dtype}, and their logits "
            "are only bounds: export the layer without activation"
        )
    return found


def _decimals(raw: NDArray[np.floating[Any]]) -> int | None:
    """To how many decimals all values are rounded; None where it is not a few."""
    for decimals in range(DECIMALS + 1):
        for rows in (raw[:FEW], raw):
            if not (np.round(rows.astype(np.float64), decimals).astype(raw.dtype) == rows).all():
                break
        else:
            return decimals
    return None


def _repeats(inputs: Inputs) -> list[str]:
    """Rows that say the same again."""
    if len(inputs.raw) < ENOUGH:
        return []
    bounds = RANGES.get(inputs.head.activation, (-np.inf, np.inf))
    inner = inputs.raw[((inputs.raw != bounds[0]) & (inputs.raw != bounds[1])).any(axis=1)]
    different = len({row.tobytes() for row in inner})
    twice = len(inner) - different
    if len(inner) and different < _DISTINCT * len(inner):
        return [f"the {len(inner)} rows have only {different} different outputs: are they rounded, or repeated?"]
    if inputs.raw.shape[1] > 1 and twice > _TWICE * len(inputs.raw):
        return [f"{twice} of {len(inputs.raw)} rows repeat another row's output: duplicates make intervals too narrow"]
    return []


def _prior(inputs: Inputs) -> list[str]:
    """A prior correction that says these rows come from elsewhere."""
    prior = inputs.head.prior
    if prior is None:
        return []
    found = ["the head has a prior: figures and decisions here are of the rows as they are, without it"]
    targets = inputs.samples.targets
    seen = targets.mean(axis=0) if inputs.head.task == "multilabel" else _shares(targets, len(inputs.head.labels))
    said = np.array(prior.source)
    if (np.abs(seen - said) > SURE * np.sqrt(np.maximum(said * (1 - said), 1e-12) / len(targets))).any():
        found.append(
            f"the head's prior says that calibration saw classes in the shares {_listed(said)}, but these rows have "
            f"{_listed(seen)}: set the prior anew"
        )
    return found


def _shares(targets: NDArray[Any], classes: int) -> Float64:
    return np.bincount(targets, minlength=classes) / len(targets)


def _listed(shares: Float64, shown: int = 5) -> str:
    return ", ".join(f"{share:.3g}" for share in shares[:shown]) + (", …" if len(shares) > shown else "")


GUARDS: tuple[Callable[[Inputs], list[str]], ...] = (
    _two_classes,
    _declared,
    label_order,
    _precision,
    _repeats,
    _prior,
)
