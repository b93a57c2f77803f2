"""What open pages are told: events, the samples of an hour."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from dir_sync.web.nodes import Nodes
from dir_sync.web.sampling import Sampler
from dir_sync.web.stream import Stream
from tests.web.kit import STATUS, StandIn


def parsed(lines: list[bytes]) -> list[tuple[str, Any]]:
    found = []
    for line in lines:
        fields = dict(part.split(": ", 1) for part in line.decode().strip().split("\n") if ": " in part)
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def test_each_page_begins_with_the_present_state_and_gets_what_follows() -> None:
    async def run() -> list[bytes]:
        opened: list[int] = []
        stream = Stream(lambda: opened.append(1))
        page = stream.listen(lambda: [("state", {"n": 1})])
        lines = [await anext(page), await anext(page)]
        assert stream.is_watched
        following = asyncio.ensure_future(anext(page))
        await asyncio.sleep(0)
        assert opened
        stream.tell("rates", ["\udce9"])
        lines.append(await following)
        stream.end()
        lines += [line async for line in page]
        assert not stream.is_watched
        assert [line async for line in stream.listen(list)] == [], "it is over"
        return lines

    assert parsed(asyncio.run(run())) == [("state", {"n": 1}), ("rates", ["\udce9"])]


def test_a_page_that_is_too_far_behind_is_closed() -> None:
    async def run() -> None:
        stream = Stream()
        slow, quick = stream.listen(list), stream.listen(list)
        await anext(slow)
        await anext(quick)
        got = 0
        for number in range(300):
            stream.tell("rates", number)
            assert parsed([await anext(quick)]) == [("rates", number)]
            got += 1
        assert got == 300
        assert [line async for line in slow] == []
        assert stream.is_watched
        await quick.aclose()  # type: ignore[attr-defined]
        assert not stream.is_watched

    asyncio.run(run())


def test_the_state_is_told_when_it_is_another(node: StandIn, tmp_path: Path) -> None:
    node.share(tmp_path / "a")
    told: list[tuple[str, Any]] = []

    class Told(Stream):
        def tell(self, name: str, value: Any) -> None:
            told.append((name, value))

    async def run() -> None:
        sampler = Sampler(Nodes(), Told(), clock=lambda: 1_000.0 + len(told))
        await sampler.look()
        await sampler.look()
        assert [name for name, _ in told] == ["state", "rates", "rates"]
        node.answers["status"] = STATUS | {"files": 4}
        await sampler.look()
        assert [name for name, _ in told[3:]] == ["state", "rates"]
        assert told[3][1]["folders"][0]["status"]["files"] == 4
        assert dict(sampler.first_events())["state"]["folders"] == told[3][1]["folders"]

    asyncio.run(run())


def test_an_hour_of_rates_is_kept(node: StandIn, tmp_path: Path) -> None:
    """All folders of two nodes share one connection: what it carries counts once."""
    node.share(tmp_path / "a")
    node.share(tmp_path / "b")
    now_s = [10_000.0]

    def peer(name: str, down: int, up: int) -> Any:
        return {"node": name, "traffic": {"receives_per_s": down, "sends_per_s": up}}

    async def run() -> None:
        sampler = Sampler(Nodes(), Stream(), clock=lambda: now_s[0])
        for down in (0, 500):
            silent = {"node": "carol", "traffic": None}
            node.answers["status"] = STATUS | {"peers": [peer("bob", down, 7), silent, peer("dan", 1, 2)]}
            await sampler.look()
            now_s[0] += 2.0
        assert [point.to_json() for point in sampler.points] == [[10_000.0, 1, 9], [10_002.0, 501, 9]]
        now_s[0] += 3_601.0
        await sampler.look()
        assert len(sampler.points) == 1

    asyncio.run(run())


def test_a_node_that_hangs_delays_no_other(node: StandIn, tmp_path: Path) -> None:
    import threading

    go_on = threading.Event()
    node.share(tmp_path / "a")
    node.share(tmp_path / "b")

    class Slow(Nodes):
        def state(self, folder: Any) -> Any:
            if folder.path.endswith("/a"):
                assert go_on.wait(30)
            return super().state(folder)

    async def run() -> None:
        sampler = Sampler(Slow(), Stream())
        try:
            await sampler.look()
            hanging, answered = sampler.state()["folders"]
            assert "busy" in hanging["problem"]
            assert answered["status"] == STATUS
        finally:
            go_on.set()
        while sampler.state()["folders"][0]["status"] is None:
            await sampler.look()

    asyncio.run(asyncio.wait_for(run(), 30))
