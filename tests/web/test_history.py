"""Routes about files and their old versions."""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from dir_sync.core.jobs import Cause, Version
from dir_sync.core.model import Kind
from dir_sync.disk import RealDisk
from dir_sync.disk.files import File
from dir_sync.history.codec import id_of, packed
from dir_sync.network.control import Answer
from dir_sync.ports import DiskError, Trouble
from dir_sync.web.replies import key_of
from dir_sync.web.texts import decoded
from tests.web.kit import Browser, StandIn

NS = 10**9


def kept(folder: Path, path: bytes, data: bytes, until_s: int, why: Cause = Cause.REPLACED) -> Version:
    """An old version in the history of a folder."""
    name = f"{len(os.listdir(folder / '.dir_sync/versions')):08x}".encode()
    (folder / ".dir_sync/versions" / os.fsdecode(name)).write_bytes(data)
    full = b".dir_sync/versions/" + name
    return Version(full, path, Kind.FILE, len(data), blake3(data).digest(), 5 * NS, 0o644, until_s * NS, why, "b" * 32)


class Shared:
    """A folder whose node answers as a node does, from what the test has put there."""

    def __init__(self, node: StandIn, page: Browser, tmp_path: Path) -> None:
        self.node, self.page = node, page
        self.path = node.share(tmp_path / "shared")
        (self.path / ".dir_sync/versions").mkdir()
        (self.path / ".dir_sync/staging").mkdir()
        self.versions: list[Version] = []
        self.elsewhere: list[Version] = []
        self.makers: dict[str, str] = {}  # by the id of the version that lost
        self.winners: dict[str, str] = {}  # by path
        self.api = f"/api/folders/{page.id_of(self.path)}"
        node.answers["versions"] = self._listed
        node.answers["keep"] = {}
        node.answers["settle"] = {}
        node.answers["pending"] = {"count": 0}

    def _listed(self, question: Answer) -> Answer:
        peers = [{"node": "c" * 32, "versions": [packed(one._replace(name=b"")) for one in self.elsewhere]}]
        names = {"b" * 32: "bob", "c" * 32: "carol\u202e"}
        return {
            "versions": [packed(one) for one in self.versions],
            "names": names,
            "node": "a" * 32,
            "peers": peers,
            "known": False,
            "makers": self.makers,
            "winners": self.winners,
        }

    def keep(self, path: bytes, data: bytes, until_s: int = 100, why: Cause = Cause.REPLACED) -> str:
        version = kept(self.path, path, data, until_s, why)
        self.versions.append(version)
        return id_of(version)


@pytest.fixture
def shared(node: StandIn, page: Browser, tmp_path: Path) -> Shared:
    return Shared(node, page, tmp_path)


def test_files_are_listed_folder_by_folder(shared: Shared) -> None:
    (shared.path / "sub/deep").mkdir(parents=True)
    (shared.path / "a.txt").write_bytes(b"123")
    (shared.path / "sub/x\ny").write_bytes(b"")
    os.symlink("/etc", shared.path / "link")
    os.mkfifo(shared.path / "pipe")
    with open(os.fsencode(shared.path) + b"/caf\xe9", "wb"):
        pass
    answer = shared.page.get(f"{shared.api}/files")
    assert [(row["name"], row["kind"]) for row in answer["rows"]] == [
        *(("sub", "folder"), ("a.txt", "file"), ("caf\\xe9", "file"), ("link", "link"), ("pipe", "other"))
    ]
    assert answer["count"] == 5
    below = shared.page.get(f"{shared.api}/files", dir=key_of(b"sub"))
    assert [row["name"] for row in below["rows"]] == ["deep", "x\\ny"]
    deep = shared.page.get(f"{shared.api}/files", dir=key_of(b"sub/deep"))
    assert deep["above"] == [{"key": key_of(b"sub"), "name": "sub"}, {"key": key_of(b"sub/deep"), "name": "deep"}]


