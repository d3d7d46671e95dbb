"""`headwise calibrate` on real models: what it writes, what it refuses, and through which server it asks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from pyarrow import csv, parquet

from headwise import savedmodel
from headwise.diagnostics.golden import GoldenRecord
from headwise.heads import HeadCard, Identity
from headwise.repository.cards import CARD_PATH, read_card
from headwise.repository.golden_file import read_golden, write_golden
from headwise.repository.revisions import read_revisions
from headwise.training.run import raw_outputs
from support.command_line import Ended, headwise
from support.model_repository import BINARY, HEADS, add_model, recorded_repository
from support.recordings import MODELS
from support.server_process import ServerProcess, server_process

pytestmark = pytest.mark.timeout(300)

ROWS = 300
TOO_SURE = 3.0
"""By how much the logits of the data are larger than what is true of it."""


@cache
def features() -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(ROWS, 4)).astype(np.float32) * 3


@cache
def logits() -> NDArray[np.float64]:
    return raw_outputs(MODELS / "logit" / "1", {"features": features()})["output_0"][:, 0].astype(np.float64)


@cache
def truths() -> NDArray[np.int64]:
    """Classes that the recorded model is too sure of."""
    p = 1 / (1 + np.exp(-logits() / TOO_SURE))
    return (np.random.default_rng(1).random(ROWS) < p).astype(np.int64)


def holdout(file: Path, **arrays: Any) -> Path:
    held: dict[str, Any] = {"features": features(), "targets": truths()} | arrays
    np.savez(file, **held)
    return file


def as_table(file: Path) -> Path:
    columns = {f"features.{at}": features()[:, at] for at in range(4)}
    made = pa.table(columns | {"targets": np.array(["no", "yes"])[truths()]})
    (csv.write_csv if file.suffix == ".csv" else parquet.write_table)(made, file)
    return file


def logit_model(folder: Path, **head: Any) -> Path:
    return add_model(folder, "logit", {"output_0": BINARY | head})


def calibrated(version: Path, data: Path, *more: object) -> dict[str, Any]:
    ended = headwise("calibrate", version, "--data", data, "--json", *more)
    assert ended.code == 0, ended.out + ended.err
    document: dict[str, Any] = json.loads(ended.out)
    return document


def card_of(version: Path) -> HeadCard:
    found = read_card(version)
    assert found is not None
    return found.card


def files(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def refused(version: Path, data: Path, *more: object) -> Ended:
    """Exit code 1, in words, and nothing written."""
    before = files(version)
    ended = headwise("calibrate", version, "--data", data, *more)
    assert (ended.code, ended.out) == (1, ""), ended.out + ended.err
    assert "Traceback" not in ended.err
    assert files(version) == before
    return ended


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A version with golden records that was calibrated once, its decision tuned, and what was printed."""
    folder = tmp_path_factory.mktemp("once")
    version = logit_model(folder)
    write_golden(
        version,
        [
            GoldenRecord(
                "serving_default",
                {"features": features()[at : at + 1]},
                {"output_0": logits()[at : at + 1, None].astype(np.float32)},
                {"output_0": np.array([int(logits()[at] >= 0)])},
            )
            for at in range(20)
        ],
        "logit",
    )
    data = holdout(folder / "holdout.npz")
    return version, calibrated(version, data, "--objective", "cost:1:5", "--expires", "2999-12-31")


def test_the_card_gets_calibration_decision_and_evidence_as_a_new_revision(once: tuple[Path, dict[str, Any]]) -> None:
    version, printed = once
    card, head = card_of(version), card_of(version).heads_of("serving_default")["output_0"]
    evidence = card.evidence["output_0"]

    assert printed["revision"] == 2
    assert [one.is_current for one in read_revisions(version)] == [False, True]
    assert (
        printed["heads"]["output_0"]["evidence"]
        == json.loads((version / CARD_PATH).read_bytes())["evidence"]["output_0"]
    )
    assert printed["heads"]["output_0"]["chosen"] == evidence["method"] != "identity"
    assert head.calibration is not None
    assert head.calibration.method == evidence["method"]
    assert evidence["log_loss"]["after"] < evidence["log_loss"]["before"]
    assert evidence["rows"] == ROWS
    assert evidence["data"] == "holdout.npz"
    assert evidence["data_sha256"] == hashlib.sha256((version.parents[1] / "holdout.npz").read_bytes()).hexdigest()
    assert evidence["expires"] == "2999-12-31"
    fingerprint = savedmodel.read(version).fingerprint
    assert evidence["model_fingerprint"] == fingerprint
    assert card.model is not None
    assert card.model.fingerprint == fingerprint
    assert headwise("inspect", version).code == 0


