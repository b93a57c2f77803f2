"""Several folders in one process: real nodes in namespaces that share some of them with each other."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .checker import survey, wait_equal, wait_for
from .lan import Lan, Node

pytestmark = pytest.mark.lan

SOON_S = 30.0


def folder(node: Node, name: str) -> Path:
    path = node.base / name
    path.mkdir(exist_ok=True)
    return path


def launch(node: Node, *words: str | os.PathLike[str]) -> None:
    node.launch([sys.executable, node.main, *words, "-s", node.signatures])


def status(node: Node, path: Path) -> dict[str, object]:
    ended = node.run_to_end("status", path, "--json")
    found = json.loads(ended.out) if ended.code == 0 else {}
    return dict(found)


def connections(node: Node) -> int:
    """TCP connections of this node that are up."""
    out = subprocess.run(node.within("ss", "-Htn", "state", "established"), capture_output=True, text=True, check=True)
    return len(out.stdout.splitlines())


@pytest.fixture(scope="module")
def lan() -> Iterator[Lan]:
    """Three nodes: two share notes and photos, the third photos and music (under another name of the folder)."""
    with Lan(3) as lan:
        one, two, three = lan
        for node, names in ((one, ("notes", "photos")), (two, ("notes", "photos")), (three, ("pictures", "music"))):
            for name in names:
                (folder(node, name) / f"from {node}").write_text(f"{name} of {node}")
        launch(one, folder(one, "notes"), folder(one, "photos"))
        launch(two, folder(two, "photos"), folder(two, "notes"))
        launch(three, folder(three, "music"), f"photos={folder(three, 'pictures')}")
        yield lan


def of(lan: Lan, name: str) -> list[Path]:
    one, two, three = lan
    return {
        "notes": [one.base / "notes", two.base / "notes"],
        "photos": [one.base / "photos", two.base / "photos", three.base / "pictures"],
    }[name]


def test_folders_are_shared_by_name_over_one_connection(lan: Lan) -> None:
    for name in ("notes", "photos"):
        wait_for(lambda name=name: len(list(of(lan, name)[0].glob("from *"))) == len(of(lan, name)), SOON_S, name)
        wait_equal(of(lan, name), SOON_S)
    one, _, three = lan
    assert not list((three.base / "music").glob("from n[01]")), "nobody else shares it"
    wait_for(lambda: [connections(node) for node in lan] == [2, 2, 2], SOON_S, "one connection for each pair")
    assert {"notes", "photos"} <= {line.split("[")[1].split("]")[0] for line in one.log().splitlines() if "  [" in line}


def test_each_folder_answers_its_own_commands(lan: Lan) -> None:
    one, two, _ = lan
    notes, photos = status(one, one.base / "notes"), status(one, one.base / "photos")
    assert (notes["folder_name"], photos["folder_name"]) == ("notes", "photos")
    assert notes["node"] == photos["node"]
    assert notes["replica"] != photos["replica"]
    assert len(notes["peers"]) == 1  # type: ignore[arg-type]
    wait_for(lambda: len(status(one, one.base / "photos")["peers"]) == 2, SOON_S, "two peers share photos")  # type: ignore[arg-type]
    for text in ("first", "second"):
        (one.base / "notes" / "draft").write_text(text)
        wait_for(lambda text=text: _text(two.base / "notes" / "draft") == text, SOON_S, "the draft arrives")
    history = two.run_to_end("history", two.base / "notes", "draft")
    assert "draft" in history.out
    assert "draft" not in two.run_to_end("history", two.base / "photos").out
    assert two.run_to_end("restore", two.base / "notes", "draft").code == 0
    wait_for(lambda: _text(one.base / "notes" / "draft") == "first", SOON_S, "the restored version spreads")


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_a_small_change_does_not_wait_for_another_folder_that_seeds(lan: Lan) -> None:
    one, two, _ = lan
    many = one.base / "photos" / "many"
    many.mkdir()
    for number in range(3_000):
        (many / str(number)).write_bytes(os.urandom(2_000))
    (one.base / "notes" / "small").write_text("now")
    wait_for(lambda: _text(two.base / "notes" / "small") == "now", SOON_S, "the small change arrives")
    wait_equal(of(lan, "photos"), 120)


def test_a_folder_that_is_gone_does_not_stop_the_others(lan: Lan) -> None:
    one, two, _ = lan
    links = connections(one)
    away = one.base / "away"
    (one.base / "notes").rename(away)
    wait_for(lambda: "paused: " in one.log() and "has stopped sharing notes" in two.log(), SOON_S, "it is noticed")
    (one.base / "photos" / "meanwhile").write_text("x")
    wait_equal(of(lan, "photos"), SOON_S)
    (two.base / "notes" / "missed").write_text("y")
    paused = one.run_to_end("status", one.base / "notes")
    assert paused.code == 1
    assert "paused" in paused.err
    assert status(one, one.base / "photos")
    away.rename(one.base / "notes")
    wait_for(lambda: _text(one.base / "notes" / "missed") == "y", SOON_S, "what it missed arrives")
    wait_equal(of(lan, "notes"), SOON_S)
    assert connections(one) == links
    assert "lost " not in two.log(), "no connection was dropped"


def test_a_restart_brings_what_was_changed_meanwhile_in_each_folder(lan: Lan) -> None:
    one, two, _ = lan
    (two.base / "photos" / "to go").write_text("p")
    wait_for(lambda: _text(one.base / "photos" / "to go") == "p", SOON_S, "what is to go is there")
    one.stop()
    (two.base / "notes" / "later").write_text("n")
    (two.base / "photos" / "to go").unlink()
    launch(one, folder(one, "notes"), folder(one, "photos"))
    for name in ("notes", "photos"):
        wait_equal(of(lan, name), 60)
    assert survey(one.base / "notes")[b"later"]


def write(file: Path, *tables: str) -> None:
    file.write_text("\n".join(["listen_port = 6000", *tables, ""]))


def table(node: Node, name: str, *more: str) -> str:
    return "\n".join([f"[folders.{name}]", f'dir = "{folder(node, name)}"', *more])


def test_a_disk_that_hangs_does_not_stop_the_other_folders() -> None:
    """A fake disk: what asks it waits, also whoever writes the index there. Nothing is lost when it is back."""
    with Lan(2) as lan:
        one, two = lan
        flag = one.base / "hangs"
        more = {
            "HANGS_WHILE": str(flag),
            "HANGING_FOLDER": str(one.base / "notes"),
            "DIR_SYNC_MAIN_PY": str(one.main),
        }
        words = [folder(one, "photos"), folder(one, "notes"), "-s", one.signatures]
        one.launch([sys.executable, Path(__file__).with_name("hanging_disk.py"), *words], more)
        launch(two, folder(two, "photos"), folder(two, "notes"))
        for name in ("photos", "notes"):
            (one.base / name / "first").write_text("1")
            wait_for(lambda name=name: _text(two.base / name / "first") == "1", SOON_S, f"{name} are shared")
            wait_equal([one.base / name, two.base / name], SOON_S)
        flag.touch()
        (one.base / "notes" / "here").write_text("h")
        for number in range(3):
            (one.base / "photos" / f"of one {number}").write_text("x")
            (two.base / "photos" / f"of two {number}").write_text("y")
            wait_equal([one.base / "photos", two.base / "photos"], SOON_S)
        wait_for(lambda: "notes does not answer" in one.log(), SOON_S, "it is noticed")
        wait_for(lambda: "has stopped sharing notes" in two.log(), SOON_S, "the peer is told")
        (two.base / "notes" / "there").write_text("t")
        (two.base / "photos" / "then").write_text("z")
        wait_equal([one.base / "photos", two.base / "photos"], SOON_S)
        assert "does not answer" in one.run_to_end("status", one.base / "notes").err
        # what has just arrived is looked at once more a moment later: until then not all is in sync
        wait_for(lambda: status(one, one.base / "photos")["in_sync"], SOON_S, "the other folder is in sync")
        flag.unlink()
        wait_for(lambda: "answers again" in one.log(), SOON_S, "it goes on")
        wait_for(lambda: _text(one.base / "notes" / "there") == "t", SOON_S, "what it missed arrives")
        wait_for(lambda: _text(two.base / "notes" / "here") == "h", SOON_S, "what was made here leaves")
        assert "lost " not in two.log(), "no connection was dropped"


def threads(node: Node) -> int:
    """Of the node's process."""
    assert node.process is not None
    return len(list(Path(f"/proc/{node.process.pid}/task").iterdir()))


