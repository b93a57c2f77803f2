"""Power cuts: what a disk holds at one instant, while a daemon works on it, is all that is left.

The disk of one node is a small ext4 in a file, on a loop device. The file lies in a file system of its own, which only
serves to be frozen: from that instant on no write of the disk is completed, and none that had been is undone. Neither the
daemon nor the ext4 under it is asked first: journal commits, fsyncs and write-back are caught in the middle. Then the
daemon is killed, the file is copied, and the copy is what the machine finds when it has power again: it is mounted, which
replays the journal, and the daemon starts on it. The next cut comes from that life, so a disk lives through all of them.

What this cannot show: a disk that has a volatile cache and loses or reorders what it had reported as written.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lan.changes import KIB, MIB, blob
from tests.lan.checker import POLL_S, differences, survey, wait_for
from tests.lan.lan import FITHAW, Lan, Node, command, why_impossible

from . import story as stories
from .points import CLEAR_S, SOON_S
from .story import A, B, Story, digest_of

DISK_BYTES = 64 * MIB
TOOLS = ("mount", "umount", "mkfs.ext4")

_FIFREEZE = 0xC0045877


class Disk:
    """The power can be cut. Only the order of its writes counts, so its file may well lie in memory (DIR_SYNC_LAN_TMP)."""

    def __init__(self, work: Path) -> None:
        """`work`: a folder to work in."""
        self._place = work / "disks"
        self._below, self.at = self._place / "below", self._place / "disk"
        self._file = work / "below.img"
        self._numbers = itertools.count()
        self._stack = ExitStack()
        self._life = ExitStack()

    def __enter__(self) -> Disk:
        try:
            for folder in (self._below, self.at):
                folder.mkdir(parents=True, exist_ok=True)
            # Each daemon has mounts of its own (`ip netns exec`), which would hold the disk: shared, they go when ours goes.
            command("mount", "--bind", self._place, self._place)
            self._stack.callback(command, "umount", self._place)
            command("mount", "--make-shared", self._place)
            with self._file.open("wb") as file:
                file.truncate(4 * DISK_BYTES)
            self._stack.callback(self._file.unlink)
            command("mkfs.ext4", "-q", "-O", "^has_journal", self._file)
            self._mount(self._stack, self._file, self._below)
            first = self._below / "disk"
            with first.open("wb") as file:
                file.truncate(DISK_BYTES)
            command("mkfs.ext4", "-q", first)
            self._put_in(first)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        try:
            self._life.close()
        finally:
            self._stack.close()

    @staticmethod
    def _mount(stack: ExitStack, image: Path, at: Path) -> None:
        command("mount", "-o", "loop", image, at)  # the loop device goes with the mount
        stack.callback(command, "umount", at)

    def _put_in(self, image: Path) -> None:
        self._life = ExitStack()
        self._life.callback(image.unlink)
        self._mount(self._life, image, self.at)

    def cut(self, node: Node) -> None:
        """The power goes, the node that works on this disk with it; the power comes back."""
        image = self._below / f"disk{next(self._numbers)}"
        kept = self._file.with_name("kept")
        handle = os.open(self._below, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.ioctl(handle, _FIFREEZE, 0)
        try:
            node.send_signal(signal.SIGKILL)  # what waits for the disk dies as soon as it need not wait any more
            kept.write_bytes(self._image().read_bytes())
        finally:
            fcntl.ioctl(handle, FITHAW, 0)
            os.close(handle)
        node.kill()
        self._life.close()
        shutil.move(kept, image)
        self._put_in(image)

    def _image(self) -> Path:
        (image,) = self._below.glob("disk*")
        return image


def why_not() -> str | None:
    """None where power can be cut, else the reason."""
    reason = why_impossible()
    if reason:
        return reason
    for tool in TOOLS:
        if not shutil.which(tool):
            return f"no `{tool}`"
    try:
        with Lan(1) as lan, Disk(lan.work):
            return None
    except (OSError, RuntimeError) as error:
        return f"no loop devices here: {error}"


@dataclass(slots=True)
class Cut:
    number: int
    after_s: float
    files: int  # that the disk had under a name right after the cut
    told: int  # files that it had still to hear of, or to have the new content of
    wrong: list[str]
    took_s: float


class Storm:
    """Two nodes; the disk of the second one loses its power again and again."""

    def __init__(self, lan: Lan, disk: Disk, seed: int) -> None:
        self.lan, self.disk = lan, disk
        self.rng = random.Random(seed)
        self.story = Story(node.dir for node in lan)
        self.story.durably = True
        self.busy_there = 0.04  # how often it is the user of the disk that loses its power who changes something
        self._names = itertools.count()
        self.stays, self.loses = lan.nodes
        self.loses.may_end = True

    def begin(self) -> None:
        stories.before(self.story)
        for size in (BIG, HUGE):
            self.story.write(A, f"of {size} bytes", self._content(size))
        self.lan.start()
        wrong = self._meet()
        assert not wrong, "\n".join([*wrong, self.lan.tails()])

    def cuts(self, count: int) -> Iterator[Cut]:
        for number in range(count):
            begun = time.monotonic()
            after_s = self._work()
            self.disk.cut(self.loses)
            wrong = self.story.whole(B) + self.story.lost(B)
            files = sum(entry.kind == "file" for entry in survey(self.loses.dir).values())
            told = len(self.story.as_told(B))
            if not wrong:
                self.loses.start()
                wrong = self._meet()
            if wrong:
                wrong = [*wrong[: stories.SHOWN], self.lan.tails()]
            yield Cut(number, after_s, files, told, wrong, time.monotonic() - begun)
            if wrong:
                return

    # --- what the users do until the power goes

    def _work(self) -> float:
        """Some changes, and then a moment; the seconds it took. The user of the disk that loses its power is rarely busy:
        with each change that he waits for, all that was written before is on the medium, too."""
        begun = time.monotonic()
        for _ in range(self.rng.randint(2, 14)):
            at = B if self.rng.random() < self.busy_there else A
            self._change(at)
            if self.rng.random() < 0.3:
                pause(self.rng.expovariate(30))
        # A change is there after some 20 ms; a journal commits by itself after 5 s.
        longest = self.rng.choices((0.0, 0.02, 0.1, 0.3, 1.0, 8.0), (30, 25, 25, 12, 5, 3))[0]
        pause(self.rng.uniform(0, longest))
        return time.monotonic() - begun

    def _content(self, size: int) -> bytes:
        return self.story.content(f"content {next(self._names)}", size)

    def _change(self, at: int) -> None:
        """One change of paths that only this user changes: nothing is a conflict."""
        story, rng = self.story, self.rng
        mine = "b " if at == B else "a "
        files = [path for path, what in story.tree.items() if path.startswith(mine) and len(what) == 64]
        roll = rng.random()
        if roll < 0.3 or len(files) < 8:
            for _ in range(rng.choice((1, 1, 3, 12, 40))):
                name = f"{mine}{rng.randrange(6)}/{next(self._names)}"
                story.write(at, name, self._content(rng.choice((50, 400, 3_000, 70_000))))
        elif roll < 0.65:
            for path in rng.sample(files, min(len(files), rng.choice((1, 1, 2, 8, 20)))):
                story.write(at, path, self._content(rng.choice((10, 5_000, 70_000))))
        elif roll < 0.75:
            story.rename(at, rng.choice(files), f"{mine}{next(self._names)}")
        elif roll < 0.88 or len(files) > 120:
            for path in rng.sample(files, 30 if len(files) > 120 else 1):
                story.delete(at, path)
        elif at == A:
            path, size = rng.choice(((f"of {BIG} bytes", BIG), (f"of {HUGE} bytes", HUGE)))
            made = bytearray((story.machines[A].root / path).read_bytes())
            start = rng.randrange(size - 2000)
            made[start : start + 2000] = blob(2000, rng.random())
            story.written[digest_of(bytes(made))] = f"{path}, {next(self._names)}"
            story.write(at, path, bytes(made))

    # --- checking

    def _meet(self) -> list[str]:
        """Both have the same, and nothing is lost. What is wrong."""
        end = time.monotonic() + SOON_S
        while found := self._apart():
            if not self.loses.running or time.monotonic() > end:
                return ["not equal in time:", *found[: stories.SHOWN]]
            time.sleep(POLL_S)
        wrong = []
        for at in (A, B):
            wrong += self.story.whole(at) + self.story.as_told(at) + self.story.lost(at)
        try:
            wait_for(lambda: not stories.litter(self.loses.dir), CLEAR_S, "nothing is left in the staging folder")
        except AssertionError as error:
            wrong.append(f"{error}: {stories.litter(self.loses.dir)}")
        self._forget_what_is_old()
        return wrong

    def _apart(self) -> list[str]:
        if "in sync with" not in self.loses.log(this_run=True):
            return ["B: has not heard all that A has to tell"]
        return differences(*(survey(root, contents=False) for root in self.lan.roots), labels=("A", "B"))

    def _forget_what_is_old(self) -> None:
        """The disk is small: what is in the history, and on the medium, has been kept, and may go."""
        for node, machine in zip(self.lan, self.story.machines, strict=True):
            if sum(path.stat().st_size for path in stories.kept(node.dir).values()) < DISK_BYTES // 4:
                continue
            for digest, path in stories.kept(node.dir).items():
                path.unlink()
                machine.given_up.add(digest)
            machine.had -= machine.given_up


BIG, HUGE = 700 * KIB, 5 * MIB


def pause(seconds: float) -> None:
    """Users take their time; nothing is waited for."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, POLL_S))


@contextmanager
def storm(seed: int, program: Path | None = None) -> Iterator[Storm]:
    """Two nodes, the second one on a disk whose power can be cut. `program`: what it runs, if not the daemon of this
    checkout."""
    with Lan(2) as lan, ExitStack() as stack:
        node = lan[B]
        shutil.rmtree(node.dir)
        disk = stack.enter_context(Disk(lan.work))
        node.dir = disk.at / "shared"
        node.main = program or node.main
        node.make_folders()
        stack.callback(node.kill)
        made = Storm(lan, disk, seed)
        made.begin()
        yield made
        if all(each.running for each in lan):
            lan.stop()
            for each in lan:
                wrong = stories.own_state(each, pruned=True)
                assert not wrong, "\n".join(wrong)
