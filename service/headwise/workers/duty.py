"""What a worker is told by its parent, and how it tells that it is ready."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from headwise.lifecycle import Announcement
from headwise.settings import Settings


class Duty(BaseModel):
    """number: from 1, the same after a restart. parent: its process id. folder: of all workers, for figures and news.

    settings: with the addresses that the parent settled. starting: the model server may be only just starting.
    """

    model_config = ConfigDict(frozen=True)

    settings: Settings
    number: int
    parent: int
    folder: Path
    starting: bool

    @property
    def command(self) -> list[str]:
        """What starts the worker."""
        return [sys.executable, "-m", "headwise.workers.worker", self.model_dump_json()]

    @property
    def pulse(self) -> Path:
        """The file by which the parent knows that the worker moves."""
        return self.folder / f"{self.number}.pulse"

    @property
    def _news(self) -> Path:
        return self.folder / f"{self.number}.ready"

    def report(self, announcement: Announcement) -> None:
        """Tell the parent that this worker is ready."""
        draft = self._news.with_suffix(".draft")
        draft.write_text(announcement.to_json(), "utf-8")
        draft.replace(self._news)

    def reported(self) -> Announcement | None:
        """What the worker reported, None before it is ready."""
        return Announcement.from_json(self._news.read_text("utf-8")) if self._news.exists() else None
