"""Warm-up records are answered before a version is available."""

from pathlib import Path

import grpc
import pytest

from headwise.modelserver.servable import load
from headwise.modelserver.status import StatusError
from headwise.modelserver.warmup import warm_up
from support.model_repository import publish
from support.recorded_models import WARMUP, record_file, steps_request, warmup_file


def warm(path: Path) -> int:
    servable = load("steps", 1, path)
    try:
        return warm_up(servable, path, lambda feeds, fetches: servable.run(feeds, fetches, None))
    finally:
        servable.close()


def test_a_version_without_records_needs_none(tmp_path: Path) -> None:
    assert warm(publish(tmp_path, 1, "steps/1")) == 0


def test_every_record_is_answered(tmp_path: Path) -> None:
    records = warmup_file(tmp_path, steps_request(), steps_request(rows=3))
    assert warm(publish(tmp_path, 1, "steps/1", {WARMUP: records})) == 2


def test_a_record_that_fails_fails_the_load(tmp_path: Path) -> None:
    request = steps_request()
    request.model_spec.signature_name = "nope"
    path = publish(tmp_path, 1, "steps/1", {WARMUP: warmup_file(tmp_path, request)})
    with pytest.raises(StatusError, match="nope"):
        warm(path)


def test_a_corrupt_file_fails_the_load(tmp_path: Path) -> None:
    path = publish(tmp_path, 1, "steps/1", {WARMUP: b"not a TFRecord file at all"})
    with pytest.raises(StatusError, match="Please verify your warmup data is in TFRecord format") as caught:
        warm(path)
    assert caught.value.code is grpc.StatusCode.DATA_LOSS


def test_a_record_that_is_no_prediction_log_fails_the_load(tmp_path: Path) -> None:
    records = record_file(tmp_path, b"no PredictionLog")
    with pytest.raises(StatusError, match=f"Failed to parse warmup record 1 from .*{WARMUP}"):
        warm(publish(tmp_path, 1, "steps/1", {WARMUP: records}))


def test_too_many_records_fail_the_load(tmp_path: Path) -> None:
    path = publish(tmp_path, 1, "steps/1", {WARMUP: warmup_file(tmp_path, *[steps_request()] * 1001)})
    with pytest.raises(StatusError, match=r"exceeds the maximum \(1000\)"):
        warm(path)
