"""The control socket: through it other commands ask a running daemon.

In:   one connection, one line of JSON: {"command": ...}.
Out:  one line of JSON: the answer, or {"error": words for the user}. Some commands are answered by a stream of such lines.
Rule: the socket is in `.dir_sync`, only its owner may connect, and no client can delay the daemon. Some may wait for an
answer at the same time, because a command may wait for a change. If the file system
has no sockets (vfat, exFAT), it is in a folder of this user in /run or /tmp. A daemon that begins, ends, or goes over to
another key has the folder's lock a moment without an answer: who asks waits that long.
"""

from __future__ import annotations

import errno
import json
import math
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from dir_sync.readable import Readable

__all__ = [
    "BEGINS_S",
    "ENDS",
    "Answer",
    "ControlServer",
    "NoDaemon",
    "ask",
    "line_of",
    "listen",
    "process_that_answers",
]

Answer = dict[str, Any]
Streams = Mapping[str, Callable[[Answer, socket.socket], None]]
"""What serves the link of a question that is answered by a stream, by its command. It may raise OSError."""

BEGINS_S = 5.0  # a daemon ends within two seconds, and the next one has to open the folder
ENDS: Answer = {"error": "the node is busy or ending and did not answer in time", "ends": True}
"""The answer to a question that was not looked at, because the daemon is ending. It may be asked again."""

_NAME = "control"
_LINE_BYTES_MAX = 16 * 1024 * 1024  # a question: a dry run's about one path has the records of all peers there
_ANSWER_BYTES_MAX = 64 * 1024 * 1024
_END_WITHIN_S = 2.0
_PATIENCE_S = 2.0  # for the question, once connected
_ANSWER_WITHIN_S = 60.0
_AT_ONCE_MAX = 32  # further ones wait until one of these has its answer
_AGAIN_S = 0.05
_NO_ROOM_S = 0.1  # a connection that cannot be accepted, for want of descriptors or memory, is tried again after this


class NoDaemon(Exception):
    """No daemon runs on that folder."""


class ControlServer:
    """Answers questions. There is a thread for each of them, and none while nobody asks."""

    def __init__(
        self, state: str, readable: Readable, answer: Callable[[Answer], Answer], streams: Streams | None = None
    ) -> None:
        """`state`: the folder's `.dir_sync`, which the caller has locked. `answer` is called on the thread of a question, and
        so are the `streams`: they have to end before `stop`. Raises OSError if the file system has no sockets."""
        self._state = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        self._name = _NAME
        self._readable = readable
        self._answer = answer
        self._streams: Streams = streams or {}
        self._asked: list[threading.Thread] = []  # of those that have ended, some are left ...
        self._streaming: set[threading.Thread] = set()  # ... and these are served by a stream
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            try:
                self._bind()
            except OSError:
                elsewhere, self._name = _elsewhere(self._state, make=True)
                os.close(self._state)
                self._state = elsewhere
                self._bind()
            self._socket.listen(8)
            self._socket.setblocking(False)
        except OSError:
            self._socket.close()
            os.close(self._state)
            raise

    def _bind(self) -> None:
        try:
            os.unlink(self._name, dir_fd=self._state)  # left by a daemon that was killed
        except FileNotFoundError:
            pass
        self._socket.bind(_path(self._state, self._name))
        os.chmod(self._name, 0o600, dir_fd=self._state)

    def start(self) -> None:
        self._readable.add(self._socket.fileno(), self._called)

    def stop(self) -> None:
        """May be called whether or not it was started."""
        self._readable.remove(self._socket.fileno())
        deadline = time.monotonic() + _END_WITHIN_S
        for thread in self._asked:
            thread.join(max(0.05, deadline - time.monotonic()))
        self._socket.close()
        try:
            os.unlink(self._name, dir_fd=self._state)
        except OSError:
            pass  # the folder is gone, or was replaced
        os.close(self._state)

    def _called(self) -> float:
        """Somebody connects: begin to serve it. If there are too many, the next one waits until one is over."""
        try:
            link, _ = self._socket.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return 0.0  # it has gone already
        except OSError:
            return _NO_ROOM_S  # it still waits, and this thread watches all folders
        thread = threading.Thread(target=self._serve, args=(link,), name="control", daemon=True)
        self._asked = [*filter(threading.Thread.is_alive, self._asked), thread]
        thread.start()
        return math.inf if len(self._asked) - len(self._streaming) >= _AT_ONCE_MAX else 0.0

    def _serve(self, link: socket.socket) -> None:
        stream: Callable[[], None] | None = None
        with link:
            try:
                link.settimeout(_PATIENCE_S)
                question = _question_in(_read_line(link, _LINE_BYTES_MAX))
                serve = None if question is None else self._streams.get(question["command"])
                if question is None:
                    link.sendall(line_of({"error": "the question cannot be read"}))
                elif serve is None:
                    link.sendall(line_of(self._answer(question)))
                else:
                    stream = partial(serve, question, link)
                    self._streaming.add(threading.current_thread())
            except OSError:
                pass  # the client has gone
            finally:
                self._readable.resume(self._socket.fileno())
            if stream is not None:  # meanwhile, others are answered
                try:
                    stream()
                except OSError:
                    pass
                finally:
                    self._streaming.discard(threading.current_thread())


