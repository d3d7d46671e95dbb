"""More than a process can carry is refused before anything is done for it."""

from contextlib import suppress
from pathlib import Path

import pytest

from headwise.admission import Admission, Promise
from headwise.admission.admission import LARGE
from headwise.admission.memory import limited
from headwise.errors import OverloadedError, PayloadTooLargeError
from support.control_group import ControlGroup


def test_there_is_room_for_so_many_requests_and_again_when_one_is_answered() -> None:
    admission = Admission(in_flight=2)
    with admission.room("a"):
        with (
            admission.room("b"),
            pytest.raises(OverloadedError, match="2 requests are being answered"),
            admission.room("c"),
        ):
            pass
        with admission.room("c"):
            assert admission.in_flight == 2
    assert admission.in_flight == 0


def test_one_model_leaves_room_for_others() -> None:
    admission = Admission(in_flight=3, per_model=1)
    with admission.room("a"):
        with pytest.raises(OverloadedError, match="1 requests for a are"), admission.room("a"):
            pass
        with admission.room("b"):
            pass
    with admission.room("a"):
        pass


def test_a_request_that_fails_gives_its_room_back() -> None:
    admission = Admission(in_flight=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), admission.room("a"):
            raise ZeroDivisionError
    assert admission.in_flight == 0


def test_why_a_request_is_refused_is_told_and_who_is_being_answered() -> None:
    told: list[str] = []
    admission = Admission(in_flight=2, per_model=1, refused=told.append)
    with admission.room("a"), suppress(OverloadedError):
        admission.enter("a")
    with admission.room("a"), admission.room("b"), suppress(OverloadedError):
        assert admission.by_model == {"a": 1, "b": 1}
        admission.enter("c")
    assert told == ["in-flight-of-model", "in-flight"]
    assert admission.by_model == {}


def test_one_request_has_so_many_rows_and_no_more() -> None:
    Admission(rows=3).check_rows(3)
    with pytest.raises(PayloadTooLargeError, match=r"4 rows, 3 are taken \(max_rows\)"):
        Admission(rows=3).check_rows(4)


@pytest.fixture
def group(tmp_path: Path) -> ControlGroup:
    made = ControlGroup(tmp_path, 1000)
    made.use(100)
    return made


def test_near_the_limit_nothing_more_is_taken_and_further_off_it_is_again(group: ControlGroup) -> None:
    memory, told = group.memory(), list[str]()
    admission = Admission(memory=memory, refused=told.append)
    with admission.room("a"):
        group.use(901)
        memory.look()
        with pytest.raises(OverloadedError, match="memory runs short: 901 of 1000 MiB"), admission.room("a"):
            pass
        assert told == ["memory"]
        group.use(899)
        memory.look()
        with admission.room("a"):
            pass


def test_one_request_is_taken_whatever_the_memory_says(group: ControlGroup) -> None:
    memory = group.memory()
    group.use(990)
    memory.look()
    with Admission(memory=memory).room("a"):
        pass


def test_cached_files_are_no_use_of_memory(group: ControlGroup) -> None:
    memory = group.memory()
    group.use(100, files=890)
    memory.look()
    assert not memory.would_be_short()


def test_version_1_is_read_too(tmp_path: Path) -> None:
    folder = tmp_path / "cgroup" / "memory" / "docker" / "x"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text(str(100 << 20))
    (folder / "memory.usage_in_bytes").write_text(str(95 << 20))
    (folder / "memory.stat").write_text("total_inactive_file 0\n")
    (folder.parent / "memory.limit_in_bytes").write_text("9223372036854771712")
    (tmp_path / "self").write_text("4:memory:/docker/x\n1:cpu:/\n0::/\n")
    memory = limited(0.9, proc=tmp_path / "self", root=tmp_path / "cgroup")
    assert memory is not None
    memory.look()
    assert memory.would_be_short()


@pytest.mark.parametrize("text", ["", "0::/\n", "nonsense\n"])
def test_without_a_limit_nothing_is_watched(tmp_path: Path, text: str) -> None:
    (tmp_path / "self").write_text(text)
    (tmp_path / "cgroup").mkdir()
    assert limited(0.9, proc=tmp_path / "self", root=tmp_path / "cgroup") is None
    assert limited(0.9, proc=tmp_path / "none", root=tmp_path / "cgroup") is None


def test_a_group_that_cannot_be_read_any_more_keeps_its_last_figure(group: ControlGroup) -> None:
    memory = group.memory()
    group.use(950)
    memory.look()
    (group.folder / "memory.current").unlink()
    memory.look()
    assert memory.would_be_short()


def test_what_was_promised_to_one_is_not_promised_to_another(group: ControlGroup) -> None:
    admission = Admission(memory=group.memory())
    with admission.memory_for(500 << 20):
        with pytest.raises(OverloadedError), admission.memory_for(500 << 20):
            pass
        with admission.memory_for(200 << 20):
            pass
    with admission.memory_for(500 << 20):
        pass


def test_one_gets_more_than_there_is_if_nobody_else_has_any(group: ControlGroup) -> None:
    with Admission(memory=group.memory()).memory_for(5000 << 20):
        pass


def test_a_large_one_is_judged_by_a_fresh_look(group: ControlGroup) -> None:
    admission = Admission(memory=group.memory())
    group.use(950)
    with admission.room("a"), pytest.raises(OverloadedError):
        admission.check_memory(1)


def test_a_promise_grows_and_what_it_has_is_nobody_elses(group: ControlGroup) -> None:
    admission = Admission(memory=group.memory())
    first, second = Promise(admission), Promise(admission)
    first.grow(500 << 20)
    second.grow(200 << 20)
    with pytest.raises(OverloadedError):
        second.grow(400 << 20)
    assert second.size == 200 << 20, "it keeps what it has"
    first.end()
    second.grow(400 << 20)
    second.end()
    with Promise(admission).memory_for(800 << 20):
        pass


def test_who_is_alone_is_promised_more_and_more_whatever_there_is(group: ControlGroup) -> None:
    promise = Promise(Admission(memory=group.memory()))
    group.use(950)
    promise.grow(500 << 20)
    promise.grow(900 << 20)
    with promise.memory_for(900 << 20):
        assert promise.size == 1800 << 20
    assert promise.size == 900 << 20


def test_what_is_small_is_not_asked_for(group: ControlGroup) -> None:
    admission = Admission(memory=group.memory())
    with admission.room("a"):
        group.use(950)
        with admission.memory_for(LARGE - 1):
            pass
        with pytest.raises(OverloadedError), admission.memory_for(LARGE):
            pass
