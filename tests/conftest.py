"""Settings for every test."""

import pytest
from hypothesis import settings

# Deadlines are for benchmarks, and a failing example must come again on the next run.
settings.register_profile("quick", max_examples=60, deadline=None, derandomize=True, database=None)
settings.load_profile("quick")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Coroutine tests run on asyncio, as the gateway does."""
    return "asyncio"