def test_many_folders_need_no_more_threads_than_two() -> None:
    """Also while they have work, and while commands ask them."""
    with Lan(2) as lan:
        one, two = lan
        names = [f"d{number}" for number in range(15)]
        for name in names:
            for number in range(20):
                (folder(one, name) / f"f{number}").write_text(name)
        launch(one, *(folder(one, name) for name in names))
        launch(two, *(folder(two, name) for name in names[:2]))
        wait_for(lambda: one.log().count("the folder holds") == 15, SOON_S, "all are scanned")
        for name in names[:2]:
            wait_equal([one.base / name, two.base / name], SOON_S)
        most = 0
        for name in names:
            (one.base / name / "late").write_text("late")
            assert status(one, one.base / name)["files"] in (20, 21)
            most = max(most, threads(one))
        assert most <= threads(two) + 3, "a thread that answers a command, and some that are about to end"


def test_a_configuration_file_is_read_again_without_a_break_for_the_others() -> None:
    """By the command and by SIGHUP: a folder comes, one changes, one goes; a wrong file changes nothing."""
    with Lan(2) as lan:
        one, two = lan
        file = one.home / ".config" / "dir_sync" / "config.toml"
        file.parent.mkdir(parents=True)
        write(file, table(one, "notes"), table(one, "photos"))
        launch(one)
        launch(two, folder(two, "notes"), folder(two, "photos"), folder(two, "music"))
        (one.base / "notes" / "first").write_text("1")
        wait_for(lambda: _text(two.base / "notes" / "first") == "1", SOON_S, "they know each other")

        assert one.run_to_end("reload", "--config", one.base / "other.toml").code == 2
        write(file, table(one, "notes"), table(one, "photos", "history_days = 3"), table(one, "music"),
              '[folders.new]\ndir = "../../brand-new"\ncreate = true\n')  # fmt: skip
        reloaded = one.run_to_end("reload")
        assert (reloaded.code, reloaded.out.strip()) == (0, "reloaded: notes, photos, music and new")
        (one.base / "music" / "song").write_text("la")
        (two.base / "photos" / "back").write_text("p")
        wait_for(lambda: _text(two.base / "music" / "song") == "la", SOON_S, "the new folder is shared")
        wait_for(lambda: _text(one.base / "photos" / "back") == "p", SOON_S, "the changed folder is shared")
        assert "stopped sharing photos, or begins anew with it" in two.log()
        assert "shares photos again" in two.log()

        write(file, table(one, "notes"), "nonsense = 5", table(one, "photos"))
        wrong = one.run_to_end("reload")
        assert wrong.code == 2
        assert f"{file}:4: nonsense: there is no such key" in wrong.err
        one.send_signal(signal.SIGHUP)
        wait_for(lambda: "not reloaded, everything stays as it was" in one.log(), SOON_S, "SIGHUP reads it, too")
        assert status(one, one.base / "music")["peers"]

        write(file, table(one, "notes"), table(one, "photos", "history_days = 3"))
        one.send_signal(signal.SIGHUP)
        wait_for(lambda: "has stopped sharing music" in two.log(), SOON_S, "a folder goes")
        assert one.run_to_end("status", one.base / "music").code == 1
        (two.base / "notes" / "last").write_text("z")
        wait_for(lambda: _text(one.base / "notes" / "last") == "z", SOON_S, "the others go on")
        assert "lost " not in two.log(), "no connection was dropped"
        assert connections(one) == 1

        write(file, table(one, "notes", "history_days = 4"))
        one.send_signal(signal.SIGHUP)
        wait_for(
            lambda: "begins anew with other options, and connects again" in two.log(), SOON_S, "the peer is told why"
        )
        (two.base / "notes" / "after").write_text("a")
        wait_for(lambda: _text(one.base / "notes" / "after") == "a", SOON_S, "it goes on")


