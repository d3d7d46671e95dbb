"""Metrics in base units with bounded labels, each application its own."""

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from headwise.telemetry.metrics import Metrics


def observe(metrics: Metrics, seconds: float, status: str = "200") -> None:
    metrics.observe("http", "classify", "tumor", status, [seconds])


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(metrics.render().decode())
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


def test_a_figure_of_one_process_is_asked_for_with_the_metrics_and_left_out_of_a_sum() -> None:
    alone = Metrics()
    alone.watch("headwise_things", "Things.", lambda: 3)
    assert b"headwise_things 3.0" in alone.render()
    of_several = Metrics(CollectorRegistry())
    of_several.watch("headwise_things", "Things.", lambda: 3)
    assert b"headwise_things" not in of_several.render()
