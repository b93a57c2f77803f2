"""Log lines: what they look like, what they can never contain, and that writing them hurts nobody."""

from __future__ import annotations

import io
import logging
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.config import ConfigError
from dir_sync.reporting import log

Said = Callable[[], list[str]]
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def logging_ends() -> Iterator[None]:
    was = logging.raiseExceptions
    yield
    log.close()
    logging.raiseExceptions = was


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """The lines on stderr since this was last asked."""
    return lambda: capsys.readouterr().err.splitlines()


def run_python(code: str, stderr: int, env: dict[str, str] | None = None) -> int:
    """Exit code of a Python that runs `code`."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, stderr=stderr, env=env, timeout=30, check=False).returncode


def test_lines_for_people(said: Said) -> None:
    log.setup(0, None)
    log.logger.debug("how")
    log.logger.info("found %s", "anna")
    log.logger.warning("no room")
    log.logger.error("gone")
    logging.getLogger("dir_sync.node").info("from a part")
    found, no_room, gone, part = said()
    assert re.fullmatch(r"\d\d:\d\d:\d\d  found anna", found)
    assert re.fullmatch(r"\d\d:\d\d:\d\d  warning: no room", no_room)
    assert re.fullmatch(r"\d\d:\d\d:\d\d  error: gone", gone)
    assert part.endswith("  from a part")


@pytest.mark.parametrize(("verbosity", "words"), [(-1, "w"), (0, "iw"), (1, "diw"), (2, "diw")])
def test_verbosity(said: Said, verbosity: int, words: str) -> None:
    log.setup(verbosity, None)
    log.logger.debug("d")
    log.logger.info("i")
    log.logger.warning("w")
    assert [line[-1] for line in said()] == list(words)


def test_file_has_dates_and_all_that_happens(said: Said, tmp_path: Path) -> None:
    path = tmp_path / "log"
    log.setup(-1, str(path))
    log.logger.info("one")
    log.setup(1, str(path))
    log.logger.debug("two")
    log.logger.warning("three")
    log.close()
    dates = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [+-]\d{4}"
    one, two, three = path.read_text().splitlines()
    assert re.fullmatch(dates + "  INFO     one", one)
    assert re.fullmatch(dates + "  DEBUG    two", two)
    assert re.fullmatch(dates + "  WARNING  three", three)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(said()) == 2


def test_setup_twice_does_not_double(said: Said) -> None:
    log.setup(0, None)
    log.setup(0, None)
    log.logger.info("once")
    assert len(said()) == 1


def test_nothing_is_said_after_close(said: Said) -> None:
    log.setup(0, None)
    log.close()
    log.close()
    log.logger.info("late")
    assert said() == []


def test_without_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    log.setup(0, None)
    log.logger.error("nobody hears it")
    log.complain("nor this")


def test_watchdog_complains_through_us(said: Said) -> None:
    log.setup(1, None)
    logging.getLogger("watchdog.observers").debug("an event")
    logging.getLogger("watchdog.observers").warning("no watch left")
    assert [line[10:] for line in said()] == ["warning: no watch left"]


@pytest.mark.parametrize("bad", ["missing/log", ".", "fifo", "lo\0g"])
def test_unwritable_file(tmp_path: Path, bad: str) -> None:
    os.mkfifo(tmp_path / "fifo")  # nobody reads it: opening it must not wait for a reader
    with pytest.raises(ConfigError) as caught:
        log.setup(0, f"{tmp_path}/{bad}")
    assert caught.value.exit_code == 1
    assert str(caught.value).startswith("cannot write the log file ")
    assert str(caught.value).isprintable()


def test_control_characters_cannot_get_out(said: Said) -> None:
    log.setup(0, None)
    log.logger.info("a\nb\rc\x1b[2Jd\u202ee\x9bf\u2028g\udcffh %s", "\x00\t")
    (line,) = said()
    assert line.isprintable()
    assert line.endswith(r"a\nb\rc\x1b[2Jd\u202ee\x9bf\u2028g\udcffh \x00\t")


@given(st.text())
def test_escape(text: str) -> None:
    escaped = log.escape(text)
    assert escaped.isprintable()
    assert text.isprintable() <= (escaped == text)
    escaped.encode()


def test_a_long_line_is_cut(said: Said) -> None:
    log.setup(0, None)
    log.logger.info("x" * 100_000)
    (line,) = said()
    assert len(line) < 1100
    assert line.endswith("x…")


def test_traceback_lines_cannot_pass_for_entries(said: Said) -> None:
    log.setup(1, None)
    try:
        raise RuntimeError("broken\n23:17:05  all is well")
    except RuntimeError:
        log.logger.exception("oh")
    first, *rest = said()
    assert first.endswith("  error: oh")
    assert any("RuntimeError: broken" in line for line in rest)
    assert all(line.startswith("          | ") for line in rest)


def test_a_wrong_format_string_is_still_heard(said: Said) -> None:
    log.setup(0, None)
    log.logger.info("%d files", "many")
    log.logger.info("%s and %s", "one")
    assert [line[10:] for line in said()] == ["'%d files' with ('many',)", "'%s and %s' with ('one',)"]


def test_a_stream_that_fails_hurts_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.StringIO):
        works = False

        def write(self, text: str) -> int:
            if not self.works:
                raise OSError("no room")
            return super().write(text)

    stream = Broken()
    monkeypatch.setattr(sys, "stderr", stream)
    log.setup(0, None)
    log.logger.info("lost")
    log.logger.info("lost too")
    stream.works = True
    log.logger.info("back")
    lines = stream.getvalue().splitlines()
    stream.close()
    log.logger.info("closed")
    assert [line[10:] for line in lines] == ["(2 log lines were lost)", "back"]


def test_lost_lines_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe that nobody reads: only one line waits a little; when there is room again, the loss is told."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as out, os.fdopen(writer, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        log.setup(0, None)
        for number in range(5000):
            log.logger.info("line %d", number)
        before = out.read1(1 << 20)
        log.logger.info("the last")
        after = out.read1(1 << 20).decode()
        log.close()
    written = before.count(b"\n")
    assert 0 < written < 5000
    assert before.endswith(b"line %d\n" % (written - 1))
    assert f"({5000 - written:,} log lines were lost)" in after.splitlines()[0]
    assert after.splitlines()[1].endswith("the last")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_full_disk_and_closed_pipe_change_no_exit_code() -> None:
    code = "from dir_sync.reporting import log; log.setup(0, '/dev/full'); log.logger.info('x'); log.complain('y')"
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert run_python(code + "; exit(3)", stderr=writer) == 3
    finally:
        os.close(writer)


@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colour_only_where_wanted(environment: dict[str, str], coloured: bool) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")}
    try:
        mine, theirs = pty.openpty()
    except OSError:
        pytest.skip("no pseudo-terminals here")
    try:
        code = "from dir_sync.reporting import log; log.setup(0, None); log.logger.info('a'); log.logger.warning('b')"
        assert run_python(code, stderr=theirs, env=kept | {"TERM": "xterm"} | environment) == 0
        text = os.read(mine, 10_000).decode()
    finally:
        os.close(mine)
        os.close(theirs)
    assert ("\x1b[33m" in text) is coloured
    assert ("\x1b" in text) is coloured


def test_complain(said: Said, tmp_path: Path) -> None:
    log.complain("no \x1b DIR")
    assert said() == ["dir_sync: no \\x1b DIR"]
    path = tmp_path / "log"
    log.setup(0, str(path))
    log.complain("port 6000 is taken")
    assert said() == ["dir_sync: port 6000 is taken"]
    assert path.read_text().endswith("  ERROR    port 6000 is taken\n")


def test_many_threads_tear_no_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    log.setup(0, str(tmp_path / "log"))

    def say(n: int) -> None:
        for i in range(200):
            log.logger.info("%d:%d", n, i)

    threads = [threading.Thread(target=say, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    lines = (tmp_path / "log").read_text().splitlines()
    assert sorted(line.split("  ")[-1].strip() for line in lines) == sorted(
        f"{n}:{i}" for n in range(4) for i in range(200)
    )


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (1240, "1.24 kB"),
        (9994, "9.99 kB"),
        (9995, "10.0 kB"),
        (99_949, "99.9 kB"),
        (99_950, "100 kB"),
        (187_000, "187 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (1_240_000, "1.24 MB"),
        (2**30, "1.07 GB"),
        (2**60, "1.15 EB"),
        (10**22, "10000 EB"),
        (-1500, "-1.50 kB"),
    ],
)
def test_human_bytes(n: int, text: str) -> None:
    assert log.human_bytes(n) == text


@pytest.mark.parametrize(
    ("s", "text"),
    [
        (0, "0.0 ms"),
        (0.0004, "0.4 ms"),
        (0.012, "12 ms"),
        (0.25, "250 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (1.23, "1.2 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (75, "1 min 15 s"),
        (3599.6, "1 h"),
        (7500, "2 h 5 min"),
        (86400, "1 d"),
        (3 * 86400 + 4 * 3600 + 5, "3 d 4 h"),
        (-2, "-2.0 s"),
    ],
)
def test_human_seconds(s: float, text: str) -> None:
    assert log.human_seconds(s) == text


def test_once() -> None:
    once = log.Once(causes_max=2)
    assert once.first("a")
    assert not once.first("a")
    assert once.first("b")
    assert once.first("c")  # forgets the oldest, a
    assert not once.first("b")
    assert once.first("a")
