"""What is fuzzed, without the fuzzer: seeds, the inputs that were found, some mutations; and what a campaign says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from random import Random

import pytest

import campaign
import json_mutator
from headwise.errors import HeadwiseError, InvalidRequestError
from targets import TARGETS, Target

REGRESSIONS = Path(campaign.__file__).parent / "regressions"
FOUND = sorted(path for path in REGRESSIONS.glob("*/*"))


@pytest.mark.parametrize("found", FOUND, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_once_is_read_now(found: Path) -> None:
    TARGETS[found.parent.name].run(found.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_reach_what_is_fuzzed(name: str) -> None:
    """A campaign from seeds that are all refused at the door would find nothing."""
    read = Counter(_is_read(TARGETS[name], seed) for seed in TARGETS[name].seeds())
    assert read[True] >= 20


@pytest.mark.parametrize("name", TARGETS)
def test_mutations_of_seeds_are_read(name: str) -> None:
    target, random = TARGETS[name], Random(0)
    seeds = list(target.seeds())
    mutations = [target.mutated(random.choice(seeds), random) for _ in range(200)]
    mutated = [data for data in mutations if data is not None]
    assert len(set(mutated)) > 50
    for data in mutated:
        target.run(data)


def _is_read(target: Target, data: bytes) -> bool:
    try:
        target.reads(data)
    except HeadwiseError:
        return False
    return True


def reads(error: Exception) -> Target:
    def read(_: bytes) -> None:
        raise error

    def nothing() -> Iterable[bytes]:
        return ()

    return Target(read, nothing, lambda data, _: data)


def test_a_headwise_error_is_an_answer_and_all_else_is_found() -> None:
    reads(InvalidRequestError("no")).run(b"")
    for error in (ValueError("no"), MemoryError(), RecursionError(), RuntimeWarning("overflow")):
        with pytest.raises(type(error)):
            reads(error).run(b"")


def test_a_json_text_that_nests_beyond_measure_has_no_mutation() -> None:
    assert json_mutator.mutated(b"[" * 100_000, Random(0)) is None
    assert json_mutator.mutated(b"no json", Random(0)) is None


LOG = """#2\tINITED cov: 1041 ft: 1041 corp: 1/1b exec/s: 0 rss: 99Mb
#5528\tNEW    cov: 1124 ft: 2253 corp: 260/23Kb lim: 65536 exec/s: 0 rss: 103Mb L: 26/1212 MS: 1 Custom-
stat::number_of_executed_units: %d
"""


def test_an_outcome_is_read_from_what_the_fuzzer_prints() -> None:
    done = campaign.outcome("cards", 0, 30, LOG % 60_000, [])
    assert done.is_clean
    assert str(done).split() == ["cards", "60,000", "executions", "2,000/s", "1124", "edges", "(+83)", "0", "findings"]


@pytest.mark.parametrize(
    ("code", "log", "findings"),
    [(77, LOG % 9, []), (0, LOG % 0, []), (0, "", []), (0, LOG % 9, [Path("crash-1")])],
    ids=["it ended with an error", "it executed nothing", "it printed nothing", "it left an input"],
)
def test_a_campaign_that_went_wrong_is_not_clean(code: int, log: str, findings: list[Path]) -> None:
    assert not campaign.outcome("cards", code, 30, log, findings).is_clean


def test_without_atheris_it_says_so_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert campaign.main([], fuzzer="a_fuzzer_that_nobody_has") == 2
    assert "atheris is not installed" in capsys.readouterr().err
