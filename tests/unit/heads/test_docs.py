"""docs/heads.md holds HEAD_TABLE as it is, and names what the code knows."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

from pydantic import TypeAdapter

from headwise.heads import CALIBRATORS, HEAD_TABLE, Head, Legal, Refused
from headwise.heads.decisions import RULES, Decision

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "heads.md").read_text("utf-8")


def test_the_table_in_the_docs_is_the_generated_one() -> None:
    with_table = runpy.run_path(str(DOCS / "head_table.py"))["with_table"]

    assert with_table(PAGE) == PAGE, "regenerate it: python docs/head_table.py"


def test_every_formula_and_every_reason_is_told() -> None:
    for row in HEAD_TABLE.values():
        for cell in row.values():
            assert isinstance(cell, Legal | Refused)
            for text in (cell.formula,) if isinstance(cell, Legal) else (cell.why, cell.instead):
                assert text in PAGE


def test_every_calibrator_rule_and_task_is_told() -> None:
    assert all(f"| `{method}` |" in PAGE for method in CALIBRATORS)
    for task, rules in RULES.items():
        assert f"| {task} |" in PAGE
        assert all(rule in PAGE for rule in rules)


def test_the_examples_are_a_head_and_rules() -> None:
    first, rules = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[:2]

    assert Head(**json.loads(first)).labels == ("benign", "malignant")
    for line in rules.splitlines():
        assert TypeAdapter(Decision).validate_json(line), line
