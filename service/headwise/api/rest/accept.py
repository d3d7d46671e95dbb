"""What a caller prefers to get (RFC 9110, section 12.5.1)."""

from __future__ import annotations


def quality(accept: str, media_type: str) -> float:
    """How much an Accept header wants a media type, by its most specific range; 0 where it does not name it."""
    ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
    said = dict(_range(part) for part in accept.split(","))
    return next((said[name] for name in ranges if name in said), 0.0)


def _range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    weights = [value for key, _, value in (parameter.partition("=") for parameter in parameters) if key == "q"]
    try:
        return name, float(weights[0]) if weights else 1.0
    except ValueError:
        return name, 0.0