def test_a_closed_folder_beside_an_open_one() -> None:
    """Each has its own connection, and who lacks the key gets the open one alone."""
    with Lan(3) as lan:
        one, two, three = lan
        key = one.home / "notes.key"
        assert one.run_to_end("new-key", key).code == 0
        for node in lan:
            if node is not one:
                (node.home / "notes.key").write_bytes(key.read_bytes())
                (node.home / "notes.key").chmod(0o600)
            (folder(node, "notes") / f"of {node}").write_text("closed")
            (folder(node, "photos") / f"of {node}").write_text("open")
            lines = [table(node, "photos"), table(node, "notes")]
            if node is not three:
                lines.append(f'key_file = "{node.home / "notes.key"}"')
            (node.home / "my.toml").write_text("\n".join(lines))
            launch(node, "--config", node.home / "my.toml")
        wait_for(lambda: len(list((three.base / "photos").glob("of *"))) == 3, SOON_S, "the open folder is everywhere")
        wait_equal([node.base / "photos" for node in lan], SOON_S)
        wait_for(lambda: len(list((two.base / "notes").glob("of *"))) == 2, SOON_S, "members share the closed folder")
        assert [path.name for path in (three.base / "notes").glob("of *")] == ["of n2"]
        assert status(one, one.base / "notes")["mesh"]
        assert status(one, one.base / "photos")["mesh"] is None
        assert status(one, one.base / "notes")["node"] != status(one, one.base / "photos")["node"]


