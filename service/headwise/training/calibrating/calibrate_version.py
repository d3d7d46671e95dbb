"""From a version, held-out rows and what the user wishes to a card with calibrations, decisions and their evidence."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from headwise.calibration import guards
from headwise.calibration.calibrate import Calibrated, calibrate
from headwise.calibration.tuning.tune import check_objective
from headwise.diagnostics.diagnostic import Diagnostic
from headwise.diagnostics.refusal import refuse_errors
from headwise.diagnostics.survey import EXPIRES, MODEL_FINGERPRINT, of_saved_model
from headwise.errors import CalibrationError, HeadMismatchError, InvalidRequestError
from headwise.heads import Head, HeadCard, SignatureHeads
from headwise.repository.card_change import Changed, change_card
from headwise.repository.cards import fitted
from headwise.training.calibrating import priors
from headwise.training.calibrating.priors import Corrected
from headwise.training.calibrating.subject import Subject
from headwise.training.calibrating.through_server import raw_outputs_of_server
from headwise.training.holdout import LabelledRows, read_rows
from headwise.training.run import Progress, raw_outputs

Array = NDArray[Any]

EMBEDDED = "embedded"


@dataclass(frozen=True)
class Wishes:
    """What the user asks for; mappings are by output.

    method: the calibrator to take instead of a choice. target_priors: class shares where the model serves; of
    `unlabelled` rows from there they are estimated. training_data: rows that calibration must not see again.
    backend: "embedded", or where a model server listens. expires: the last day to use the calibration.
    """

    objectives: Mapping[str, str] = field(default_factory=dict)
    target_priors: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    unlabelled: Path | None = None
    training_data: Path | None = None
    method: str | None = None
    backend: str = EMBEDDED
    seed: int = 0
    expires: date | None = None


@dataclass(frozen=True)
class CalibratedVersion:
    """heads: by output, as `calibrate` gave them: without prior correction. card: what is to be written.

    unused: the data's columns that are neither input nor target.
    """

    subject: Subject
    heads: Mapping[str, Calibrated]
    card: HeadCard
    diagnostics: tuple[Diagnostic, ...]
    unused: tuple[str, ...] = ()

    def write(self) -> Changed:
        """Write the card as a new revision; the model is untouched.

        Raises: InvalidCardError where another was written since this one was read; ConfigurationError if it cannot be
        written. All stays as it was then.
        """
        return change_card(self.subject.version, self.card, instead_of=self.subject.digest)


def calibrate_version(
    subject: Subject, data: Path, wishes: Wishes, *, progress: Progress | None = None
) -> CalibratedVersion:
    """Run the rows of a file, calibrate each head of the subject, tune its decision; nothing is written.

    Raises: CalibrationError, HeadMismatchError, InvalidRequestError saying which data does not fit and why;
    ConfigurationError for what is not installed; BackendError where a model server does not answer.
    """
    for name, head in subject.heads.items():
        with _named(name):
            _check(head, wishes.objectives.get(name), wishes.target_priors.get(name), wishes)
    rows = _read(subject, data)
    shared = None if wishes.training_data is None else _shared_with_training(subject, rows, wishes.training_data)
    unlabelled = None if wishes.unlabelled is None else _read(subject, wishes.unlabelled, labelled=False)
    raw = _run(subject, rows.inputs, wishes, progress)
    calibrated = {name: _calibrated(name, head, raw[name], rows, wishes) for name, head in subject.heads.items()}
    corrected = _corrected(subject, calibrated, wishes)
    if unlabelled is not None:
        corrected = _estimated(calibrated, _run(subject, unlabelled.inputs, wishes, progress), wishes) | corrected
    source = _source(subject, data, wishes)
    evidence = {name: _evidence(one.evidence, source, corrected.get(name), shared) for name, one in calibrated.items()}
    heads = {name: corrected[name].head if name in corrected else one.head for name, one in calibrated.items()}
    card = _card(subject, heads, evidence)
    found = of_saved_model(subject.saved, card)
    refuse_errors(found)
    told = {name: replace(one, evidence=evidence[name]) for name, one in calibrated.items()}
    return CalibratedVersion(subject, told, card, found, rows.unused)


def _check(head: Head, objective: str | None, target: tuple[float, ...] | None, wishes: Wishes) -> None:
    """Before the model runs, which may take long.

    Raises: CalibrationError for wishes that cannot be met.
    """
    if objective is not None:
        check_objective(objective, head.task)
    if target is not None:
        priors.check_target(target, head)
    if target is not None or wishes.unlabelled is not None or head.prior is not None:
        priors.check_objective(objective)


def _read(subject: Subject, file: Path, *, labelled: bool = True) -> LabelledRows:
    return read_rows(file, subject.saved.signatures[subject.signature_name], subject.heads, labelled=labelled)


def _run(subject: Subject, inputs: Mapping[str, Array], wishes: Wishes, progress: Progress | None) -> dict[str, Array]:
    version, name, outputs = subject.version, subject.signature_name, tuple(subject.heads)
    if wishes.backend == EMBEDDED:
        return raw_outputs(version, inputs, name, outputs=outputs, progress=progress)
    return raw_outputs_of_server(wishes.backend, version, subject.saved, inputs, name, outputs, progress=progress)


def _calibrated(name: str, head: Head, raw: Array, rows: LabelledRows, wishes: Wishes) -> Calibrated:
    """Without the head's prior correction, which comes behind calibration."""
    with _named(name):
        return calibrate(
            raw,
            rows.targets[name],
            replace(head, prior=None),
            seed=wishes.seed,
            objective=wishes.objectives.get(name),
            method=wishes.method,
        )


