"""What `status` prints, from the answer of a node."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from dir_sync.cli import commands, main
from dir_sync.cli.status_words import render
from dir_sync.config import ConfigError
from dir_sync.core.declined import Reason
from dir_sync.core.frozen import fields_of
from dir_sync.core.status import Status

LAST_COPY = "no, this machine may have the last copy of what it holds: decide first"
ANSWER: dict[str, Any] = {
    "folder": "/home/anna/my docs",
    "folder_name": "default",
    "name": "anna",
    "node": "ab" * 8,
    "replica": "9a" * 8,
    "mesh": None,
    "port": 6000,
    "broadcast_port": 5000,
    "process": 4711,
    "files": 3,
    "bytes": 2_000,
    "peers": [],
    "pause": None,
    "schedule": None,
    "paused_elsewhere": [],
    "in_sync": False,
    "unseen": 0,
    "scanning": False,
    "busy": False,
    "mode": "two-way",
    "diverged": 0,
    "wanted": 0,
    "troubled": [],
    "too_large": [],
    "restless": [],
    "unwatched": 0,
    "unwatched_first": None,
    "transfers": [],
    "uploads": [],
    "held": [],
    "version": "1.2.3",
    "started_s": 1_700_000_000,
    "away": [],
    "receiving": None,
    "sending": None,
    "conflicts": 0,
    "changes": [],
    "scrub": None,
    "rotten": [],
    "healed": 0,
}

MESH = {"key": "7K3Q-9XMD", "generation": 3, "role": "rw", "members": 4, "removed_by": "", "removed_s": 0}


def held(**more: object) -> dict[str, object]:
    return {"at": "", "by": "bob", "here": False, "missing": False, "files": 120, "path": "f1"} | more


def lines(**more: object) -> list[str]:
    return render(Status.from_json({**ANSWER, **more}), "my docs")


def test_folders_that_cannot_be_watched_are_named() -> None:
    first = {"path": "in", "problem": "Permission denied"}
    assert "1 folder cannot be watched (in: Permission denied): scanned every 20 s instead" in lines(
        unwatched=1, unwatched_first=first
    )
    assert "3 folders cannot be watched (in, ...): scanned every 20 s instead" in lines(
        unwatched=3, unwatched_first=first
    )


def test_an_open_mesh_says_so_and_how_to_close_it() -> None:
    assert lines()[3] == (
        "the mesh is open: anyone on this LAN can join the folder; to close it: python main.py invite 'my docs'"
    )


def test_a_closed_mesh_is_named() -> None:
    said = lines(mesh=MESH)
    assert said[3] == "closed mesh 7K3Q-9XMD, generation 3, read-write, 4 members"
    assert not any("open" in line for line in said)


def test_a_machine_that_was_removed_says_by_whom_it_knows_and_what_to_do() -> None:
    """And not that some firewall may be in the way."""
    said = lines(mesh={**MESH, "removed_by": "anna", "removed_s": 1_790_000_000}, peers=[], in_sync=False)
    assert said[3].startswith("this machine was REMOVED from the closed mesh 7K3Q-9XMD, said anna at 2026-09-")
    assert said[3].endswith(" and run: python main.py join 'my docs'")
    assert said[-1] == "not in sync: this machine was removed from its mesh"


def test_what_waits_for_a_decision_says_so() -> None:
    one = {"path": "d/new", "problem": "its folder vanished here, and that is held", "again": False, "held": True}
    assert "  d/new waits for your decision: its folder vanished here, and that is held" in lines(troubled=[one])


def test_without_a_peer_the_last_line_says_what_to_check() -> None:
    last = lines()[-1]
    assert last.startswith("no other node is connected. Check that ")
    for part in ("'default'", "UDP port 5000", "TCP port 6000", "--peer", "closed the mesh", "join 'my docs'"):
        assert part in last
    assert "closed the mesh" not in lines(mesh=MESH)[-1]


def test_large_files_in_both_directions() -> None:
    said = lines(
        transfers=[{"path": "in", "peer": "bob", "here": 1_000_000, "size": 4_000_000, "per_s": 0}],
        uploads=[{"path": "out", "peer": "carol", "sent": 3_000_000, "size": 4_000_000, "per_s": 0}],
    )
    assert "receiving in from bob: 25 % of 4.00 MB" in said
    assert "sending out to carol: 75 % of 4.00 MB" in said


def test_no_command_is_offered_where_it_could_not_be_done() -> None:
    said = lines(held=[held(here=True, at="bob")])
    assert "  to let it happen: run 'approve' on another machine" in said
    assert "  to undo it everywhere: python main.py reject 'my docs'" in said


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {},
            "HELD: what bob did to 120 files (f1, ...) is held until you decide: undo it on any machine, or let it",
        ),
        ({"here": True, "at": "bob"}, "HELD on bob: what this node did to 120 files (f1, ...) is held until"),
        ({"missing": True, "files": 1}, "HELD: 1 file (f1, ...) vanished here; this is held until you decide"),
        ({"missing": True, "at": "bob"}, "HELD on bob: 120 files (f1, ...) vanished there; this is held until"),
    ],
)
def test_what_is_held_comes_with_commands_that_can_be_pasted(more: dict[str, object], words: str) -> None:
    said = lines(held=[held(**more), held(by="carol")])
    assert any(line.startswith(words) for line in said)
    assert said.count("  to let it happen: python main.py approve 'my docs'") == 1
    assert said.count("  to undo it everywhere: python main.py reject 'my docs'") == 1
    assert not any("held" in line.lower() or "approve" in line for line in lines())


@pytest.mark.parametrize(
    ("lacks", "lacking_here", "words"),
    [
        (None, (0, 0, 0), "comparing"),
        ((0, 0, 0), (0, 0, 0), "comparing"),
        ((2, 10_000, 1), (0, 0, 0), "lacks 2 files (10.0 kB) and 1 other change"),
        ((0, 0, 0), (0, 0, 3), "has 3 other changes more"),
        ((1, 500, 0), (0, 0, 1), "lacks 1 file (500 B); has 1 other change more"),
    ],
)
def test_what_a_peer_and_this_node_lack(
    lacks: tuple[int, int, int] | None, lacking_here: tuple[int, int, int], words: str
) -> None:
    def amount(lack: tuple[int, int, int]) -> dict[str, int]:
        return dict(zip(("files", "bytes", "others"), lack, strict=True))

    peer = {
        "name": "bob",
        "node": "bb" * 8,
        "replica": "8b" * 8,
        "address": "10.0.0.2",
        "synchronized": False,
        "lacks": None if lacks is None else amount(lacks),
        "lacking_here": amount(lacking_here),
        "version": "1.2.3",
        "since_s": 1_700_000_000,
        "traffic": None,
        "progress": None,
    }
    said = lines(peers=[peer])
    at = next(number for number, line in enumerate(said) if line.startswith("NAME"))
    assert re.split(r"\s{2,}", said[at]) == ["NAME", "ADDRESS", "VERSION", "LAG", "RATE", "LAST SEEN"]
    assert re.split(r"\s{2,}", said[at + 1]) == ["bob", "10.0.0.2", "1.2.3", words, "-", "connected"]


def test_the_answer_of_another_version_is_not_guessed_at() -> None:
    with pytest.raises(KeyError):
        Status.from_json({key: value for key, value in ANSWER.items() if key != "unseen"})


def test_an_older_node_says_less_and_is_understood() -> None:
    """Each key that a later version added may be missing, at each level."""
    added = set(fields_of(Status)[1])
    peer = {key: BOB[key] for key in ("name", "node", "replica", "address", "synchronized", "lacks", "lacking_here")}
    coming = {"path": "in", "peer": "bob", "here": 1_000_000, "size": 4_000_000}
    mesh = {key: MESH[key] for key in ("key", "generation", "role", "members")}
    old = {key: value for key, value in ANSWER.items() if key not in added}
    status = Status.from_json(old | {"peers": [peer], "transfers": [coming], "mesh": mesh, "in_sync": True})
    said = render(status, "my docs")
    assert said[0] == "UP TO DATE with bob: 3 files (2.00 kB)"
    assert said[2].endswith("process 4711")
    assert "closed mesh 7K3Q-9XMD, generation 3, read-write, 4 members" in said
    assert [re.split(r"\s{2,}", line) for line in said if line.startswith("bob")] == [
        ["bob", "10.0.0.2", "-", "in sync", "-", "connected"]
    ]
    assert "receiving in from bob: 25 % of 4.00 MB" in said


def test_a_mode_says_what_differs_for_it() -> None:
    assert not [line for line in lines() if line.startswith("mode")]
    assert "mode mirror: nothing differs from the other machines for that" in lines(mode="mirror")
    (line,) = [line for line in lines(mode="send-only", diverged=1) if line.startswith("mode")]
    assert line.startswith("mode send-only: 1 path is otherwise here than elsewhere; to list: ")
    assert line.endswith(" diverged 'my docs'")


def test_a_pause_is_said_first_and_last() -> None:
    told = lines(pause={"until_s": 0, "scheduled": False}, in_sync=False)
    assert told[0] == "PAUSED: nothing is sent or taken"
    assert "to go on: python main.py resume 'my docs'" in told
    assert sum("nothing is sent or taken" in line for line in told) == 1
    assert told[-1] == "not in sync: it is paused here"
    told = lines(pause={"until_s": 1_700_000_000, "scheduled": True})
    assert told[0].startswith("PAUSED by the schedule until 2023-11-")
    assert not Status.from_json({**ANSWER, "in_sync": True, "pause": {"until_s": 0, "scheduled": False}}).is_all_in_sync


def test_a_pause_elsewhere_is_no_trouble_with_the_network() -> None:
    told = lines(paused_elsewhere=["bob", "carol"])
    assert "bob has paused this folder: nothing is exchanged with it" in told
    assert told[-1] == "not in sync: it is paused by bob and carol"


@pytest.mark.parametrize(
    ("holds", "until_s", "line"),
    [
        ("sa off", 0, "schedule: 'sa off' holds (2 rules)"),
        ("sa off", 1_700_000_000, "schedule: 'sa off' holds until 2023-11-"),
        ("", 1_700_000_000, "schedule: no rule holds until 2023-11-"),
    ],
)
def test_a_schedule_is_said_with_what_holds_now(holds: str, until_s: int, line: str) -> None:
    schedule = {"rules": ["sa off", "up=1M"], "holds": holds, "until_s": until_s}
    assert any(one.startswith(line) for one in lines(schedule=schedule))


@pytest.mark.parametrize(
    ("until_s", "line"),
    [
        (1_700_000_000, "schedule: 'sa off' does not count until 2023-11-"),
        (0, "schedule: 'sa off' does not count any more, because of 'resume' (1 rule)"),
    ],
)
def test_a_schedule_that_a_resume_has_overruled_does_not_hold(until_s: int, line: str) -> None:
    schedule = {"rules": ["sa off"], "holds": "sa off", "until_s": 1_700_000_600, "overruled_until_s": until_s}
    (found,) = (one for one in lines(schedule=schedule) if one.startswith("schedule: "))
    assert found.startswith(line)
    assert "because of 'resume'" in found


def test_limits_of_speed_are_said_as_they_count_now() -> None:
    limits = {"up": 1_000_000, "down": 0, "peer_up": 0, "peer_down": 2_000_000}
    assert "limits of speed: up 1.00 MB/s; with each machine down 2.00 MB/s" in lines(limits=limits)
    assert "limits of speed: up 1.00 MB/s, down 5.00 kB/s" in lines(
        limits={"up": 1_000_000, "down": 5_000, "peer_up": 0, "peer_down": 0}
    )


BOB: dict[str, Any] = {
    "name": "bob", "node": "bb" * 8, "replica": "8b" * 8, "address": "10.0.0.2", "synchronized": True,
    "lacks": {"files": 0, "bytes": 0, "others": 0}, "lacking_here": {"files": 0, "bytes": 0, "others": 0},
    "version": "1.2.3", "since_s": 1_700_000_000, "progress": None,
    "traffic": {"sent": 5, "received": 5, "sends_per_s": 11_000_000, "receives_per_s": 10, "rtt_ms": 0.2},
}  # fmt: skip
LAGS = BOB | {"synchronized": False, "lacks": {"files": 2, "bytes": 10_000, "others": 0}}
PROGRESS = {
    "files": 20_001, "files_done": 12_300, "bytes": 2_200_000_000, "bytes_done": 400_000_000, "others": 0,
    "others_done": 0, "per_s": 11_000_000, "seconds": 30, "left_s": 164,
}  # fmt: skip
LOST = {"path": "big", "problem": "no room", "again": True, "held": False}
DORA = {"name": "dora", "replica": "dd" * 8, "address": "10.0.0.5", "version": "1.0.0", "last_seen_s": 1_000_000_000}


@pytest.mark.parametrize(
    ("more", "first", "second"),
    [
        ({"peers": [BOB], "in_sync": True}, "UP TO DATE with bob: 3 files (2.00 kB)",
         "yes, bob has everything that is here"),
        ({"peers": [BOB, LAGS | {"name": "carol"}], "sending": PROGRESS},
         "SYNCING: going out: 12,300 of 20,001 files, 400 MB of 2.20 GB (18 %), 11.0 MB/s, 3 min left",
         "no, carol lacks 2 files (10.0 kB) (bob has everything)"),
        ({"peers": [BOB], "wanted": 2, "troubled": [LOST]},
         "SYNCING: in trouble: big (no room)", "yes, bob has everything that is here"),
        ({"peers": [BOB], "wanted": 1, "troubled": [LOST]},
         "TROUBLE: big cannot be here (no room)", "yes, bob has everything that is here"),
        ({"peers": [BOB], "unseen": 2}, "SYNCING: 2 paths here still to be looked at",
         "no, changes here are still to be looked at"),
        ({"peers": [BOB], "held": [held()]}, "HELD: what was done to 120 files waits for your decision",
         LAST_COPY),
        ({"peers": [BOB], "held": [held(by="bob", here=False), held(by="bob", here=False, at="carol", files=119)]},
         "HELD: what was done to 120 files waits for your decision", LAST_COPY),
        ({"peers": [BOB], "held": [held(by="bob"), held(by="carol"), held(by="bob", at="bob", missing=True)]},
         "HELD: what was done to 360 files waits for your decision", LAST_COPY),
        ({"pause": {"until_s": 0, "scheduled": False}}, "PAUSED: nothing is sent or taken",
         "no, this folder is paused: others do not get what is changed here"),
        ({"paused_elsewhere": ["bob"]}, "PAUSED by bob: nothing is exchanged",
         "not known, bob has paused this folder"),
        ({"paused_elsewhere": ["bob", "eve"]}, "PAUSED by bob and eve: nothing is exchanged",
         "not known, bob and eve have paused this folder"),
        ({}, "ALONE: no other machine is connected", "not known, no other machine is connected"),
        ({"mesh": MESH | {"removed_by": "anna", "removed_s": 5}}, "TROUBLE: this machine was removed from its mesh",
         "not known, no other machine is connected"),
    ],
)  # fmt: skip
def test_it_begins_with_a_headline_and_whether_the_machine_can_be_switched_off(
    more: dict[str, Any], first: str, second: str
) -> None:
    assert lines(**more)[:2] == [first, f"safe to switch off: {second}"]


@pytest.mark.parametrize(
    ("process", "peers", "away", "is_named"),
    [
        (4711, [BOB, BOB | {"name": "dora"}], DORA, True),
        (4711, [BOB], DORA, False),
        (4712, [BOB | {"name": "dora"}], DORA, False),
        (4711, [BOB | {"name": "dora"}], DORA | {"has_closed": True}, False),
    ],
)
def test_a_machine_that_is_connected_for_other_folders_has_no_firewall_in_its_way(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    process: int,
    peers: list[dict[str, Any]],
    away: dict[str, Any],
    is_named: bool,
) -> None:
    """Its disk is missing there, or it is not shared any more."""
    mine, other = "/home/anna/my docs", "/home/anna/photos"
    answers = {mine: ANSWER | {"away": [away]}, other: ANSWER | {"folder": other, "process": process, "peers": peers}}

    def asked(folder: str, question: dict[str, Any]) -> dict[str, Any]:
        if folder not in answers:
            raise ConfigError("the node is paused")
        return answers[folder]

    monkeypatch.setattr(commands, "ask_running", asked)
    monkeypatch.setattr("dir_sync.folder.shared_now.shared_now", lambda: [mine, "/gone", other])
    assert main(["status", mine]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("dora is connected for other folders, and does not share 'default' now: ") == is_named
    assert ("firewall" in last) != is_named


def test_the_table_of_peers_has_speeds_and_who_is_away() -> None:
    said = lines(peers=[LAGS | {"progress": PROGRESS}], away=[DORA])
    rows = [re.split(r"\s{2,}", line) for line in said if line.startswith(("bob ", "dora"))]
    assert rows[0][3:] == ["lacks 2 files (10.0 kB), 3 min left", "up 11.0 MB/s", "connected"]
    assert rows[1][:5] == ["dora", "10.0.0.5", "1.0.0", "-", "-"]
    assert rows[1][5].endswith(" d ago")
    assert "(last seen: dora " in lines(away=[DORA])[0]


def test_only_a_terminal_has_a_coloured_headline() -> None:
    status = Status.from_json(ANSWER | {"peers": [BOB], "in_sync": True})
    assert render(status, "x", colour=True)[0] == "\x1b[1;32mUP TO DATE with bob: 3 files (2.00 kB)\x1b[0m"
    assert not any("\x1b" in line for line in render(status, "x"))


def test_what_went_bad_on_the_disk_and_how_far_the_scrub_is() -> None:
    scrub = {"percent": 40, "begun_s": 1_700_000_000, "until_s": 1_702_592_000, "last_s": 0}
    told = "\n".join(lines(scrub=scrub, rotten=["a", "b"], healed=1))
    assert "scrub: 40 % of all files read again, the rest until 2023-12-1" in told
    assert "2 files went bad on the disk, and no connected machine has what was there:\n  a\n  b" in told
    assert "1 file that went bad on the disk was healed" in told
    assert "to heal" not in told
    assert "the last one ended" in "\n".join(lines(scrub=scrub | {"last_s": 1_700_000_000}))


def test_what_changed_without_a_new_time_is_said_with_the_way_back() -> None:
    told = "\n".join(lines(silent=["a b", "c"]))
    assert "2 files changed without a new time: by a program that puts it back, or a disk that goes bad." in told
    assert "restore 'my docs' 'a b'\n  a b\n  c" in told


def test_what_verify_has_only_listed_is_said_until_it_is_good() -> None:
    told = "\n".join(lines(rotten=["a", "b", "c"], to_repair=["b", "c"], found_bad_s=1_700_000_000))
    assert "1 file went bad on the disk, and no connected machine has what was there:\n  a\n2 files went bad" in told
    assert "2 files went bad on the disk (found at 2023-11-1" in told
    assert "); to heal: " in told
    assert "verify 'my docs' --repair\n  b\n  c" in told


def test_a_read_only_member_that_has_everything_is_up_to_date() -> None:
    """What was changed on it is lacking elsewhere for ever, and that is as it should be."""
    said = lines(mesh={**MESH, "role": "ro"}, peers=[LAGS], in_sync=False)
    assert said[0].startswith("UP TO DATE with bob")
    assert said[1] == "safe to switch off: yes, this machine is read-only: no other one waits for what is changed here"
    assert any(re.search(r"\bdoes not have 2 files \(10.0 kB\)", line) for line in said)
    assert said[-1].startswith("everything is here; what is changed on this machine counts nowhere else")


@pytest.mark.parametrize(("mesh", "is_named"), [(None, True), (MESH, False)])
def test_a_machine_that_went_over_to_a_closed_mesh_is_named_with_how_to_join(mesh: object, is_named: bool) -> None:
    """`everything is in sync` alone would hide that it gets nothing more."""
    said = lines(mesh=mesh, peers=[BOB], in_sync=True, away=[DORA | {"has_closed": True}])
    found = [line for line in said if line.startswith("dora belongs to a closed mesh now")]
    assert bool(found) == is_named
    assert all(line.endswith("and here: python main.py join 'my docs'") for line in found)
    assert (said[-1] == "everything is in sync with the connected machines, and not with dora") == is_named
    assert not any("closed mesh now" in line for line in lines(peers=[BOB], in_sync=True, away=[DORA]))


def test_who_has_not_joined_a_mesh_that_was_closed_here_is_named_with_how_to_let_it_in() -> None:
    """It is still open, on this LAN or in the same process: its firewall is not the cause."""
    for names in ([], ["dora"]):
        last = render(Status.from_json(ANSWER | {"mesh": MESH, "away": [DORA]}), "my docs", False, names)[-1]
        assert last.startswith(
            "not in sync: dora has not joined the closed mesh, as far as is known here; to let it in:"
        )
        assert "python main.py invite 'my docs'. If it has joined: no other node is connected. Check" in last
    for mesh, away in ((MESH, DORA | {"was_member": True}), (None, DORA)):
        assert lines(mesh=mesh, away=[away])[-1].startswith("no other node is connected. Check")


@pytest.mark.parametrize(
    ("mesh", "away", "code"),
    [(None, DORA, 0), (None, DORA | {"has_closed": True}, 4), (MESH, DORA | {"has_closed": True}, 0)],
)
def test_check_says_that_a_machine_went_over_to_a_closed_mesh(
    monkeypatch: pytest.MonkeyPatch, mesh: object, away: dict[str, Any], code: int
) -> None:
    answer = ANSWER | {"mesh": mesh, "peers": [BOB | {"traffic": None}], "in_sync": True, "away": [away]}
    monkeypatch.setattr(commands, "ask_running", lambda folder, question: answer)
    assert main(["status", "x", "--check"]) == code
    assert main(["status", "x", "--check", "--json"]) == code
    assert main(["status", "x"]) == 0


def test_the_node_has_the_id_that_the_log_has() -> None:
    """`replica`, the id of the index, differs from it, and is in --json only."""
    status = Status.from_json(ANSWER)
    assert any("by anna (node abababab)," in line for line in render(status, "docs"))
    assert not any("9a9a" in line for line in render(status, "docs"))


NOTHING_LACKS = {"files": 0, "bytes": 0, "others": 0}
TOO_LARGE = BOB | {"synchronized": False, "lacks": NOTHING_LACKS, "lacking_here": {"files": 1, "bytes": 9, "others": 0}}


def test_what_this_machine_does_not_take_is_no_trouble() -> None:
    """A person has chosen --max-file-size: all else is in sync."""
    said = lines(peers=[TOO_LARGE | {"not_taken": 1}], not_taken=["iso"], receiving=None)
    assert said[0] == "UP TO DATE with bob: 3 files (2.00 kB), but for 1 file that this machine does not take"
    assert "  iso is not taken: elsewhere it is larger than the --max-file-size of this machine" in said
    assert said[-1] == "everything is in sync, but for what this machine does not take"
    more = TOO_LARGE | {"not_taken": 1, "lacking_here": {"files": 2, "bytes": 9, "others": 0}}
    for other in (
        {"peers": [more]},
        {"peers": [TOO_LARGE | {"not_taken": 1, "lacks": {"files": 1, "bytes": 1, "others": 0}}]},
        {"wanted": 1},
        {"unseen": 1},
    ):
        said = lines(**{"peers": [TOO_LARGE | {"not_taken": 1}], "not_taken": ["iso"]} | other)
        assert not said[0].startswith("UP TO DATE"), other


WHY = {"reason": "too-large", "files": 2, "bytes": 10_000, "others": 0, "limit": 1_000_000}


def test_a_named_machine_that_does_not_answer_is_named_first() -> None:
    said = lines(peers=[], in_sync=False, missed=[{"place": "bob.lan:7000", "problem": "Connection refused"}])
    named = "bob.lan:7000 is named for this node, but not connected: Connection refused; it is tried again by itself"
    assert said[-2] == named
    assert said[-1].startswith("no other node is connected. Check that")


def test_one_but_is_enough() -> None:
    kept = {"reason": "diverged", "files": 1, "bytes": 9, "others": 0, "limit": 0}
    peer = LAGS | {"lacks": {"files": 3, "bytes": 10_009, "others": 0}, "declined": [WHY, kept], "not_taken": 1}
    (said, *_) = lines(peers=[peer | {"lacking_here": {"files": 1, "bytes": 9, "others": 0}}], not_taken=["iso"])
    assert said == (
        "UP TO DATE with bob: 3 files (2.00 kB), but for 1 file that this machine does not take;"
        " bob takes no files above 1.00 MB: 2 files (10.0 kB); bob keeps what was changed or deleted there: 1 file (9 B)"
    )


def test_why_a_peer_does_not_take_something_is_said_at_once() -> None:
    sending = {
        **{"files": 2, "files_done": 0, "bytes": 10_000, "bytes_done": 0, "others": 1, "others_done": 0},
        **{"per_s": 0, "seconds": 40, "left_s": None},
    }
    words = "bob takes no files above 1.00 MB: 2 files (10.0 kB)"
    lacks = {"files": 2, "bytes": 10_000, "others": 0}
    said = lines(peers=[LAGS | {"lacks": lacks, "declined": [WHY]}], sending=sending)
    assert said[0] == f"UP TO DATE with bob: 3 files (2.00 kB), but {words}"
    assert said[1] == "safe to switch off: no, bob lacks 2 files (10.0 kB), and takes no files above 1.00 MB"
    assert said[-1] == f"everything is in sync, but {words}"
    more = LAGS | {"lacks": {"files": 5, "bytes": 99_000, "others": 0}, "declined": [WHY]}
    said = lines(peers=[more], sending=sending)
    assert said[0].startswith("SYNCING: going out:")
    assert said[0].endswith(words)
    said = lines(peers=[more | {"still_s": 30}], sending=sending)
    rest = "bob does not take 3 files (89.0 kB): 'status' on that machine says why"
    assert said[-1] == f"not in sync: {words} and {rest}"
    many = WHY | {"reason": "disk-full", "files": 1_000, "limit": 0}
    said = lines(peers=[LAGS | {"lacks": lacks, "declined": [many]}], sending=sending)
    assert said[0] == "TROUBLE: bob has no room: its disk is full: at least 1,000 files (10.0 kB)"
    assert said[-1] == "not in sync: bob has no room: its disk is full: at least 1,000 files (10.0 kB)"


def test_what_only_this_machine_has_is_not_said_to_be_everywhere() -> None:
    said = lines(peers=[BOB], in_sync=True, too_large=["iso"])
    assert said[1] == "safe to switch off: no, only this machine has 1 file that is too large for its --max-file-size"
    said = lines(peers=[BOB], in_sync=True, mode="receive-only", diverged=2)
    assert said[1].startswith(
        "safe to switch off: no, only this machine has 2 paths that it keeps to itself, because it is"
    )
    said = lines(peers=[BOB], in_sync=True, mode="send-only", diverged=2)
    assert said[1].startswith("safe to switch off: yes"), "others have these"


def test_a_reason_of_a_later_version_is_left_out() -> None:
    (peer,) = Status.from_json(ANSWER | {"peers": [LAGS | {"declined": [WHY | {"reason": "moon-phase"}, WHY]}]}).peers
    assert [one.reason for one in peer.declined] == [Reason.TOO_LARGE]
    again = Status.from_json(Status.from_json(ANSWER | {"peers": [LAGS | {"declined": [WHY]}]}).to_json())
    assert again.peers == (peer,)


def test_what_a_peer_does_not_take_is_not_said_to_be_going_out() -> None:
    sending = {
        **{"files": 2, "files_done": 0, "bytes": 10_000, "bytes_done": 0, "others": 1, "others_done": 0},
        **{"per_s": 0, "seconds": 40, "left_s": None},
    }
    words = "bob does not take 2 files (10.0 kB): 'status' on that machine says why"
    said = lines(peers=[LAGS | {"still_s": 30}], sending=sending)
    assert said[0] == f"SYNCING: {words}"
    assert said[-1] == f"not in sync: {words}"
    said = lines(peers=[LAGS | {"still_s": 29}], sending=sending)
    assert said[0].startswith("SYNCING: going out:")
    also = LAGS | {"still_s": 1, "name": "carol"}
    said = lines(peers=[LAGS | {"still_s": 30}, also], sending=sending)
    assert said[0].startswith("SYNCING: going out:"), "another peer still gets something"
    assert said[0].endswith(words)
    said = lines(peers=[LAGS | {"progress": sending}, also | {"progress": sending}], sending=sending)
    assert said[0].startswith("SYNCING: going out to 2 machines: 0 of 2 files,"), "each of them counts"
    said = lines(peers=[LAGS | {"progress": sending}, also], sending=sending)
    assert said[0].startswith("SYNCING: going out: 0 of 2 files,"), "to what the other one holds nothing goes"
    upload = {"path": "iso", "peer": "bob", "sent": 1, "size": 2, "per_s": 1}
    said = lines(peers=[LAGS | {"still_s": 30}], sending=sending, uploads=[upload])
    assert said[0].startswith("SYNCING: going out:"), "a large content is on its way"


def test_conflicts_are_named_with_the_command_that_lists_them() -> None:
    line = (
        "CONFLICT: 2 versions lost against a change made at the same time; to list: python main.py conflicts 'my docs'"
    )
    assert line in lines(conflicts=2)
    assert not any("CONFLICT" in line for line in lines())


def shared_now(monkeypatch: pytest.MonkeyPatch, answers: dict[str, dict[str, Any]]) -> None:
    """Nodes of this user share these folders."""
    monkeypatch.setattr("dir_sync.folder.shared_now.shared_now", lambda: list(answers))
    monkeypatch.setattr(commands, "ask_running", lambda folder, question: ANSWER | answers[folder])


def test_without_a_folder_it_is_the_one_that_is_shared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shared_now(monkeypatch, {"/srv/music": {"in_sync": True}})
    assert main(["status"]) == 0
    assert "/home/anna/my docs: shared as 'default' by anna" in capsys.readouterr().out
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["in_sync"] is True


def test_without_a_folder_each_of_several_is_told_in_short(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shared_now(monkeypatch, {"/srv/music": {"in_sync": True}, "/srv/notes": {"conflicts": 1}})
    assert main(["status"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line for line in out if not line.startswith(" ")] == ["/srv/music", "/srv/notes"]
    assert out[-1].startswith("  CONFLICT: 1 version lost")
    assert main(["status", "--check"]) == 4, "one of them is not in sync"
    for option in ("--json", "--watch"):
        assert main(["status", option]) == 2
        assert "which folder?" in capsys.readouterr().err
    shared_now(monkeypatch, {})
    assert main(["status"]) == 2
