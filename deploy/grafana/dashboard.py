"""Writes dashboards/headwise.json, Grafana's dashboard of the metrics of docs/metrics.md: `python dashboard.py`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

FILE = Path(__file__).with_name("dashboards") / "headwise.json"
_WIDTH, _HEIGHT, _IN_A_ROW = 8, 8, 3
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}

_OF = 'job="$job",instance=~"$instance"'
_CALLS = f'{_OF},model=~"$model",model!=""'
_FAILED = 'status=~"50[0234]|UNAVAILABLE|INTERNAL|DEADLINE_EXCEEDED|FAILED_PRECONDITION|UNKNOWN"'
"""As in prometheus/rules/headwise.yml."""


@dataclass(frozen=True, slots=True)
class Panel:
    """queries: expressions by what their series are called; a name in braces is a label."""

    title: str
    unit: str
    queries: Mapping[str, str]
    kind: Literal["timeseries", "heatmap"] = "timeseries"
    stacked: bool = False
    about: str = ""


def _rate(by: str, metric: str, of: str = _CALLS) -> str:
    """A second, summed by labels."""
    return f"sum by ({by}) (rate({metric}{{{of}}}[$__rate_interval]))"


def _more(by: str, metric: str, of: str = _OF) -> str:
    """How many more than an interval ago."""
    return f"sum by ({by}) (increase({metric}{{{of}}}[$__rate_interval]))"


def _quantile(share: float, metric: str, by: str = "") -> str:
    return f"histogram_quantile({share}, {_rate(f'{by}le', f'{metric}_bucket')})"


def _mean(metric: str, by: str) -> str:
    return f"{_rate(by, f'{metric}_sum')} / {_rate(by, f'{metric}_count')}"


_REQUESTS, _DURATION = "headwise_requests_total", "headwise_request_duration_seconds"
_LABELS, _ABSTENTIONS = "headwise_predicted_labels_total", "headwise_abstentions_total"
_LABEL, _HEAD = "model, head, label", "model, head"

ROWS: Mapping[str, Sequence[Panel]] = {
    "Traffic": (
        Panel("Requests", "reqps", {"{{surface}} {{verb}}": _rate("surface, verb", _REQUESTS)}, stacked=True),
        Panel("Requests by model", "reqps", {"{{model}}": _rate("model", _REQUESTS)}, stacked=True),
        Panel("Rows answered by heads", "rowsps", {"{{model}}": _rate("model", "headwise_batch_rows_sum")}),
    ),
    "Errors": (
        Panel(
            "Share of requests that fail",
            "percentunit",
            {"{{model}}": f"{_rate('model', _REQUESTS, f'{_CALLS},{_FAILED}')} / {_rate('model', _REQUESTS)}"},
            about="What no caller is to blame for: 500, 502, 503, 504 and their gRPC statuses.",
        ),
        Panel(
            "Answers that are not 200",
            "reqps",
            {"{{surface}} {{status}}": _rate("surface, status", _REQUESTS, f'{_CALLS},status!~"200|OK"')},
        ),
        Panel(
            "Files not read anew, lines of the log lost",
            "short",
            {
                "{{what}}": _more("what", "headwise_reload_failures_total"),
                "lines of {{instance}}": _more("instance", "headwise_log_lines_lost_total"),
            },
        ),
    ),
    "Latency": (
        Panel(
            "Time of a request",
            "s",
            {"p50": _quantile(0.5, _DURATION), "p90": _quantile(0.9, _DURATION), "p99": _quantile(0.99, _DURATION)},
        ),
        Panel("p99 by model", "s", {"{{model}}": _quantile(0.99, _DURATION, "model, ")}),
        Panel(
            "Time by stage",
            "s",
            {"{{stage}}": _mean("headwise_stage_duration_seconds", "stage")},
            stacked=True,
            about="The mean of each stage: parse, queue, backend, head, encode.",
        ),
    ),
    "Batching": (
        Panel(
            "Rows a call",
            "short",
            {"mean {{model}}": _mean("headwise_batch_rows", "model"), "p90": _quantile(0.9, "headwise_batch_rows")},
        ),
        Panel("Requests a call", "short", {"mean {{model}}": _mean("headwise_batch_requests", "model")}),
        Panel("Calls of the model server", "ops", {"{{model}}": _rate("model", "headwise_batch_rows_count")}),
    ),
    "Admission": (
        Panel(
            "Requests in flight",
            "short",
            {"{{model}}": f"sum by (model) (headwise_requests_in_flight{{{_CALLS}}})"},
            stacked=True,
        ),
        Panel(
            "Refused before anything was done",
            "reqps",
            {"{{reason}}": _rate("reason", "headwise_refusals_total", _OF)},
            about="queue, in-flight and memory are for want of room; the others are the callers' keys.",
        ),
        Panel("Tasks of the event loop", "short", {"{{instance}}": f"headwise_event_loop_tasks{{{_OF}}}"}),
    ),
    "Model servers": (
        Panel("In rotation", "bool_on_off", {"{{address}}": f"min by (address) (headwise_backend_up{{{_OF}}})"}),
        Panel(
            "Second tries",
            "ops",
            {"{{address}}": _rate("address", "headwise_backend_retries_total", _OF)},
            about="By the model server that had not answered.",
        ),
        Panel("Ejections", "short", {"{{address}}": _more("address", "headwise_backend_ejections_total")}),
    ),
    "Models": (
        Panel(
            "Versions by state",
            "short",
            {"{{model}} {{state}}": f"max by (model, state) (headwise_model_versions{{{_CALLS}}}) > 0"},
        ),
        Panel("Version that answers", "none", {"{{model}}": f"max by (model) (headwise_model_version{{{_CALLS}}})"}),
        Panel(
            "Golden records",
            "short",
            {"{{model}} {{result}}": _more("model, result", "headwise_golden_proofs_total", _CALLS)},
        ),
    ),
    "Answers": (
        Panel(
            "Share of each label",
            "percentunit",
            {
                "{{model}} {{head}} {{label}}": f"{_rate(_LABEL, _LABELS)} "
                f"/ on ({_HEAD}) group_left () {_rate(_HEAD, _LABELS)}"
            },
        ),
        Panel(
            "Share without an answer",
            "percentunit",
            {
                "{{model}} {{head}}": f"{_rate(_HEAD, _ABSTENTIONS)} / "
                f"({_rate(_HEAD, _ABSTENTIONS)} + {_rate(_HEAD, _LABELS)})"
            },
            about="Of multilabel heads labels, not rows, are counted.",
        ),
        Panel(
            "Numbers that contradict the card",
            "reqps",
            {"{{model}} {{head}} {{code}}": _rate("model, head, code", "headwise_tripwires_total")},
        ),
        Panel("Confidence", "short", {"{{le}}": _rate("le", "headwise_confidence_ratio_bucket")}, kind="heatmap"),
        Panel(
            "Mean confidence",
            "percentunit",
            {"{{model}} {{version}}": _mean("headwise_confidence_ratio", "model, version")},
        ),
        Panel("Gateways", "short", {"headwise {{version}}": f"count by (version) (headwise_build_info{{{_OF}}})"}),
    ),
}


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana reads it."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS.items():
        panels.append({"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": _at(0, y, 24, 1)})
        y += 1
        for number, panel in enumerate(row):
            down, across = divmod(number, _IN_A_ROW)
            panels.append(_panel(panel, _at(across * _WIDTH, y + down * _HEIGHT, _WIDTH, _HEIGHT)))
        y += -(-len(row) // _IN_A_ROW) * _HEIGHT
    return {
        "uid": "headwise",
        "title": "headwise",
        "tags": ["headwise"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
                _variable("job", "headwise_build_info", several=False),
                _variable("instance", 'headwise_build_info{job="$job"}'),
                _variable("model", 'headwise_model_versions{job="$job"}'),
            ]
        },
        "panels": [{"id": number, **panel} for number, panel in enumerate(panels, start=1)],
    }


def _variable(name: str, metric: str, *, several: bool = True) -> dict[str, Any]:
    query = f"label_values({metric}, {name})"
    choice = {"multi": True, "includeAll": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}}
    return {
        "name": name,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        **(choice if several else {}),
    }


def _panel(panel: Panel, at: dict[str, int]) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        **({"description": panel.about} if panel.about else {}),
        "datasource": _SOURCE,
        "gridPos": at,
        "fieldConfig": {"defaults": {"unit": panel.unit, **_drawn(panel)}, "overrides": []},
        "options": _OPTIONS[panel.kind],
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": _SOURCE,
                "expr": expression,
                "legendFormat": name,
                **({"format": "heatmap"} if panel.kind == "heatmap" else {}),
            }
            for number, (name, expression) in enumerate(panel.queries.items())
        ],
    }


def _drawn(panel: Panel) -> dict[str, Any]:
    if panel.kind == "heatmap":
        return {}
    stacking = {"mode": "normal" if panel.stacked else "none", "group": "A"}
    return {
        "min": 0,
        "custom": {"fillOpacity": 20 if panel.stacked else 0, "showPoints": "never", "stacking": stacking},
    }


_OPTIONS: Mapping[str, Any] = {
    "timeseries": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
    "heatmap": {"calculate": False, "yAxis": {"unit": "short"}, "tooltip": {"mode": "single"}},
}


def _at(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def text() -> str:
    """The file's content."""
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
