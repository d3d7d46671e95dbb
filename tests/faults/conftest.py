"""Each test says which fault of `docs/faults_page.py` it shows, and what it measured."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.standing import Measured


@pytest.fixture(autouse=True)
def _fault(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    marker = request.node.get_closest_marker("fault")
    assert marker is not None, "mark the test with its fault's number"
    record_property("fault", marker.args[0])


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Measured:
    """Write down a figure for the page."""

    def write(text: str) -> None:
        record_property("measured", text)
        print(text)

    return write