def test_its_decision_is_tuned_and_its_golden_records_are_decided_anew(once: tuple[Path, dict[str, Any]]) -> None:
    """Five times as dear to miss a yes: yes from p = 1/6 on."""
    version, printed = once
    head = card_of(version).heads_of("serving_default")["output_0"]
    asked = np.linspace(-30, 30, 2001, dtype=np.float32)[:, None]
    answer = head.predict(asked)
    assert answer.probabilities is not None
    clear = np.abs(answer.probabilities[:, 1] - 1 / 6) > 1e-9
    assert answer.indices is not None
    assert (answer.indices == (answer.probabilities[:, 1] >= 1 / 6))[clear].all()

    records = read_golden(version)
    assert printed["golden_records"] == len(records) == 20
    for one in records:
        expected = head.predict(one.outputs["output_0"]).indices
        assert expected is not None
        assert one.decided["output_0"].tolist() == expected.tolist()


def test_the_model_is_untouched_and_the_card_can_be_taken_back(tmp_path: Path) -> None:
    version = logit_model(tmp_path)
    before = files(version)
    calibrated(version, holdout(tmp_path / "rows.npz"))
    assert {file: data for file, data in files(version).items() if "assets.extra" not in file.parts} == {
        file: data for file, data in before.items() if "assets.extra" not in file.parts
    }
    assert headwise("card", "rollback", version).code == 0
    assert (version / CARD_PATH).read_bytes() == before[version / CARD_PATH]


