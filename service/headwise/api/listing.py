"""Every model with its versions, their states and heads: what each protocol lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headwise.repository.snapshot import Snapshot, Version
from headwise.savedmodel.signature import DEFAULT_SIGNATURE


def models(snapshot: Snapshot) -> dict[str, Any]:
    """As `GET /v1/models` prints it and `ListModelsResponse` names it."""
    return {
        "models": [
            {
                "name": name,
                "versions": [_version(version) for version in model.versions],
                "labels": dict(model.labels),
            }
            for name, model in snapshot.models.items()
        ]
    }


def _version(version: Version) -> Mapping[str, Any]:
    code, reason = version.problem or (None, None)
    card = version.model.card
    heads = {
        (output if signature == DEFAULT_SIGNATURE else f"{signature}.{output}"): {
            "task": head.task,
            "activation": head.activation,
            "labels": head.labels,
        }
        for signature, described in (card.card.signatures.items() if card else ())
        for output, head in described.heads.items()
    }
    return {
        "version": version.status.version,
        "state": version.status.state.name,
        "ready": version.admitted,
        "reason": reason,
        "code": code,
        "heads": heads,
    }
