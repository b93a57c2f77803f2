"""The pages of docs/ that can be held against the program: its options, its commands, and what people type elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dir_sync.cli import COMMANDS, main
from dir_sync.cli.options import run_parser
from dir_sync.core.frozen import fields_of
from dir_sync.core.peer_status import AwayPeer, PeerStatus, Traffic
from dir_sync.core.status import (
    Change,
    HeldChange,
    MeshStatus,
    PauseStatus,
    Receiving,
    ScheduleStatus,
    ScrubStatus,
    Sending,
    Status,
    Trouble,
    Unwatched,
)
from dir_sync.core.waits import Wait
from tests import cli_doc, events_doc, options_doc

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), DOCS.parent / "README.md"]


def test_the_page_of_options_is_what_the_program_says() -> None:
    assert options_doc.PAGE.read_text("utf-8") == options_doc.page(), "run: python -m tests.options_doc"


def test_the_page_of_events_is_what_the_types_say() -> None:
    assert events_doc.PAGE.read_text("utf-8") == events_doc.page(), "run: python -m tests.events_doc"


def test_exit_codes_and_json_of_docs_cli_are_what_the_tables_say() -> None:
    text = cli_doc.PAGE.read_text("utf-8")
    assert text == cli_doc.page(text), "run: python -m tests.cli_doc"


def test_an_option_without_a_row_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = run_parser()
    parser.add_argument("--new-one", metavar="N", default=3, help="something new (default: %(default)s)")
    monkeypatch.setattr(options_doc, "run_parser", lambda: parser)
    assert "| `--new-one N` | `3` |" in options_doc.page()
    assert options_doc.main(["--check"]) == 1


def test_every_command_stands_in_docs_cli() -> None:
    text = (DOCS / "cli.md").read_text("utf-8")
    table = text[text.index("| command |") :].partition("\n\n")[0]
    named = {words.split()[0] for row in table.splitlines() for words in re.findall(r"`([^`]+)`", row.split("|")[1])}
    assert set(COMMANDS) - {"run"} <= named  # it is "DIR..." there


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_no_default_that_is_none(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert "None" not in capsys.readouterr().out


def test_each_page_is_in_the_menu_of_the_site() -> None:
    menu = re.findall(r": ([\w-]+\.md)$", (DOCS.parent / "mkdocs.yml").read_text("utf-8"), re.M)
    assert {page.name for page in DOCS.glob("*.md")} == set(menu) - {"changelog.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    for place, heading in re.findall(r"\]\(([^)#:]*)(#[^)]*)?\)", text):
        to = page.parent / place if place else page
        assert to.exists(), place
        if heading:
            titles = re.findall(r"^#+ (.*)$", to.read_text("utf-8"), re.M)
            assert heading[1:] in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, heading


def test_each_wait_and_each_check_stands_in_the_docs() -> None:
    page = (DOCS / "doctor.md").read_text("utf-8")
    rows = re.findall(r"^\| `([^`]+)` \|", page.partition("## What a path can wait for")[2], re.M)
    assert rows == ["wait", *(wait.value for wait in Wait)]
    checks = page.partition("## What a path can wait for")[0]
    named = set(re.findall(r"`([a-z-]+)(?:\.\.\.|-NAME|-INTERFACE(?:\.\.\.)?)?`", checks))
    made = set()
    for path in (DOCS.parent / "dir_sync/doctor").glob("*_checks.py"):
        made |= set(re.findall(r'(?:good|warn|fail)\(\s*f?"([a-z-]+?)-?[{"]', path.read_text("utf-8")))
    assert {"broadcast", "space", "librsync"} <= made
    assert {name for name in made if not name.startswith("file-system-")} <= named, made - named


STATUS = [
    *(Status, MeshStatus, PauseStatus, ScheduleStatus, ScrubStatus, PeerStatus, AwayPeer, Traffic, Change, HeldChange),
    *(Receiving, Sending, Trouble, Unwatched),
]


@pytest.mark.parametrize("kind", STATUS)
def test_each_key_of_status_stands_in_docs_cli(kind: type[object]) -> None:
    text = (DOCS / "cli.md").read_text("utf-8")
    part = text.partition("`status --json` prints one JSON object")[2].partition("`why --json` prints one JSON object")[
        0
    ]
    assert [name for name in fields_of(kind)[0] if f"`{name}`" not in part] == []
