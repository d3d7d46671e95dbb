"""What an Accept header prefers."""

import pytest

from headwise.api.rest.accept import quality

CHROME_IMAGE = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
CHROME_PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "svg", "json"),
    [
        ("", 0.0, 0.0),
        ("*/*", 1.0, 1.0),
        ("application/json", 0.0, 1.0),
        ("image/svg+xml", 1.0, 0.0),
        ("IMAGE/SVG+XML ; q=0.5 , application/json;q=0.25", 0.5, 0.25),
        ("image/*;q=0.5, image/svg+xml;q=0, */*;q=0.25", 0.0, 0.25),
        ("application/json;q=high, */*;q=0.5", 0.5, 0.0),
        (CHROME_IMAGE, 1.0, 0.8),
        (CHROME_PAGE, 0.8, 0.8),
    ],
)
def test_the_most_specific_range_says_how_much(accept: str, svg: float, json: float) -> None:
    assert (quality(accept, "image/svg+xml"), quality(accept, "application/json")) == (svg, json)
