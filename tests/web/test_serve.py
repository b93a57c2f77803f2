"""The process: its address, its token, its end."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dir_sync import cli
from dir_sync.config import ConfigError
from dir_sync.web.serve import read_token

MAIN = Path(__file__).resolve().parents[2] / "main.py"


def start(*words: str) -> tuple[subprocess.Popen[str], int, str]:
    """A running process, its port and its token."""
    process = subprocess.Popen(
        [sys.executable, MAIN, "web", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.fullmatch(r"open http://127\.0\.0\.1:(\d+)/\?token=([\w-]+)  \(Ctrl-C ends it\)\n", line)
    assert found, line or process.communicate(timeout=10)
    return process, int(found[1]), found[2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_serves_until_a_signal_comes(number: signal.Signals, tmp_path: Path) -> None:
    process, port, token = start("--port", "0", "--token-file", str(tmp_path / "token"))
    try:
        assert (tmp_path / "token").read_text().strip() == token
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        link.request("GET", f"/?token={token}")
        welcome = link.getresponse()
        cookie = welcome.headers["Set-Cookie"].partition(";")[0]
        welcome.read()
        link.request("GET", "/api/live", headers={"Cookie": cookie})
        live = link.getresponse()
        assert live.headers["Content-Type"].startswith("text/event-stream")
        assert live.readline() == b"retry: 1000\n"
        process.send_signal(number)  # while a page is open
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (0, "", "")
        link.close()
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_it_listens_on_loopback_only(tmp_path: Path) -> None:
    process, port, _ = start("--port", "0")
    try:
        listening = Path("/proc/net/tcp").read_text()
        assert f"0100007F:{port:04X} 00000000:0000 0A" in listening
        assert f"00000000:{port:04X} 00000000:0000 0A" not in listening
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_a_port_in_use_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.main(["web", "--port", str(port)]) == 1
    assert f"TCP port {port} is in use" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--port", "x"], ["--port", "70000"], ["--port", "-1"], ["more"]])
def test_wrong_words(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["web", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_token_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "token"
    token = read_token(str(path))
    assert len(token) >= 40
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_token(str(path)) == token
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="others may read"):
        read_token(str(path))
    for text in ("", "short", "x" * 15, "a b" * 10, "é" * 20):
        path.write_text(text, "utf-8")
        path.chmod(0o600)
        with pytest.raises(ConfigError, match="has no token"):
            read_token(str(path))
    with pytest.raises(ConfigError, match="cannot be used: No such file"):
        read_token(str(tmp_path / "no" / "token"))


def test_a_node_imports_nothing_of_it() -> None:
    code = (
        "import sys, dir_sync.cli, dir_sync.daemon.process\n"
        "print(*sorted({'starlette', 'uvicorn', 'segno', 'anyio', 'asyncio', 'dir_sync.web'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=MAIN.parent, env=dict(os.environ)
    )
    assert done.stdout.strip() == ""
