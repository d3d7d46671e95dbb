"""A worker's duty: what the parent settled arrives as it was, whatever the environment says; news come back."""

from pathlib import Path
from typing import Any

import pytest

from headwise.lifecycle import Announcement
from headwise.settings import Settings
from headwise.workers.duty import Duty


def duty(folder: Path, number: int = 1, **settings: Any) -> Duty:
    return Duty(settings=Settings(**settings), number=number, parent=7, folder=folder, starting=True)


def test_a_worker_reads_what_the_parent_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = duty(tmp_path, http="localhost:1", required_models=["tumor"], model_config_file="models.config")
    monkeypatch.setenv("HEADWISE_HTTP", "elsewhere:1")
    monkeypatch.setenv("HEADWISE_CORS", "true")
    _, *module, argument = told.command
    assert module == ["-m", "headwise.workers.worker"]
    assert Duty.model_validate_json(argument) == told


def test_news_are_those_of_one_worker(tmp_path: Path) -> None:
    first, second = duty(tmp_path), duty(tmp_path, 2)
    assert first.reported() is None
    first.report(Announcement(("ready",), "curl"))
    assert first.reported() == Announcement(("ready",), "curl")
    assert second.reported() is None
