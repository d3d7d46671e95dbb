"""The head card: the JSON document, one per model version, that declares a model's heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from headwise.heads.head import Head


@dataclass(frozen=True)
class SignatureHeads:
    """The heads of one signature, by output name; outputs that are not named are raw."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}

    heads: Mapping[str, Head]


@dataclass(frozen=True)
class ModelRecord:
    """Which model the card was written for.

    fingerprint: the SavedModel's fingerprint. verified: the card was held against the model at export.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}

    fingerprint: str | None = None
    verified: bool = False


@dataclass(frozen=True)
class HeadCard:
    """models/<name>/<version>/assets.extra/head.json; signatures that are not named are raw."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True, "title": "headwise head card"}

    card_version: Literal[1]
    signatures: Mapping[str, SignatureHeads]
    model: ModelRecord | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def heads_of(self, signature_name: str) -> Mapping[str, Head]:
        """The heads of a signature by output name; none where the card does not name it."""
        return self.signatures[signature_name].heads if signature_name in self.signatures else {}