def test_an_open_folder_of_several_is_closed_while_the_node_runs() -> None:
    with Lan(2) as lan:
        one, two = lan
        for node in lan:
            launch(node, folder(node, "notes"), folder(node, "photos"))
        (one.base / "notes" / "before").write_text("x")
        wait_for(lambda: _text(two.base / "notes" / "before") == "x", SOON_S, "both are open")
        invite = subprocess.Popen(
            one.within(sys.executable, one.main, "invite", one.base / "notes", "--yes"),
            env=one.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            assert invite.stdout is not None
            code = ""
            while not code:
                line = invite.stdout.readline()
                assert line, "invite has ended without a code"
                found = re.search(r"\b[A-Z0-9]{4}-[A-Z0-9]{4}\b", line)
                code = found[0] if found else ""
            is_said = "shares notes no longer: it belongs to a closed mesh there now; to join it: "
            wait_for(lambda: is_said in two.log(), SOON_S, "it is closed")
            assert [away["has_closed"] for away in status(two, two.base / "notes")["away"]] == [True]
            assert "belongs to a closed mesh now" in two.run_to_end("status", two.base / "notes").out
            at_once = one.run_to_end("status", one.base / "notes").out.splitlines()[-1]
            assert at_once.startswith("not in sync: vm has not joined the closed mesh"), at_once
            joined = two.run_to_end("join", two.base / "notes", code, "--yes", limit_s=40)
            assert joined.code == 0, joined
            assert invite.wait(30) == 0
        finally:
            invite.kill()
            invite.communicate()
        (two.base / "notes" / "after").write_text("y")
        (two.base / "photos" / "open").write_text("z")
        wait_for(lambda: _text(one.base / "notes" / "after") == "y", SOON_S, "the closed folder is shared")
        wait_for(lambda: _text(one.base / "photos" / "open") == "z", SOON_S, "the open folder goes on")
        assert status(two, two.base / "notes")["mesh"]
        assert status(two, two.base / "photos")["mesh"] is None
        assert "lost " not in one.log(this_run=True).split("has stopped sharing")[0]


def test_a_move_from_one_shared_folder_to_another_costs_no_transfer() -> None:
    """By one move, and by a copy first: the content is here, in the other folder or in its history."""
    size = 20_000_000
    with Lan(2) as lan:
        one, two = lan
        for node in lan:
            launch(node, folder(node, "notes"), folder(node, "photos"))
        for name in ("film", "second"):
            (one.base / "notes" / name).write_bytes(os.urandom(size))
        pairs = [[node.base / name for node in lan] for name in ("notes", "photos")]
        wait_for(lambda: (two.base / "notes" / "second").exists(), SOON_S, "the files are shared")
        wait_equal(pairs[0], SOON_S)
        before = sum(lan.wire_bytes())
        (one.base / "notes" / "film").rename(one.base / "photos" / "film")
        wait_for(lambda: (two.base / "photos" / "film").exists(), SOON_S, "the moved file is there")
        shutil.copy2(two.base / "notes" / "second", two.base / "photos" / "copy")
        wait_for(lambda: (one.base / "photos" / "copy").exists(), SOON_S, "the copied file is there")
        for pair in pairs:
            wait_equal(pair, SOON_S)
        assert sum(lan.wire_bytes()) - before < size // 10