def test_tables_and_archives_and_a_model_server_calibrate_alike(
    once: tuple[Path, dict[str, Any]], server: tuple[Path, str], tmp_path: Path
) -> None:
    told = {"data", "data_sha256"}
    found = []
    archive = once[0].parents[1] / "holdout.npz"
    for data, more in (
        (as_table(tmp_path / "rows.csv"), []),
        (as_table(tmp_path / "rows.parquet"), []),
        (archive, ["--backend", server[1]]),
        (archive, []),
    ):
        document = calibrated(server[0] / "logit" / "1", data, "--dry-run", *more)
        evidence = document["heads"]["output_0"]["evidence"]
        found.append((document["heads"]["output_0"]["head"], {k: v for k, v in evidence.items() if k not in told}))
    assert all(one == found[0] for one in found[1:])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The recorded models, and where a model server answers for them."""
    models = recorded_repository(tmp_path_factory.mktemp("models"))
    with server_process("--models", str(models)) as running:
        yield models, _address(running)


def _address(running: ServerProcess) -> str:
    (address,) = running.addresses
    return address


def test_a_dry_run_writes_nothing_and_a_report_only_where_it_is_asked_for(tmp_path: Path) -> None:
    version, page = logit_model(tmp_path), tmp_path / "page.html"
    before = files(version)
    data = holdout(tmp_path / "rows.npz")
    ended = headwise("calibrate", version, "--data", data, "--dry-run", "--report", page, "--png", tmp_path / "png")

    assert ended.code == 0, ended.err
    assert files(version) == before
    for told in ("chosen: ", "log loss", "smooth ECE", "identity", f"written {page}", "dry run: the card is as it was"):
        assert told in ended.out, ended.out
    assert page.read_text("utf-8").startswith("<!doctype html>")
    assert list((tmp_path / "png").glob("output_0.*.png"))


def test_a_server_that_runs_another_model_calibrates_nothing(server: tuple[Path, str], tmp_path: Path) -> None:
    version, data = logit_model(tmp_path), holdout(tmp_path / "rows.npz")
    write_golden(
        version,
        [
            GoldenRecord(
                "serving_default", {"features": features()[:1]}, {"output_0": np.array([[77.0]], np.float32)}, {}
            )
        ],
        "logit",
    )
    ended = refused(version, data, "--backend", server[1])
    assert "runs another model" in ended.err
    absent = logit_model(tmp_path / "absent").rename(tmp_path / "absent" / "logit" / "9")
    assert "NOT_FOUND" in refused(absent, data, "--backend", server[1]).err
    assert "not available" in refused(version, data, "--backend", "127.0.0.1:1").err


def test_where_nothing_is_better_that_is_stored_and_said(tmp_path: Path) -> None:
    """Rows that are as sure as they should be, and few."""
    version = logit_model(tmp_path)
    honest = (np.random.default_rng(5).random(ROWS) < 1 / (1 + np.exp(-logits()))).astype(np.int64)
    data = holdout(tmp_path / "rows.npz", features=features()[:60], targets=honest[:60])
    ended = headwise("calibrate", version, "--data", data)

    assert ended.code == 0
    assert "no calibration (identity)" in ended.out
    assert card_of(version).heads_of("serving_default")["output_0"].calibration == Identity()


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"targets": np.zeros(ROWS)}, "output 'output_0': all 300 rows are 'no'"),
        ({"targets": np.full(ROWS, 2)}, "holds 2 in row 0|targets hold 2 in row 0"),
        ({"targets": np.zeros(3)}, "targets have 3 rows"),
        ({"features": np.zeros((ROWS, 5))}, "input 'features' is float64 \\(300, 5\\)|input 'features'"),
        ({"image": np.zeros(ROWS)}, "unknown input 'image'"),
    ],
)
def test_data_that_does_not_fit_changes_nothing(tmp_path: Path, arrays: dict[str, Any], reason: str) -> None:
    ended = refused(logit_model(tmp_path), holdout(tmp_path / "rows.npz", **arrays))
    assert any(one.replace("\\", "") in ended.err for one in reason.split("|")), ended.err


def test_reversed_labels_are_refused_with_the_likely_reason(tmp_path: Path) -> None:
    assert "swapped" in refused(logit_model(tmp_path), holdout(tmp_path / "rows.npz", targets=1 - truths())).err


def test_a_prior_is_written_where_the_model_serves_other_shares(tmp_path: Path) -> None:
    version, data = logit_model(tmp_path), holdout(tmp_path / "rows.npz")
    calibrated(version, data, "--target-prior", "0.9,0.1", "--method", "platt")
    prior = card_of(version).heads_of("serving_default")["output_0"].prior
    assert prior is not None
    assert prior.target == (0.9, 0.1)
    assert prior.source[1] == pytest.approx(truths().mean())

    kept = calibrated(version, data, "--method", "platt")["heads"]["output_0"]
    assert kept["head"]["prior"]["target"] == [0.9, 0.1]
    assert kept["evidence"]["prior"] == {"source": "card before"}
    assert "does not hold at those of a target prior" in refused(version, data, "--objective", "f1").err

    unlabelled = tmp_path / "new.npz"
    np.savez(unlabelled, features=features()[truths() == 1])
    found = calibrated(version, data, "--unlabelled", unlabelled, "--method", "platt")["heads"]["output_0"]
    assert found["head"]["prior"]["target"][1] > 0.8
    assert (found["evidence"]["prior"]["source"], found["evidence"]["prior"]["data"]) == ("estimated", "new.npz")


def test_rows_that_training_saw_are_told(tmp_path: Path) -> None:
    version, data = logit_model(tmp_path), holdout(tmp_path / "rows.npz")
    training = holdout(tmp_path / "training.npz", features=features()[:7], targets=truths()[:7])
    ended = headwise("calibrate", version, "--data", data, "--training-data", training, "--method", "temperature")
    assert "7 of 300 calibration rows are in the training data too" in ended.out


def test_each_head_of_several_is_calibrated_and_a_regression_passed_over(tmp_path: Path) -> None:
    version = add_model(tmp_path, "pair", HEADS["pair"])
    random = np.random.default_rng(2)
    rows = {
        "n": random.integers(-3, 3, (ROWS, 1), np.int32),
        "x": random.normal(size=(ROWS, 3)).astype(np.float32),
    }
    on = random.random(ROWS) < raw_outputs(version, rows)["prob"][:, 0]
    file = tmp_path / "rows.npz"
    np.savez(file, **rows, targets=on)  # type: ignore[arg-type]  # arrays by name
    document = calibrated(version, file, "--method", "temperature")
    assert (list(document["heads"]), document["passed_over"]) == (["prob"], ["hidden"])


def test_labels_that_may_hold_together_are_calibrated_one_by_one(tmp_path: Path) -> None:
    version = add_model(tmp_path, "multilabel", HEADS["multilabel"])
    signature = savedmodel.read(version).signatures["serving_default"]
    (name, spec), *_ = signature.inputs.items()
    assert spec.shape is not None
    assert len(spec.shape) == 2
    rows = np.random.default_rng(2).normal(size=(ROWS, int(spec.shape[1] or 1))).astype(np.float32)
    p = raw_outputs(version, {name: rows})["output_0"].astype(np.float64)
    on = np.random.default_rng(3).random(p.shape) < p
    columns = {f"{name}.{at}": rows[:, at] for at in range(rows.shape[1])}
    table = pa.table(columns | {label: on[:, at] for at, label in enumerate("xyz")})
    parquet.write_table(table, tmp_path / "rows.parquet")
    document = calibrated(version, tmp_path / "rows.parquet", "--objective", "f1")
    head = document["heads"]["output_0"]["head"]
    assert head["decision"]["rule"] == "per_label"
    assert document["heads"]["output_0"]["evidence"]["rows_per_class"] == {
        label: int(on[:, at].sum()) for at, label in enumerate("xyz")
    }
