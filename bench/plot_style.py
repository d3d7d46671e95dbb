"""How every plot of the benchmarks looks; text stays text, and the same figures give the same file."""

from __future__ import annotations

from typing import Any

STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "headwise",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
OURS = "#0b6e4f"
