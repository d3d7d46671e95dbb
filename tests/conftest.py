"""Settings for every test."""

import signal
from collections.abc import Callable

import pytest
from hypothesis import settings

from support.standing import Measured

# A shell without job control lets its background jobs ignore SIGINT, and children inherit that: tests that
# interrupt a child would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Deadlines are for benchmarks, and a failing example must come again on the next run.
settings.register_profile("quick", max_examples=60, deadline=None, derandomize=True, database=None)
settings.load_profile("quick")


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Coroutine tests run on uvloop, as the gateway does: its clock and its timers differ from asyncio's."""
    return "asyncio", {"use_uvloop": True}


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much is asked of tests that could go on for ever."""
    parser.addoption("--in-time", action="store_true", help="hold tests of faults to their times: nothing else may run")
    parser.addoption(
        "--openapi-examples", type=int, default=50, help="requests an operation in tests/e2e/test_openapi_fuzz.py"
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests wish to have read, whichever worker ran them."""
    reports = (report for group in ("passed", "failed") for report in terminalreporter.getreports(group))
    told = [value for report in reports for name, value in report.user_properties if name == "summary"]
    for line in told:
        terminalreporter.write_line(str(line))


@pytest.fixture(autouse=True)
def _fault(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    """Which fault of `docs/faults.md` a test shows, for the page."""
    marker = request.node.get_closest_marker("fault")
    if marker is not None:
        record_property("fault", marker.args[0])


@pytest.fixture
def measured(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Measured:
    """Writes down figures, for the page of faults."""
    return Measured(record_property, strict=request.config.getoption("--in-time"))
