"""Versions and cards that come, go and break while requests are under way."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from pathlib import Path

import pytest

from headwise.backends.base import PREDICT
from support import faulty_answers as faults
from support.faulty_backend import FaultyBackend
from support.gateway_process import GatewayProcess
from support.in_memory_gateway import BINARY, Models, write_card
from support.keep_alive import Answer, Caller, closed_loop
from support.standing import BODY, PATH, Measured, publish, standing


@pytest.mark.fault(9)
def test_a_version_that_is_unloaded_under_a_request(tmp_path: Path, measured: Measured) -> None:
    with standing(tmp_path) as at:
        at.backend.behave(PREDICT, faults.late(0.5))

        async def ask() -> Answer:
            caller = Caller(at.gateway.url)
            waiting = asyncio.create_task(caller.post(PATH, BODY))
            await asyncio.sleep(0.2)
            at.backend.memory.models["m"][2] = at.backend.memory.models["m"][1]
            Models(tmp_path).add("m", {"output_0": BINARY}, version=2)
            answer = await waiting
            await caller.close()
            return answer

        under_way = asyncio.run(ask())
        at.backend.behave(PREDICT)
        del at.backend.memory.models["m"]
        at.gateway.wait_for(lambda: not at.gateway.http.get("/readyz").json()["models"]["m"]["ready"])
        gone = at.gateway.classify("m", BODY)
        shutil.rmtree(tmp_path / "m")
        at.gateway.wait_for(lambda: at.gateway.classify("m", BODY).status_code == 404)
        assert at.gateway.classify("control", BODY).status_code == 200
    measured(
        f"under way: {under_way.status}; unloaded, its folder still there: {gone.status_code} with Retry-After; "
        "without it 404"
    )
    assert under_way.status == 200
    assert (gone.status_code, gone.headers["retry-after"]) == (503, "1")


@pytest.mark.fault(10)
@pytest.mark.thorough
@pytest.mark.timeout(300)
def test_versions_change_under_fifty_thousand_requests(tmp_path: Path, measured: Measured) -> None:
    def labels(version: int) -> list[str]:
        return [f"no-{version}", f"yes-{version}"]

    answers: dict[int, int] = {}
    wrong: list[bytes] = []

    def seen(answer: Answer) -> None:
        if answer.status != 200:
            wrong.append(answer.body)
            return
        document = answer.json()
        version = document["model"]["version"]
        answers[version] = answers.get(version, 0) + 1
        if document["heads"]["output_0"]["labels"] != labels(version) or not {
            one["label"] for one in document["predictions"]
        } <= set(labels(version)):
            wrong.append(answer.body)

    with standing(tmp_path) as at:
        models = at.models()

        async def swap() -> None:
            for version in range(2, 12):
                await asyncio.sleep(1)
                models.add("m", {"output_0": {**BINARY, "labels": labels(version)}}, version=version)
                if version > 3:
                    del at.backend.memory.models["m"][version - 2]
                    shutil.rmtree(tmp_path / "m" / str(version - 2))

        async def run() -> None:
            write_card(tmp_path / "m" / "1", {"output_0": {**BINARY, "labels": labels(1)}})
            await asyncio.sleep(1)
            swapping = asyncio.create_task(swap())
            until = lambda: swapping.done() and sum(answers.values()) >= 50_000  # noqa: E731
            await closed_loop(at.gateway.url, PATH, BODY, callers=16, until=until, seen=seen)
            await swapping

        asyncio.run(run())
    measured(f"{sum(answers.values())} requests over {len(answers)} versions: {len(wrong)} failed or mixed")
    assert not wrong, wrong[:3]
    assert len(answers) >= 9


BROKEN = {
    "no JSON": "{",
    "empty": "",
    "an unknown key": '{"card_version": 1, "signatures": {}, "labels": []}',
    "another signature": '{"card_version": 1, "signatures": {"zzz": {"heads": {"output_0": {"task": "binary", '
    '"activation": "linear", "labels": ["a", "b"]}}}}}',
    "another output": '{"card_version": 1, "signatures": {"serving_default": {"heads": {"y": {"task": "binary", '
    '"activation": "linear", "labels": ["a", "b"]}}}}}',
    "no such head": '{"card_version": 1, "signatures": {"serving_default": {"heads": {"output_0": {"task": "binary", '
    '"activation": "softmax", "labels": ["a", "b"]}}}}}',
}


@pytest.mark.fault(11)
def test_cards_that_are_missing_or_broken_at_start(tmp_path: Path, measured: Measured) -> None:
    with FaultyBackend() as backend:
        publish(tmp_path, [backend])
        models = Models(tmp_path, backend.memory)
        for number, text in enumerate(BROKEN.values()):
            folder = models.add(f"broken-{number}", {"output_0": BINARY})
            (folder / "assets.extra" / "head.json").write_text(text)
        models.add("bare", None)
        with GatewayProcess("--models", str(tmp_path), "--backend", backend.address) as gateway:
            gateway.wait_ready()
            for number in range(len(BROKEN)):
                refused = gateway.classify(f"broken-{number}", BODY)
                assert (refused.status_code, refused.json()["code"]) == (503, "head-config")
                assert "retry-after" not in refused.headers
                assert gateway.http.post(f"/v1/models/broken-{number}:predict", content=BODY).status_code == 503
            assert gateway.classify("bare", BODY).status_code == 404
            assert gateway.http.post("/v1/models/bare:predict", content=BODY).status_code == 200
            assert gateway.classify("control", BODY).status_code == 200
    measured(f"{len(BROKEN)} kinds of broken cards: 503 head-config, without Retry-After; the others answer")


@pytest.mark.fault(12)
def test_a_card_that_changes_on_disk_under_load(  # noqa: C901  # one story
    tmp_path: Path, measured: Measured
) -> None:
    """Rewritten, cut off, taken away, and swapped by a link as Kubernetes does it; no answer mixes two cards."""
    wrong: list[bytes] = []
    answered: list[int] = []

    def seen(answer: Answer) -> None:
        answered.append(answer.status)
        labels = answer.json()["heads"]["output_0"]["labels"] if answer.status == 200 else []
        told = {one["label"] for one in answer.json()["predictions"]} if labels else set()
        if answer.status != 200 or not told <= set(labels):
            wrong.append(answer.body)

    with standing(tmp_path) as at:
        folder = tmp_path / "m" / "1" / "assets.extra"
        card = folder / "head.json"
        first = card.read_text()

        def with_labels(name: str) -> str:
            document = json.loads(first)
            document["signatures"]["serving_default"]["heads"]["output_0"]["labels"] = [f"no-{name}", f"yes-{name}"]
            return json.dumps(document)

        async def serves(label: str) -> None:
            caller = Caller(at.gateway.url)
            async with asyncio.timeout(15):
                while label not in (await caller.post(PATH, BODY)).body.decode():  # noqa: ASYNC110  # it is polled
                    await asyncio.sleep(0.05)
            await caller.close()

        async def change() -> None:
            for name in "ab":
                (folder / "draft").write_text(with_labels(name))
                (folder / "draft").replace(card)
                await serves(f"yes-{name}")
            failed = at.metric("headwise_reload_failures_total")
            card.write_text(with_labels("c")[:100])
            await asyncio.sleep(1)
            await serves("yes-b")
            assert at.metric("headwise_reload_failures_total") == failed + 1
            for name in "de":  # `..data` names a folder, and is swapped by a rename
                data = folder / f"..{name}"
                data.mkdir()
                (data / "head.json").write_text(with_labels(name))
                (folder / "..new").symlink_to(data.name)
                (folder / "..new").replace(folder / "..data")
                if not card.is_symlink():
                    (folder / "link").symlink_to("..data/head.json")
                    (folder / "link").replace(card)
                await serves(f"yes-{name}")

        async def run() -> None:
            changing = asyncio.create_task(change())
            await closed_loop(at.gateway.url, PATH, BODY, callers=4, until=changing.done, seen=seen)
            await changing

        began = time.perf_counter()
        asyncio.run(run())
        lines = [line for line in at.gateway.log.splitlines() if "version refused" in line]
    measured(
        f"{len(answered)} requests in {time.perf_counter() - began:.0f} s while the card changed five times: "
        f"{len(wrong)} failed or mixed; one line of the log for the bad one"
    )
    assert not wrong, wrong[:3]
    assert len(lines) == 1