def _corrected(subject: Subject, calibrated: Mapping[str, Calibrated], wishes: Wishes) -> dict[str, Corrected]:
    """The heads whose prior correction is given: by the user, or by the card so far."""
    shares = {name: (target, "request") for name, target in wishes.target_priors.items()}
    for name, head in subject.heads.items():
        if head.prior is not None and wishes.unlabelled is None and name not in shares:
            shares[name] = (head.prior.target, "card before")
    found = {}
    for name, (target, source) in shares.items():
        with _named(name):
            found[name] = priors.given(calibrated[name], target, source)
    return found


def _estimated(calibrated: Mapping[str, Calibrated], raw: Mapping[str, Array], wishes: Wishes) -> dict[str, Corrected]:
    """The heads with the prior correction that the raw outputs of unlabelled rows ask for."""
    assert wishes.unlabelled is not None
    found = {}
    for name, one in calibrated.items():
        with _named(name):
            probabilities = one.predict_proba(raw[name])
            # Positions count as rows.
            flat = probabilities.reshape(-1, probabilities.shape[-1])
            found[name] = priors.estimated(one, flat, wishes.unlabelled.name, seed=wishes.seed)
    return found


@contextmanager
def _named(output: str) -> Iterator[None]:
    """What is wrong with a head is told with its output."""
    try:
        yield
    except (CalibrationError, HeadMismatchError, InvalidRequestError) as error:
        raise type(error)(f"output {output!r}: {error}") from error


def _shared_with_training(subject: Subject, rows: LabelledRows, training_data: Path) -> str | None:
    """What is to be told of rows that the model was trained on; None where there are none."""
    return guards.shared_rows(rows.inputs, _read(subject, training_data, labelled=False).inputs)


def _source(subject: Subject, data: Path, wishes: Wishes) -> dict[str, Any]:
    """What of the evidence only a file and a model can say."""
    with data.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    told = {
        "data": data.name,
        "data_sha256": digest,
        MODEL_FINGERPRINT: subject.saved.fingerprint,
        "date": datetime.now(UTC).date().isoformat(),
    }
    return told if wishes.expires is None else {**told, EXPIRES: wishes.expires.isoformat()}


def _evidence(
    measured: Mapping[str, Any], source: Mapping[str, Any], corrected: Corrected | None, shared: str | None
) -> dict[str, Any]:
    prior = {} if corrected is None else {"prior": dict(corrected.evidence)}
    of_prior = () if corrected is None else corrected.warnings
    warnings = [*measured.get("warnings", ()), *([] if shared is None else [shared]), *of_prior]
    return {**measured, **prior, "warnings": warnings, **source}


def _card(subject: Subject, heads: Mapping[str, Head], evidence: Mapping[str, Any]) -> HeadCard:
    before = subject.card
    signature = SignatureHeads({**before.heads_of(subject.signature_name), **heads})
    signatures = {**before.signatures, subject.signature_name: signature}
    return fitted(replace(before, signatures=signatures, evidence={**before.evidence, **evidence}), subject.saved)
