"""What several processes tell by files: summed, the least or the largest, as the table of metrics has it."""

from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from headwise.telemetry.metric_table import METRICS
from headwise.telemetry.report import Report, ReportFiles, Reports, merged

CONFIDENCE = "headwise_confidence_ratio"
SHARES = len(METRICS[CONFIDENCE].buckets)


def test_figures_are_merged_as_the_table_says() -> None:
    one: Report = {
        "headwise_requests_in_flight": {("m",): [2]},
        "headwise_backend_up": {("a:1",): [1], ("b:1",): [1]},
        "headwise_build_info": {("1",): [1]},
    }
    other: Report = {
        "headwise_requests_in_flight": {("m",): [3], ("n",): [1]},
        "headwise_backend_up": {("a:1",): [0]},
        "headwise_build_info": {("1",): [1]},
    }
    assert merged([one, other]) == {
        "headwise_requests_in_flight": {("m",): [5], ("n",): [1]},
        "headwise_backend_up": {("a:1",): [0], ("b:1",): [1]},
        "headwise_build_info": {("1",): [1]},
    }


def test_every_process_reads_what_all_have_told_last(tmp_path: Path) -> None:
    one, other = ReportFiles(tmp_path, 1), ReportFiles(tmp_path, 2)
    assert one.read() == {}
    one.write({"headwise_requests_in_flight": {("m",): [2]}, "headwise_backend_up": {("gone:1",): [1]}})
    one.write({"headwise_requests_in_flight": {("m",): [1]}})
    other.write({"headwise_requests_in_flight": {("m",): [4]}})
    assert one.read() == other.read() == {"headwise_requests_in_flight": {("m",): [5]}}
    assert ReportFiles(tmp_path, 2).before() == {"headwise_requests_in_flight": {("m",): [4]}}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["1.report", "2.report"]


def test_a_report_is_rendered_with_cumulative_buckets() -> None:
    registry = CollectorRegistry()
    counts = [0.0] * (SHARES + 1)
    counts[4], counts[9] = 2, 1
    report: Report = {
        CONFIDENCE: {("m", "1", "y"): [*counts, 1.9]},
        "headwise_abstentions_total": {("m", "1", "y"): [7]},
        "headwise_event_loop_tasks": {(): [3]},
    }
    registry.register(Reports(lambda: report))
    lines = generate_latest(registry).decode().splitlines()
    of = 'head="y"', 'model="m"', 'version="1"'
    assert 'headwise_confidence_ratio_bucket{head="y",le="0.5",model="m",version="1"} 2.0' in lines
    assert 'headwise_confidence_ratio_bucket{head="y",le="+Inf",model="m",version="1"} 3.0' in lines
    assert f"headwise_confidence_ratio_sum{{{','.join(of)}}} 1.9" in lines
    assert f"headwise_confidence_ratio_count{{{','.join(of)}}} 3.0" in lines
    assert f"headwise_abstentions_total{{{','.join(of)}}} 7.0" in lines
    assert "# TYPE headwise_abstentions_total counter" in lines
    assert "headwise_event_loop_tasks 3.0" in lines
