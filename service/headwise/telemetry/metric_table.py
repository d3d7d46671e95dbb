"""METRICS: every metric of a gateway, with its labels and its meaning.

What counts, docs/metrics.md and tests all read this one table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_STAGE_SECONDS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)

OTHER = "other"
"""The label of what must not make new series: a model's name that is in no repository, a label or address too many."""

REFUSALS = (
    "queue",
    "in-flight",
    "in-flight-of-model",
    "memory",
    "rate-limited",
    "unauthenticated",
    "permission-denied",
)
"""Why a request, or an item of a stream, is refused for want of room or of rights."""
AT_THE_DOOR = frozenset(REFUSALS[-3:])
"""Those of them that are codes of errors."""
WATCHED_FILES = ("keys", "certificate", "version")
VERSION_STATES = ("serving", "outdated", "raw", "refused", "pending", "unserved")


@dataclass(frozen=True, slots=True)
class Metric:
    """labels: bounded, each of them, whoever calls. buckets: upper bounds, of a histogram.

    over_workers: what becomes of the figures of several workers.
    """

    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    over_workers: Literal["sum", "min", "max"] = "sum"


METRICS: Mapping[str, Metric] = {
    "headwise_requests_total": Metric("counter", "Requests answered.", ("surface", "verb", "model", "status")),
    "headwise_request_duration_seconds": Metric(
        "histogram",
        "From the first byte of a request to the last of its answer.",
        ("surface", "verb", "model"),
        _SECONDS,
    ),
    "headwise_stage_duration_seconds": Metric(
        "histogram",
        "Where the time of answered requests went: parse, queue, backend, head, encode.",
        ("stage", "model"),
        _STAGE_SECONDS,
    ),
    "headwise_requests_in_flight": Metric("gauge", "Requests for models that are being answered.", ("model",)),
    "headwise_refusals_total": Metric(
        "counter",
        "Requests, and items of streams, refused for want of room or of rights, by why.",
        ("reason",),
    ),
    "headwise_batch_rows": Metric(
        "histogram", "Rows of a call of the model server, as it set out.", ("model",), _SIZES
    ),
    "headwise_batch_requests": Metric(
        "histogram", "Requests that travelled as one call of the model server.", ("model",), _SIZES
    ),
    "headwise_backend_up": Metric(
        "gauge", "Whether a model server is in rotation: 1, or 0.", ("address",), over_workers="min"
    ),
    "headwise_backend_retries_total": Metric(
        "counter", "Calls that were sent a second time, by the model server that had not answered.", ("address",)
    ),
    "headwise_backend_ejections_total": Metric(
        "counter", "Times that a model server was taken out of rotation because it did not answer.", ("address",)
    ),
    "headwise_model_versions": Metric(
        "gauge", "Versions of a model, by what becomes of them.", ("model", "state"), over_workers="max"
    ),
    "headwise_model_version": Metric(
        "gauge",
        "The version that a call without a version reaches; none while none answers.",
        ("model",),
        over_workers="min",
    ),
    "headwise_golden_proofs_total": Metric(
        "counter",
        "Runs of a version's golden records before it takes traffic, by whether they held.",
        ("model", "result"),
    ),
    "headwise_predicted_labels_total": Metric(
        "counter", "Rows answered with a label.", ("model", "version", "head", "label")
    ),
    "headwise_abstentions_total": Metric("counter", "Rows without an answer.", ("model", "version", "head")),
    "headwise_confidence_ratio": Metric(
        "histogram", "The probability of a row's most probable label.", ("model", "version", "head"), _SHARES
    ),
    "headwise_tripwires_total": Metric(
        "counter",
        "Answers whose numbers contradict the head card, refused or not, by the code of the diagnostics catalogue.",
        ("model", "head", "code"),
    ),
    "headwise_reload_failures_total": Metric(
        "counter", "Files that changed and were bad; what they held before stays in force.", ("what",)
    ),
    "headwise_log_lines_lost_total": Metric("counter", "Lines of the log that could not be written."),
    "headwise_event_loop_tasks": Metric("gauge", "Tasks of the event loop."),
    "headwise_build_info": Metric("gauge", "1, with headwise's version.", ("version",), over_workers="max"),
}
