"""Who may ask the web process, and the headers of all answers."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient

from dir_sync.web.door import HEADERS, Door, Guard, user_of
from tests.web.kit import HOST, Browser, browser

JSON = {"Content-Type": "application/json"}


def inner(scope: Any, receive: Any, send: Any) -> Any:
    return PlainTextResponse("inside")(scope, receive, send)


def client(door: Door, user: int | None = None) -> TestClient:
    return TestClient(Guard(inner, door, lambda scope: user), base_url=HOST)


@pytest.mark.parametrize("path", ["/", "/api/live", "/static/js/main.js", "/metrics", "/api/folders/x/pause"])
def test_nobody_gets_in_without_the_token(path: str) -> None:
    door = Door()
    for query in ({}, {"token": "wrong"}, {"token": door.token[:-1]}):
        assert client(door).get(path, params=query).status_code == 401
    assert client(door).get("/api/live", params={"token": door.token}).status_code == 401, (
        "only the first page takes it"
    )


def test_the_token_becomes_a_cookie_that_no_script_and_no_other_site_gets() -> None:
    door = Door()
    visitor = client(door)
    answer = visitor.get("/", params={"token": door.token})
    assert answer.status_code == 200
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert door.token not in cookie
    assert door.token not in answer.text
    assert visitor.get("/api/live").text == "inside"


def test_a_cookie_of_another_process_or_port_is_none() -> None:
    door = Door()
    session = door.let_in()
    assert client(door).get("/api/x", headers={"Cookie": f"dir_sync_8420={session}"}).text == "inside"
    assert client(Door()).get("/api/x", headers={"Cookie": f"dir_sync_8420={session}"}).status_code == 401
    assert client(door).get("/api/x", headers={"Cookie": f"dir_sync_8421={session}"}).status_code == 401
    for _ in range(64):
        door.let_in()
    assert not door.knows(session), "the oldest goes first"


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("127.0.0.1:8420", 200),
        ("localhost:9000", 200),
        ("LOCALHOST", 200),
        ("[::1]:8420", 200),
        ("evil.example", 421),
        ("evil.example:8420", 421),
        ("127.0.0.1.evil.example", 421),
        ("192.168.1.2:8420", 421),
        ("", 421),
    ],
)
def test_only_this_machine_is_a_host(host: str, code: int) -> None:
    door = Door()
    answer = client(door).get("/x", headers={"Host": host, "Cookie": f"dir_sync_8420={door.let_in()}"})
    assert answer.status_code == code


def test_where_others_may_connect_addresses_are_hosts_and_names_are_not() -> None:
    door = Door(is_loopback=False)
    for host, is_ours in (
        ("192.168.1.2:8420", True),
        ("[fe80::1]", True),
        ("evil.example", False),
        ("localhost", True),
    ):
        assert door.is_our_name(host) is is_ours


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Origin": HOST}, 200),
        ({}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:8421"}, 403),
        ({"Origin": "https://127.0.0.1:8420"}, 403),
        ({"Origin": HOST, "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": HOST, "Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": HOST, "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": HOST, "Content-Type": "text/plain"}, 415),
        ({"Origin": HOST, "Content-Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_a_change_comes_from_our_own_page(headers: dict[str, str], code: int) -> None:
    door = Door()
    cookie = {"Cookie": f"dir_sync_8420={door.let_in()}"}
    assert client(door).post("/x", content="{}", headers=JSON | cookie | headers).status_code == code


def test_another_site_may_not_read_but_may_link_to_the_first_page() -> None:
    door = Door()
    cookie = {"Cookie": f"dir_sync_8420={door.let_in()}", "Sec-Fetch-Site": "cross-site"}
    assert client(door).get("/api/x", headers=cookie).status_code == 403
    assert client(door).get("/", headers=cookie).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(method: str) -> None:
    door = Door()
    answer = client(door).request(method, "/x", headers={"Cookie": f"dir_sync_8420={door.let_in()}", "Origin": HOST})
    assert answer.status_code == 405


def test_two_hosts_are_none() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    import asyncio

    hosts = [(b"host", b"127.0.0.1"), (b"host", b"evil.example")]
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": hosts}
    asyncio.run(Guard(inner, Door())(scope, receive, send))
    assert sent[0]["status"] == 421


def test_every_answer_has_the_headers() -> None:
    with browser() as it:
        for path in ("/", "/static/js/main.js", "/nothing", "/static/nothing", "/static/../app.py", "/api/folders/x/y"):
            answer = it.client.get(path)
            assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, path
        assert it.client.get("/", headers={"Host": "evil.example"}).headers["X-Content-Type-Options"] == "nosniff"
    policy = HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")


def test_an_answer_may_be_stricter_than_the_rest() -> None:
    door = Door()

    async def strict(scope: Any, receive: Any, send: Any) -> None:
        await Response("x", headers={"Content-Security-Policy": "sandbox"})(scope, receive, send)

    answer = TestClient(Guard(strict, door), base_url=HOST).get(
        "/x", headers={"Cookie": f"dir_sync_8420={door.let_in()}"}
    )
    assert answer.headers["Content-Security-Policy"] == "sandbox"


def test_the_token_is_of_use_to_this_user_alone() -> None:
    door = Door()
    for user, code in ((os.geteuid(), 200), (None, 200), (os.geteuid() + 12_345, 403)):
        assert client(door, user).get("/", params={"token": door.token}).status_code == code


def test_the_kernel_tells_whose_process_has_connected() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as near:
        scope = {"client": near.getsockname(), "server": server.getsockname()}
        assert user_of(scope) == os.geteuid()
    assert user_of({"client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2)}) is None
    assert user_of({"client": None, "server": None}) is None


def test_metrics_open_with_the_token_itself(page: Browser) -> None:
    page.client.cookies.clear()
    assert page.client.get("/metrics").status_code == 401
    assert page.client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401
    answer = page.client.get("/metrics", headers={"Authorization": f"Bearer {page.door.token}"})
    assert answer.status_code != 401
    assert page.client.get("/api/live", headers={"Authorization": f"Bearer {page.door.token}"}).status_code == 401
