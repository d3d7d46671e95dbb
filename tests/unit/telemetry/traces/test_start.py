"""Traces are an extra: without them nothing of it is loaded, and who asks for what is not there learns what to do."""

import pytest

from headwise.errors import ConfigurationError
from headwise.telemetry.traces import start
from support.python_program import run

OFF = """
import sys
from headwise import server
from headwise.bootstrap import build
print([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))])
"""


def test_nothing_is_loaded_where_they_are_off() -> None:
    done = run(OFF)
    assert done.stdout == "[]\n", done.stderr


def test_what_is_needed_is_here() -> None:
    start.check()


@pytest.mark.parametrize("name", ["opentelemetry.nothing", "nothing_of_that_name.at.all"])
def test_without_the_extra_it_says_what_to_install(name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{name} is not installed: pip install 'headwise\[traces\]', or"):
        start.check((name,))


SERVICE = """
from headwise.telemetry.traces.start import start
tracing = start("headwise")
told = tracing.grpc("S/M", {}, 0.0)
print(told.trace.sampled and told.trace._span.resource.attributes["service.name"])
tracing.close(0.2)
"""


def test_opentelemetrys_own_variables_count() -> None:
    assert run(SERVICE).stdout == "headwise\n"
    assert run(SERVICE, OTEL_SERVICE_NAME="mine").stdout == "mine\n"
    assert run(SERVICE, OTEL_TRACES_SAMPLER="always_off").stdout == "False\n"


def test_a_variable_that_is_wrong_is_told() -> None:
    done = run(SERVICE, OTEL_EXPORTER_OTLP_TIMEOUT="soon")
    assert "ConfigurationError: traces cannot be switched on by the variables OTEL_*: ValueError: " in done.stderr
