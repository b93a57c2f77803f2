"""The site that scripts/docs makes of docs/, and the look at its links."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

from tests.docs_links import faults, main

ROOT = Path(__file__).resolve().parent.parent
LIMIT_S = 120
NO_NETWORK = "http://127.0.0.1:9"  # for a proxy that nobody is
PAGE = '<html><body><h1 id="top">x</h1>{}</body></html>'


def test_the_site_is_made_and_each_link_leads_somewhere(tmp_path: Path) -> None:
    """Strictly: a page that is in no menu, or a link to a heading that is gone, fails."""
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("no mkdocs in this environment")
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), NO_NETWORK)
    ended = subprocess.run(
        [ROOT / "scripts/docs", tmp_path / "site"],
        env={**os.environ, **proxies},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout == f"{tmp_path}/site/index.html\n"
    for page in (ROOT / "docs").glob("*.md"):
        assert (tmp_path / "site" / page.with_suffix(".html").name).is_file()
    assert "Unreleased" in (tmp_path / "site/changelog.html").read_text("utf-8")


@pytest.mark.parametrize("script", ["docs", "deb"])
def test_a_folder_that_cannot_be_made(tmp_path: Path, script: str) -> None:
    (tmp_path / "file").touch()
    ended = subprocess.run(
        [ROOT / "scripts" / script, tmp_path / "file/there"],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"dir_sync: {tmp_path}/file/there cannot be made; name another folder: scripts/{script} FOLDER\n"
    )


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<a href="other.html#there">x</a><a href="#top">x</a><a href="https://example.org/">x</a>', ""),
        ('<img src="picture.png"><a href="mailto:a@example.org">x</a><link rel="canonical" href="https://a.example/">', ""),
        ('<a href="missing.html">x</a>', "no missing.html"),
        ('<a href="other.html#gone">x</a>', "no heading other.html#gone"),
        ('<a href="#gone">x</a>', "no heading #gone"),
        ('<img src="gone.png">', "no gone.png"),
        ('<script src="https://example.org/x.js"></script>', "loads https://example.org/x.js"),
        ('<link rel="stylesheet" href="//example.org/x.css">', "loads //example.org/x.css"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_page_is_said(tmp_path: Path, body: str, fault: str) -> None:
    (tmp_path / "picture.png").touch()
    (tmp_path / "other.html").write_text(PAGE.format('<h2 id="there">y</h2>'))
    (tmp_path / "page.html").write_text(PAGE.format(body))
    assert faults(tmp_path) == (
        [f"page.html: {fault}" if fault.startswith("no") else f"page.html {fault}"] if fault else []
    )
    assert main([str(tmp_path)]) == int(bool(fault))


def test_a_site_without_a_page_is_none(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 1