def _question_in(line: bytes) -> Answer | None:
    try:
        question = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return question if isinstance(question, dict) and isinstance(question.get("command"), str) else None


def ask(folder: str, question: Answer, begins_s: float = BEGINS_S) -> Answer:
    """Ask the daemon that runs on a folder. `begins_s`: how long one is waited for that has the folder's lock and does not
    answer yet, or not any more. Raises NoDaemon; OSError if it does not answer."""
    until_s = time.monotonic() + begins_s
    has_ended = False
    while True:
        with _connected(folder, until_s) as link:
            try:
                link.sendall(line_of(question))
                answer = _answer_in(_read_line(link, _ANSWER_BYTES_MAX))
            except (BrokenPipeError, ConnectionResetError):  # it has ended, and had not read all of the question
                if has_ended:
                    raise
                has_ended = True
                continue
        if "ends" not in answer or time.monotonic() >= until_s:
            return answer
        time.sleep(_AGAIN_S)


def listen(folder: str, question: Answer, tick_s: float | None = None) -> Iterator[Answer]:
    """Ask something that is answered by a stream: each answer when it comes, until the daemon ends. `tick_s`: after so long
    without an answer there is an empty one, so that the caller can end. Raises as `ask`."""
    with _connected(folder, time.monotonic() + BEGINS_S) as link:
        link.sendall(line_of(question))
        link.settimeout(tick_s)
        rest = b""
        while True:
            try:
                piece = link.recv(65536)
            except TimeoutError:
                yield {}
                continue
            if not piece:
                return
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield _answer_in(line)


def _connected(folder: str, until_s: float) -> socket.socket:
    """A connection to the daemon that runs on a folder. Until then (monotonic), one is waited for that has the folder's lock.
    Raises NoDaemon; OSError."""
    while True:
        try:
            return _connected_now(folder)
        except NoDaemon:
            from dir_sync.folder.processes import is_locked  # imported late: a node asks nobody

            if time.monotonic() >= until_s or not is_locked(folder):
                raise
        time.sleep(_AGAIN_S)


def _connected_now(folder: str, within_s: float = _ANSWER_WITHIN_S) -> socket.socket:
    """`within_s`: how long whoever listens may take for each step. Raises NoDaemon; OSError."""
    try:
        state = os.open(os.path.join(folder, ".dir_sync"), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise NoDaemon from error
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        link.settimeout(within_s)
        _connect(link, state)
        return link
    except (FileNotFoundError, ConnectionRefusedError) as error:
        link.close()
        raise NoDaemon from error
    except BaseException:
        link.close()
        raise
    finally:
        os.close(state)


def _answer_in(line: bytes) -> Answer:
    try:
        answer = json.loads(line)
    except ValueError as error:
        raise OSError("an answer that cannot be read") from error
    if not isinstance(answer, dict):
        raise OSError("an answer that cannot be read")
    return answer


def process_that_answers(folder: str) -> int | None:
    """The id of the process that listens on the control socket of a folder, by the kernel's word; None: nobody does."""
    try:
        with _connected_now(folder, _PATIENCE_S) as link:
            process: int = struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
            return process
    except (NoDaemon, OSError):
        return None


def _connect(link: socket.socket, state: int) -> None:
    try:
        link.connect(_path(state, _NAME))
    except OSError as error:
        try:
            elsewhere, name = _elsewhere(state, make=False)
        except OSError:
            raise error from None
        try:
            link.connect(_path(elsewhere, name))
        except OSError:
            raise error from None
        finally:
            os.close(elsewhere)


def _elsewhere(state: int, make: bool) -> tuple[int, str]:
    """A handle of the folder for sockets that cannot be in `.dir_sync` (open as `state`), and the socket's name in it.
    OSError if it does not exist, or another user may have put it there."""
    runtime = f"/run/user/{os.geteuid()}"
    above = runtime if os.path.isdir(runtime) else "/tmp"
    folder = f"{above}/dir_sync-{os.geteuid()}"
    if make:
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            pass
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    found = os.fstat(handle)
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        os.close(handle)
        raise OSError(errno.EPERM, f"{folder} is not ours alone")
    shared = os.fstat(state)
    return handle, f"{shared.st_dev:x}-{shared.st_ino:x}"


def _path(folder: int, name: str) -> str:
    """A path for the socket's address, which is limited to 107 bytes; a folder's path may be longer."""
    return f"/proc/self/fd/{folder}/{name}"


def line_of(words: Answer) -> bytes:
    """An answer, or a question, as it travels."""
    return json.dumps(words).encode("ascii") + b"\n"


def _read_line(link: socket.socket, most: int) -> bytes:
    data = bytearray()
    while not data.endswith(b"\n"):
        piece = link.recv(65536)
        if not piece or len(data) + len(piece) > most:
            raise OSError("the answer is cut off")
        data += piece
    return bytes(data)
