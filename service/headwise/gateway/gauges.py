"""What metrics ask of a gateway as it stands: requests in flight, versions and what becomes of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping

from headwise.admission import Admission
from headwise.repository.model_repository import ModelRepository
from headwise.repository.snapshot import Snapshot
from headwise.telemetry.metric_table import OTHER, VERSION_STATES
from headwise.telemetry.metrics import Figures, Metrics


def watch(metrics: Metrics, admission: Admission, repository: ModelRepository) -> None:
    """Have them asked for, of the gateway of the running event loop; and say of which versions answers are counted."""
    loop = asyncio.get_running_loop()
    metrics.watch("headwise_requests_in_flight", lambda: in_flight(admission.by_model, repository.snapshot))
    metrics.watch("headwise_event_loop_tasks", lambda: {(): len(asyncio.all_tasks(loop))})
    metrics.watch("headwise_model_versions", lambda: versions(repository.snapshot))
    metrics.watch("headwise_model_version", lambda: newest(repository.snapshot))
    metrics.answers.known = lambda: known(repository.snapshot)


def in_flight(by_model: Mapping[str, int], snapshot: Snapshot) -> Figures:
    """Of every model; of names that are none together."""
    found: Counter[tuple[str, ...]] = Counter({(name,): 0 for name in snapshot.models})
    for name, requests in by_model.items():
        found[name if name in snapshot.models else OTHER,] += requests
    return found


def versions(snapshot: Snapshot) -> Figures:
    """How many of every model are in each state."""
    found: Counter[tuple[str, ...]] = Counter(
        {(name, state): 0 for name in snapshot.models for state in VERSION_STATES}
    )
    found.update((name, version.state) for name, model in snapshot.models.items() for version in model.versions)
    return found


def newest(snapshot: Snapshot) -> Figures:
    """The version of every model that a head-aware call without a version reaches."""
    admitted = ((name, model.newest_admitted) for name, model in snapshot.models.items())
    return {(name,): version.status.version for name, version in admitted if version is not None}


def known(snapshot: Snapshot) -> set[tuple[str, str]]:
    """Every model with each of its versions."""
    return {(name, str(one.status.version)) for name, model in snapshot.models.items() for one in model.versions}
