"""What other libraries make of the runs: reads one file of runs, writes one file of scores.

    .venv-peers/bin/python -m calibrating.peers RUNS.npz SCORES.json

It runs in an environment of its own and as a process of its own: these packages warn, print, and mute the warnings of
the whole process. Each method gets the input that its API takes and that serves it best, in float64:

- scikit-learn's three: CalibratedClassifierCV on a frozen estimator whose decision function gives the canonical
  logits, so that nothing is guessed from the values and Platt scaling works on logits; the folds have no meaning then.
- probmetrics ts-mix: canonical logits, through its own logits class. SVS: probabilities, it takes nothing else.
- betacal and venn-abers: probabilities. Both are binary, so more classes are one against the rest, renormalised.
- Labels: each label is a binary problem for all of them.

A method that cannot be fitted (a class without rows, an exception, an answer that is no probability) counts as
"nothing done", which is generous to it; how often that happened is kept.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from calibrating.runs import Array, Runs, scored
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold

Method = Callable[[Array, Array, Array, Array, Array], Array]
"""(probabilities, logits, targets) of the calibration rows, (probabilities, logits) of the test rows -> (rows, k).

Two classes have two columns of probabilities and one of logits.
"""


class UnfitError(Exception):
    """The method cannot be fitted to these rows."""


class FrozenLogits(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """A fitted classifier whose inputs are its logits: what scikit-learn can calibrate."""

    def __init__(self, classes: int = 2) -> None:
        self.classes = classes

    @property
    def classes_(self) -> Array:
        return np.arange(self.classes)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, _x: Array, _y: Array) -> FrozenLogits:
        return self

    def decision_function(self, logits: Array) -> Array:
        return logits[:, 0] if logits.shape[1] == 1 else logits

    def predict(self, logits: Array) -> Array:
        return (logits[:, 0] > 0).astype(int) if logits.shape[1] == 1 else logits.argmax(axis=1)


def scikit_learn(method: str) -> Method:
    def run(_p: Array, logits: Array, targets: Array, test_p: Array, test_logits: Array) -> Array:
        if len(np.unique(targets)) < test_p.shape[1]:
            raise UnfitError("a class has no rows")
        frozen = FrozenEstimator(FrozenLogits(test_p.shape[1]))
        calibrated = CalibratedClassifierCV(frozen, method=method, cv=KFold(2), ensemble=False)
        return np.asarray(calibrated.fit(logits, targets).predict_proba(test_logits))

    return run


def ts_mix(_p: Array, logits: Array, targets: Array, _test_p: Array, test_logits: Array) -> Array:
    torch = importlib.import_module("torch")
    factory = importlib.import_module("probmetrics.calibrators")
    wrap = importlib.import_module("probmetrics.distributions").CategoricalLogits
    calibrator = factory.get_calibrator("ts-mix").fit_torch(wrap(torch.as_tensor(logits)), torch.as_tensor(targets))
    return np.asarray(calibrator.predict_proba_torch(wrap(torch.as_tensor(test_logits))).get_probs().numpy())


def svs(p: Array, _logits: Array, targets: Array, test_p: Array, _test_logits: Array) -> Array:
    calibrator = importlib.import_module("probmetrics.calibrators").get_calibrator("svs", svs_print_init_info=False)
    return np.asarray(calibrator.fit(p, targets).predict_proba(test_p))


def one_against_rest(binary: Callable[[Array, Array, Array], Array]) -> Method:
    """From (p of the positive class, targets, p of the test rows) -> p of the test rows."""

    def run(p: Array, _logits: Array, targets: Array, test_p: Array, _test_logits: Array) -> Array:
        if len(np.unique(targets)) < p.shape[1]:
            raise UnfitError("a class has no rows")
        if p.shape[1] == 2:
            positive = binary(p[:, 1], targets, test_p[:, 1])
            return np.stack([1.0 - positive, positive], axis=1)
        columns = [binary(p[:, at], (targets == at).astype(int), test_p[:, at]) for at in range(p.shape[1])]
        summed = np.stack(columns, axis=1)
        return np.asarray(summed / summed.sum(axis=1, keepdims=True))

    return run


def beta(p: Array, targets: Array, test_p: Array) -> Array:
    return np.asarray(importlib.import_module("betacal").BetaCalibration("abm").fit(p, targets).predict(test_p))


def venn_abers(p: Array, targets: Array, test_p: Array) -> Array:
    calibrator = importlib.import_module("venn_abers").VennAbers()
    calibrator.fit(np.stack([1.0 - p, p], axis=1), targets)
    answer, _ = calibrator.predict_proba(np.stack([1.0 - test_p, test_p], axis=1))
    return np.asarray(answer[:, 1])


METHODS: Mapping[str, tuple[str, Callable[[], Method]]] = {
    "scikit-learn sigmoid": ("sklearn", lambda: scikit_learn("sigmoid")),
    "scikit-learn isotonic": ("sklearn", lambda: scikit_learn("isotonic")),
    "scikit-learn temperature": ("sklearn", lambda: scikit_learn("temperature")),
    "probmetrics ts-mix": ("probmetrics.calibrators", lambda: ts_mix),
    "probmetrics SVS": ("probmetrics.calibrators", lambda: svs),
    "betacal": ("betacal", lambda: one_against_rest(beta)),
    "venn-abers": ("venn_abers", lambda: one_against_rest(venn_abers)),
}
"""By name: the module that it needs, and how it is made."""


def importable(module: str) -> str:
    """Why it cannot be had; empty if it can."""
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - a broken installation raises what it likes
        return f"{type(error).__name__}: {error}"
    return ""


def answer(method: Method, kind: str, fit: tuple[Array, Array, Array], test: tuple[Array, Array]) -> tuple[Array, str]:
    """The probabilities of the test rows, and why the method could not be fitted (empty if it could)."""
    if kind == "classes":
        return _guarded(method, fit, test)
    columns, failures = [], []
    for label in range(test[0].shape[1]):
        pairs = [np.stack([1.0 - p[:, label], p[:, label]], axis=1) for p in (fit[0], test[0])]
        of_label = (pairs[0], fit[1][:, [label]], fit[2][:, label].astype(np.int64))
        found, failure = _guarded(method, of_label, (pairs[1], test[1][:, [label]]))
        columns.append(found[:, 1])
        failures.append(failure)
    return np.stack(columns, axis=1), "; ".join(sorted({failure for failure in failures if failure}))


def _guarded(method: Method, fit: tuple[Array, Array, Array], test: tuple[Array, Array]) -> tuple[Array, str]:
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            found = np.asarray(method(*fit, *test), np.float64)
    except Exception as error:  # noqa: BLE001 - what a foreign method raises is the finding
        return test[0], f"{type(error).__name__}: {str(error)[:80]}"
    if found.shape != test[0].shape or not np.isfinite(found).all() or found.min() < 0:
        return test[0], "the answer is no probability"
    return found, ""


def measure(runs: Runs, methods: Mapping[str, Method]) -> list[dict[str, Any]]:
    """A record for each run and method."""
    records = []
    for run in runs:
        p, z = runs.probabilities[run.member], runs.logits[run.member]
        fit = (p[run.fit], z[run.fit], runs.targets[run.fit])
        test = (p[run.test], z[run.test])
        for name, method in methods.items():
            start = time.perf_counter()
            found, failure = answer(method, runs.kind, fit, test)
            seconds = time.perf_counter() - start
            scores = scored(found, runs.targets[run.test], runs.kind)
            one = {"method": name, "size": run.size, "seed": run.seed, **scores, "seconds": seconds, "note": failure}
            records.append(one)
    return records


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("scores", type=Path)
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    arguments = parser.parse_args()
    missing = {name: why for name in arguments.methods if (why := importable(METHODS[name][0]))}
    for name, why in missing.items():
        print(f"{name} is left out: {why}", file=sys.stderr)
    methods = {name: METHODS[name][1]() for name in arguments.methods if name not in missing}
    records = measure(Runs.load(arguments.runs), methods)
    arguments.scores.write_text(json.dumps({"missing": missing, "records": records}), "utf-8")


if __name__ == "__main__":
    main()