def test_no_path_leads_out_of_the_folder(shared: Shared, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").write_bytes(b"a secret")
    os.symlink(tmp_path / "secret", shared.path / "way")
    os.symlink(tmp_path / "secret/key", shared.path / "key")
    os.symlink("..", shared.path / "up")
    for path in (b"../secret/key", b"way/key", b"way", b"up/secret/key", b".dir_sync/control", b"/etc/passwd"):
        for route in ("download", "text", "image", "diff", "timeline", "files"):
            answer = shared.page.client.get(f"{shared.api}/{route}", params={"path": key_of(path), "dir": key_of(path)})
            assert b"a secret" not in answer.content
            assert b"root:" not in answer.content
        assert "rows" not in shared.page.client.get(f"{shared.api}/files", params={"dir": key_of(path)}).json()
        shared.page.refused(f"{shared.api}/restore", {"path": key_of(path), "version": "00000000"})
    download = shared.page.client.get(f"{shared.api}/download", params={"path": key_of(b"key")})
    assert download.content == os.fsencode(tmp_path / "secret/key"), "of a link its target, not what is there"


def test_names_are_found_anywhere_below(shared: Shared) -> None:
    (shared.path / "Sub/one").mkdir(parents=True)
    for name in ("Sub/one/Report.ODT", "report.txt", "other"):
        (shared.path / name).write_bytes(b"")
    rows = shared.page.get(f"{shared.api}/files", find="rePORT")["rows"]
    assert [row["path"] for row in rows] == ["Sub/one/Report.ODT", "report.txt"]


def test_many_files_come_page_by_page(shared: Shared) -> None:
    for number in range(450):
        (shared.path / f"f{number:04}").touch()
    first = shared.page.get(f"{shared.api}/files", offset=0, limit=200)
    (shared.path / "a-new-one").touch()
    rest = [shared.page.get(f"{shared.api}/files", offset=offset, limit=200) for offset in (200, 400)]
    names = [row["name"] for answer in (first, *rest) for row in answer["rows"]]
    assert names == [f"f{number:04}" for number in range(450)], "one list, while it is paged through"
    assert shared.page.get(f"{shared.api}/files")["count"] == 451
    for query in ({"offset": "-1"}, {"limit": "x"}, {"limit": "1001"}, {"offset": "9" * 11}):
        assert "whole number" in shared.page.refused(f"{shared.api}/files", **query)


def test_a_hundred_thousand_old_versions_are_asked_for_once(shared: Shared) -> None:
    shared.elsewhere = [
        Version(b"", b"dir/f%06d" % n, Kind.FILE, n, b"%032d" % n, n, 0o644, n * NS, Cause.REPLACED, "b" * 32)
        for n in range(20_000)
    ]
    first = shared.page.get(f"{shared.api}/history")
    assert first["count"] == 20_000
    assert first["rows"][0]["path"] == "dir/f019999"
    begin_s = time.monotonic()
    for offset in range(200, 20_000, 2_000):
        assert len(shared.page.get(f"{shared.api}/history", offset=offset)["rows"]) == 200
    assert time.monotonic() - begin_s < 10
    assert sum(one["command"] == "versions" for one in shared.node.asked) == 1
    assert shared.page.get(f"{shared.api}/history", find="F00777")["count"] == 10


def test_the_timeline_of_one_file(shared: Shared) -> None:
    (shared.path / "a").write_bytes(b"now")
    older, newer = shared.keep(b"a", b"first", 50), shared.keep(b"a", b"second", 60, Cause.CONFLICT)
    shared.keep(b"a/b", b"no")
    shared.keep(b"ab", b"no")
    shared.elsewhere = [shared.versions[0]._replace(path=b"a", content=b"x" * 32, time_ns=55 * NS)]
    told = shared.page.get(f"{shared.api}/timeline", path=key_of(b"a"))
    assert told["now"]["size"] == 3
    assert [one["id"] for one in told["versions"]][::2] == [newer, older]
    assert [one["here"] for one in told["versions"]] == [True, False, True]
    assert told["versions"][0]["why"] == "conflict"
    assert told["versions"][0]["by"] == "bob"
    assert told["versions"][1]["on"] == "carol\\u202e"
    (shared.path / "a").unlink()
    assert shared.page.get(f"{shared.api}/timeline", path=key_of(b"a"))["now"] is None


def test_a_version_comes_back(shared: Shared) -> None:
    (shared.path / "a").write_bytes(b"now")
    id_ = shared.keep(b"a", b"before")
    body = {"path": key_of(b"a"), "version": id_}
    assert shared.page.post(f"{shared.api}/restore", body) == {"restored": True, "path": "a"}
    assert (shared.path / "a").read_bytes() == b"before"
    keeping = next(one for one in shared.node.asked if one["command"] == "keep")
    assert keeping["path"] == "a"
    assert shared.page.post(f"{shared.api}/restore", body)["restored"] is False, "it is there already"
    assert "no such old version" in shared.page.refused(f"{shared.api}/restore", body | {"version": "00000000"})
    (shared.path / "a").unlink()
    (shared.path / "a").mkdir()
    assert "is a folder now" in shared.page.refused(f"{shared.api}/restore", body)


def test_what_the_disk_refuses_is_one_line(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = shared.keep(b"a", b"before", why=Cause.CONFLICT)

    def fail(self: RealDisk, path: bytes) -> None:
        raise DiskError(Trouble.BOUNDARY, path)

    for verb in ("stat", "list"):
        monkeypatch.setattr(RealDisk, verb, fail)
    query = {"path": key_of(b"a")}
    line = "a cannot be read: a symbolic link or a mount point is in the way"
    for route in ("timeline", "conflicts", "text", "download", "image", "diff"):
        assert shared.page.refused(f"{shared.api}/{route}", **query) == line
    assert shared.page.refused(f"{shared.api}/files", dir=key_of(b"a")) == line
    assert shared.page.refused(f"{shared.api}/restore", query | {"version": lost}) == line
    assert shared.page.refused(f"{shared.api}/conflicts", {"ids": [lost], "choice": "restore"}) == line


def test_a_version_of_another_machine_is_recalled(shared: Shared) -> None:
    version = kept(shared.path, b"a", b"there", 10)
    shared.elsewhere = [version]

    def recall(question: Answer) -> Answer:
        (shared.path / "a").write_bytes(b"there")
        return {}

    shared.node.answers["recall"] = recall
    assert shared.page.post(f"{shared.api}/restore", {"path": key_of(b"a"), "version": id_of(version)})["restored"]
    assert next(one for one in shared.node.asked if one["command"] == "recall")["holder"] == "c" * 32
    data = {"data": base64.b64encode(b"there").decode()}
    shared.node.answers["excerpt"] = data
    query = {"path": key_of(b"a"), "version": id_of(version)}
    assert shared.page.get(f"{shared.api}/text", **query)["text"] == "there"
    assert shared.page.client.get(f"{shared.api}/download", params=query).content == b"there"
    shared.node.answers["excerpt"] = {"error": "that machine is not connected"}
    for route in ("text", "download"):
        assert shared.page.refused(f"{shared.api}/{route}", **query) == "that machine is not connected"


def test_conflicts_have_both_sides(shared: Shared) -> None:
    (shared.path / "a").write_bytes(b"winner")
    lost, other = shared.keep(b"a", b"loser", 70, Cause.CONFLICT), shared.keep(b"b", b"gone", 80, Cause.CONFLICT)
    shared.keep(b"c", b"no conflict")
    shared.makers[lost] = "c" * 32
    found = shared.page.get(f"{shared.api}/conflicts")
    assert [(one["id"], one["now"] and one["now"]["size"]) for one in found["rows"]] == [(other, None), (lost, 6)]
    assert [(one["by"], one["made_by"]) for one in found["rows"]] == [("bob", ""), ("bob", "carol\\u202e")]
    assert found["rows"][1]["now"]["by"] == "bob", "a node of an older version does not say who changed it since"
    shared.winners["a"] = "c" * 32
    assert shared.page.get(f"{shared.api}/conflicts")["rows"][1]["now"]["by"] == "carol\\u202e"
    shared.makers[lost] = "a" * 32
    assert shared.page.get(f"{shared.api}/conflicts")["rows"][1]["made_by"] == "this node"
    assert shared.page.post(f"{shared.api}/conflicts", {"ids": [lost], "choice": "restore"}) == {"settled": 1}
    assert (shared.path / "a").read_bytes() == b"loser"
    assert shared.page.post(f"{shared.api}/conflicts", {"ids": [other], "choice": "keep"}) == {"settled": 1}
    assert not (shared.path / "b").exists()
    settled = [one["versions"][0]["path"] for one in shared.node.asked if one["command"] == "settle"]
    assert settled == ["a", "b"]
    for body in (
        {"ids": ["00000000"], "choice": "keep"},
        {"ids": [lost], "choice": "x"},
        {"ids": "x", "choice": "keep"},
        {},
    ):
        shared.page.refused(f"{shared.api}/conflicts", body or {"choice": 1})


def test_held_changes_are_decided(shared: Shared) -> None:
    shared.node.answers["approve"] = {"files": 3, "missing": 0, "missing_here": 0, "elsewhere": 0, "others": []}
    shared.node.answers["reject"] = {"files": 3, "missing": 0, "missing_here": 0, "elsewhere": 0, "others": []}
    assert shared.page.post(f"{shared.api}/approve")["files"] == 3
    assert shared.page.post(f"{shared.api}/reject")["files"] == 3
    shared.node.answers["approve"] = {"files": 0, "missing": 0, "missing_here": 0, "elsewhere": 9, "others": []}
    assert "only be approved on another machine" in shared.page.refused(f"{shared.api}/approve", {})


def test_downloads_are_attachments(shared: Shared) -> None:
    (shared.path / 'ü "x".html').write_bytes(b"<script>alert(1)</script>" * 50_000)
    answer = shared.page.client.get(f"{shared.api}/download", params={"path": key_of('ü "x".html'.encode())})
    assert answer.content == b"<script>alert(1)</script>" * 50_000
    assert answer.headers["Content-Type"] == "application/octet-stream"
    disposition = answer.headers["Content-Disposition"]
    assert disposition == "attachment; filename=\"_ _x_.html\"; filename*=UTF-8''%C3%BC%20%22x%22.html"
    safe(answer)


def safe(answer: Any) -> None:
    """What comes from a user's file cannot run anything."""
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


IMAGES = {
    "a.png": (b"\x89PNG\r\n\x1a\n" + b"x" * 40, "image/png"),
    "b.html": (b"\xff\xd8\xff\xe0<script>", "image/jpeg"),
    "c": (b"GIF89a<script>", "image/gif"),
    "d": (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
    "e": (b"\x00\x00\x00\x1cftypavif", "image/avif"),
    "svg.svg": (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", ""),
    "svg.png": (b"<?xml version='1.0'?><svg/>", ""),
    "page.png": (b"<html><script>alert(1)</script>", ""),
    "pdf.png": (b"%PDF-1.7", ""),
}


@pytest.mark.parametrize("name", IMAGES)
def test_only_images_are_shown_and_svg_is_text(shared: Shared, name: str) -> None:
    data, kind = IMAGES[name]
    (shared.path / name).write_bytes(data)
    query = {"path": key_of(name.encode())}
    text = shared.page.get(f"{shared.api}/text", **query)
    assert text["kind"] == ("image" if kind else "text")
    if not kind:
        assert text["text"] == data.decode()
        assert "no image" in shared.page.refused(f"{shared.api}/image", **query)
        return
    answer = shared.page.client.get(f"{shared.api}/image", params=query)
    assert (answer.status_code, answer.headers["Content-Type"], answer.content) == (200, kind, data)
    safe(answer)


@pytest.mark.parametrize("verb", ["read", "stat"])
def test_a_file_that_cannot_be_read_is_closed(shared: Shared, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    def fail(self: File, *_: object) -> bytes:
        raise DiskError(Trouble.IO, b"a")

    (shared.path / "a").write_bytes(b"x")
    id_ = shared.keep(b"a", b"before")
    monkeypatch.setattr(File, verb, fail)
    for route in ("image", "text", "diff"):
        for version in ("now", id_):
            query = {"path": key_of(b"a"), "version": version, "from": version}
            assert "cannot be read" in shared.page.refused(f"{shared.api}/{route}", **query)
    open_now = {os.path.realpath(f"/proc/self/fd/{handle}") for handle in os.listdir("/proc/self/fd")}
    assert not {one for one in open_now if one.startswith(f"{shared.path}/") and not one.endswith("/.dir_sync")}


def test_previews_of_texts(shared: Shared) -> None:
    for name, data, kind in (
        ("a", b"hello", "text"),
        ("b", b"a\0b", "binary"),
        ("c", b"\xff\xfe", "binary"),
        ("d", b"", "text"),
    ):
        (shared.path / name).write_bytes(data)
        assert shared.page.get(f"{shared.api}/text", path=key_of(name.encode()))["kind"] == kind
    (shared.path / "old.txt").write_bytes("Grüße an alle\n".encode("latin-1"))
    latin = shared.page.get(f"{shared.api}/text", path=key_of(b"old.txt"))
    assert (latin["encoding"], latin["text"]) == ("latin-1", "Grüße an alle\n")
    (shared.path / "long").write_bytes("é".encode() * 600_000)
    cut = shared.page.get(f"{shared.api}/text", path=key_of(b"long"))
    assert (cut["whole"], len(cut["text"])) == (False, 500_000)
    (shared.path / "odd").write_bytes(b"x" + "é".encode() * 600_000)
    assert len(shared.page.get(f"{shared.api}/text", path=key_of(b"odd"))["text"]) == 500_000
    assert "is not there now" in shared.page.refused(f"{shared.api}/text", path=key_of(b"none"))


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"", "utf-8"),
        ("é".encode()[:1], "utf-8"),  # cut in two
        (b"caf\xe9 au lait", "latin-1"),
        (b"\x1b[31mr\xf6t\x1b[0m", "latin-1"),
        (b"a\0b\xe9", None),
        (b"\xff\xfe", None),
        (b"\x89PNG\r\n\x1a\n", None),
        (b"x\x85\x93 said \x94", None),  # Windows-1252 has letters there, Latin-1 has not
    ],
)
def test_what_is_text(data: bytes, encoding: str | None) -> None:
    found = decoded(data, data != b"\xc3")
    assert (found and found.encoding) == encoding


def test_an_ignored_path_says_by_which_rule(shared: Shared) -> None:
    (shared.path / ".syncignore").write_bytes(b"# not for all\n*.log\n")
    (shared.path / "a.log").write_bytes(b"x")
    told = shared.page.get(f"{shared.api}/timeline", path=key_of(b"a.log"))
    assert told["ignored"] == {"file": ".syncignore", "line": 2, "text": "*.log"}
    (shared.path / "a").write_bytes(b"x")
    assert shared.page.get(f"{shared.api}/timeline", path=key_of(b"a"))["ignored"] is None


def test_two_versions_are_compared(shared: Shared) -> None:
    (shared.path / "a").write_bytes(b"one\ntwo\nthree\n")
    id_ = shared.keep(b"a", b"one\n2\nthree\n")
    found = shared.page.get(f"{shared.api}/diff", **{"path": key_of(b"a"), "from": id_, "to": "now"})
    assert found["lines"] == ["@@ -1,3 +1,3 @@", " one", "-2", "+two", " three"]
    assert (found["added"], found["removed"]) == (1, 1)
    (shared.path / "a").unlink()
    gone = shared.page.get(f"{shared.api}/diff", **{"path": key_of(b"a"), "from": id_, "to": "now"})
    assert gone["removed"] == 3
    (shared.path / "a").write_bytes(b"\0")
    found = shared.page.get(f"{shared.api}/diff", **{"path": key_of(b"a"), "from": id_})
    assert (found["kind"], found["lines"]) == ("binary", [])
    assert shared.page.get(f"{shared.api}/timeline", path=key_of(b"a"))["text"] is False
    (shared.path / "a").write_bytes(b"one\ntw\xf6\nthree\n")
    assert shared.page.get(f"{shared.api}/timeline", path=key_of(b"a"))["text"] is True
    found = shared.page.get(f"{shared.api}/diff", **{"path": key_of(b"a"), "from": id_, "to": "now"})
    assert "+twö" in found["lines"]
    (shared.path / "a").write_bytes(b"x\n" * 1_000_001)
    assert "too large" in shared.page.refused(f"{shared.api}/diff", **{"path": key_of(b"a"), "from": id_})
    (shared.path / "a").write_bytes(b"x\n" * 30_000)
    assert "too many lines" in shared.page.refused(f"{shared.api}/diff", **{"path": key_of(b"a"), "from": id_})
