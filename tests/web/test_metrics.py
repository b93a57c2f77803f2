"""The page for Prometheus."""

from __future__ import annotations

from pathlib import Path

from tests.cli.test_status import ANSWER
from tests.web.kit import StandIn, browser


def test_all_folders_are_there(node: StandIn, tmp_path: Path) -> None:
    node.answers["status"] = ANSWER
    first, second = node.share(tmp_path / "a"), node.share(tmp_path / "b")
    with browser() as page:
        answer = page.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    for folder in (first, second):
        assert f'dir_sync_up{{folder="{folder}"}} 1\n' in answer.text
        assert f'dir_sync_files{{folder="{folder}"}} 3\n' in answer.text
