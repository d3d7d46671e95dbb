"""A repository over a folder of models; a test sets the model server's word, and that of the prover."""

from pathlib import Path

import pytest

from headwise.repository.model_repository import ModelRepository
from headwise.repository.sources import ModelsFolder
from support.in_memory_gateway import Models
from support.proofs import Proving
from support.statuses import Statuses


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path)


@pytest.fixture
def statuses() -> Statuses:
    return Statuses()


@pytest.fixture
def proving() -> Proving:
    return Proving()


@pytest.fixture
def repository(models: Models, statuses: Statuses, proving: Proving) -> ModelRepository:
    return ModelRepository(ModelsFolder(models.folder), statuses, proving)
