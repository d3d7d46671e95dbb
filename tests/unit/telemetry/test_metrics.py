"""Metrics in base units with bounded labels, each application its own."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from headwise import __version__
from headwise.heads import Head, Options
from headwise.telemetry.metric_table import REFUSALS, WATCHED_FILES
from headwise.telemetry.metrics import Metrics
from headwise.telemetry.report import ReportFiles
from headwise.telemetry.shared import Shared

pytestmark = pytest.mark.anyio


def observe(metrics: Metrics, seconds: float, status: str = "200") -> None:
    metrics.observe("http", "classify", "tumor", status, [seconds])


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(metrics.render()[0].decode())
    return {
        (
            sample.name,
            *(sample.labels.get(label, "") for label in ("model", "status", "le", "head", "code")),
        ): sample.value
        for family in families
        for sample in family.samples
    }


def test_requests_are_counted_by_status_and_timed_in_seconds() -> None:
    metrics = Metrics()
    for seconds in (0.004, 0.2, 3.0):
        observe(metrics, seconds)
    observe(metrics, 0.001, "503")
    found = samples(metrics)
    assert found["headwise_requests_total", "tumor", "200", "", "", ""] == 3
    assert found["headwise_requests_total", "tumor", "503", "", "", ""] == 1
    assert found["headwise_request_duration_seconds_bucket", "tumor", "", "0.005", "", ""] == 2
    assert found["headwise_request_duration_seconds_bucket", "tumor", "", "0.25", "", ""] == 3
    assert found["headwise_request_duration_seconds_count", "tumor", "", "", "", ""] == 4
    assert abs(found["headwise_request_duration_seconds_sum", "tumor", "", "", "", ""] - 3.205) < 1e-9


def test_two_applications_in_one_process_do_not_share_their_numbers() -> None:
    one, other = Metrics(), Metrics()
    observe(one, 1.0)
    assert ("headwise_requests_total", "tumor", "200", "", "", "") not in samples(other)


def test_tripwires_are_counted_by_model_head_and_code() -> None:
    metrics = Metrics()
    for code in ("HW118", "HW119", "HW118"):
        metrics.tripped(model="tumor", head="output_0", code=code)
    found = samples(metrics)
    assert found["headwise_tripwires_total", "tumor", "", "", "output_0", "HW118"] == 2
    assert found["headwise_tripwires_total", "tumor", "", "", "output_0", "HW119"] == 1


def test_a_gauge_is_asked_for_with_the_metrics() -> None:
    metrics, tasks = Metrics(), [3]
    metrics.watch("headwise_event_loop_tasks", lambda: {(): tasks[0]})
    assert b"headwise_event_loop_tasks 3.0" in metrics.render()[0]
    tasks[0] = 4
    assert b"headwise_event_loop_tasks 4.0" in metrics.render()[0]


def test_which_headwise_it_is() -> None:
    assert f'headwise_build_info{{version="{__version__}"}} 1.0'.encode() in Metrics().render()[0]


def test_what_is_there_from_the_start_is_seen_to_grow_by_the_first() -> None:
    metrics = Metrics()
    metrics.met("a:1")
    found = [line for line in metrics.render()[0].decode().splitlines() if line.endswith(" 0.0")]
    for reason in REFUSALS:
        assert f'headwise_refusals_total{{reason="{reason}"}} 0.0' in found
    for what in WATCHED_FILES:
        assert f'headwise_reload_failures_total{{what="{what}"}} 0.0' in found
    assert 'headwise_backend_ejections_total{address="a:1"} 0.0' in found
    assert 'headwise_backend_retries_total{address="a:1"} 0.0' in found


def test_calls_are_counted_by_their_rows_and_their_requests() -> None:
    metrics = Metrics()
    for rows, requests in ((1, 1), (48, 3)):
        metrics.departed("tumor", rows, requests)
    value = metrics.registry.get_sample_value
    assert value("headwise_batch_rows_bucket", {"model": "tumor", "le": "32.0"}) == 1
    assert value("headwise_batch_rows_sum", {"model": "tumor"}) == 49
    assert value("headwise_batch_requests_sum", {"model": "tumor"}) == 4


async def test_what_the_library_does_not_keep_is_told_to_other_processes(tmp_path: Path) -> None:
    """The library's own files are of whole processes: see test_shared.py."""
    files = ReportFiles(tmp_path, 1)
    metrics = Metrics(Shared(CollectorRegistry(), files))
    metrics.watch("headwise_event_loop_tasks", lambda: {(): 3})
    head = Head("binary", "sigmoid", ("no", "yes"))
    metrics.answers.add("m", 1, "y", head.answer(np.array([[0.9]], np.float32), Options()))
    telling = asyncio.create_task(metrics.tell())
    async with asyncio.timeout(5):
        while not files.before():  # noqa: ASYNC110  # no event tells of it
            await asyncio.sleep(0.01)
    telling.cancel()
    told = ReportFiles(tmp_path, 2).read()
    assert told["headwise_event_loop_tasks"] == {(): [3]}
    assert told["headwise_predicted_labels_total"] == {("m", "1", "y", "no"): [0], ("m", "1", "y", "yes"): [1]}
    assert Metrics(Shared(CollectorRegistry(), files)).answers.report() == metrics.answers.report()


async def test_a_folder_that_cannot_be_written_to_is_logged_once_and_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    metrics = Metrics(Shared(CollectorRegistry(), ReportFiles(folder, 1)), tell_every=0.01)
    with capture_logs() as lines:
        telling = asyncio.create_task(metrics.tell())
        await asyncio.sleep(0.1)
        folder.mkdir()
        async with asyncio.timeout(5):
            while not ReportFiles(folder, 1).before():  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.01)
        telling.cancel()
    assert [line["event"] for line in lines] == ["metrics not told to the other workers"]


def test_addresses_that_come_and_go_do_not_make_series_without_end() -> None:
    metrics = Metrics()
    for number in range(100):
        metrics.ejected(f"10.0.0.{number}:8500")
    value = metrics.registry.get_sample_value
    assert value("headwise_backend_ejections_total", {"address": "10.0.0.63:8500"}) == 1
    assert value("headwise_backend_ejections_total", {"address": "10.0.0.64:8500"}) is None
    assert value("headwise_backend_ejections_total", {"address": "other"}) == 36
