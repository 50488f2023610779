"""What the server does beside pages: its headers, its status, how many people it bears."""

import asyncio
import json
import re
import socket
import subprocess
import sys
from typing import Any

import pytest
import websockets

from benchmarks import load
from spt.__main__ import main
from spt.ui.server import base, headers, no_delay, start, status
from spt.ui.shared.gate import GATE


def answered(app: Any, kind: str = "http") -> dict[str, str]:
    """The headers that an application's answer begins with."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": kind, "method": "GET", "path": "/status", "headers": [], "query_string": b""}
    asyncio.run(app(scope, receive, send))
    return {name.decode(): value.decode() for name, value in sent[0].get("headers", [])}


async def plain(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b""})


def test_every_answer_keeps_the_page_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(headers.FRAMES_VARIABLE, raising=False)
    found = answered(headers.Headers(plain))
    policy = dict(part.split(" ", 1) for part in found["content-security-policy"].split("; "))
    assert all(re.fullmatch(r"('(self|none|unsafe-inline)'|data:|blob:| )+", sources) for sources in policy.values())
    assert policy["default-src"] == "'self'" and policy["frame-ancestors"] == "'self'"
    assert found["x-frame-options"] == "SAMEORIGIN" and found["x-content-type-options"] == "nosniff"
    assert found["content-type"] == "text/plain"


def test_frames_of_named_sites_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(headers.FRAMES_VARIABLE, "https://talk.example https://other.example")
    found = answered(headers.Headers(plain))
    assert "frame-ancestors 'self' https://talk.example https://other.example" in found["content-security-policy"]
    assert "x-frame-options" not in found
    monkeypatch.setenv(headers.FRAMES_VARIABLE, "https://talk.example; script-src *")
    with pytest.raises(ValueError, match="SPT_FRAMES must be sites separated by spaces"):
        headers.Headers(plain)


def test_websockets_pass_through_as_they_are() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(send)
        await send({"type": "websocket.accept"})

    answered(headers.Headers(app), "websocket")
    assert len(seen) == 1


PAGE = b"<!DOCTYPE html><html><head><title>Streamlit</title></head><body>\xc3\xa9</body></html>"


def sent_by(app: Any, kind: bytes, *parts: bytes) -> tuple[dict[str, str], bytes]:
    """Headers and body of an application's answer that comes in parts, behind the middleware `base.Base`."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        length = str(sum(map(len, parts))).encode()
        start = {"type": "http.response.start", "status": 200}
        await send(start | {"headers": [(b"content-type", kind), (b"content-length", length)]})
        for number, part in enumerate(parts, 1):
            await send({"type": "http.response.body", "body": part, "more_body": number < len(parts)})

    asyncio.run(app(answer)({"type": "http", "method": "GET", "path": "/votes", "headers": []}, None, send))
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return found, b"".join(each["body"] for each in sent[1:])


@pytest.mark.parametrize("cut", [len(PAGE), 20, 1])
def test_a_page_is_told_where_its_server_is(cut: int) -> None:
    headers, body = sent_by(base.Base, b"text/html; charset=utf-8", PAGE[:cut], PAGE[cut:])
    assert body == PAGE.replace(b"<head>", b"<head>" + base.in_head())
    assert headers["content-length"] == str(len(body))


@pytest.mark.parametrize(("asked", "offered"), [(b"text/html,*/*", False), (b"*/*", True)])
def test_a_page_is_asked_for_as_it_is(asked: bytes, offered: bool) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(scope["headers"])

    sent = [(b"accept", asked), (b"accept-encoding", b"gzip")]
    asyncio.run(base.Base(app)({"type": "http", "method": "GET", "path": "/votes", "headers": sent}, None, None))
    assert seen == (sent if offered else sent[:1])


def test_what_is_no_page_stays_as_it_is() -> None:
    headers, body = sent_by(base.Base, b"application/json", PAGE)
    assert body == PAGE and headers["content-length"] == str(len(PAGE))


@pytest.mark.parametrize(
    ("path", "server"),
    [
        *(("/", "/"), ("/votes", "/"), ("/votes/", "/"), ("/inverse", "/"), ("/talk", "/talk"), ("/talk/", "/talk/")),
        *(("/talk/votes", "/talk/"), ("/votes/certify", "/votes/"), ("/my-votes", "/my-votes")),
    ],
)
def test_the_server_is_where_the_page_is_without_its_name(path: str, server: str) -> None:
    found = re.search(rb'new RegExp\((".*")\), "/"\)', base.in_head())
    assert found is not None
    assert re.sub(json.loads(found[1]), "/", path, count=1) == server


def test_status_tells_the_queue_and_nothing_of_a_visitor() -> None:
    tickets = [GATE.ticket("long") for _ in range(GATE.slots + 1)]
    try:
        for ticket in tickets:
            ticket.enter()
        found = status.status()
    finally:
        for ticket in tickets:
            ticket.leave()
    assert found["working"]["long"] == GATE.slots - 1 and found["waiting"] == {"drawing": 0, "short": 0, "long": 2}
    assert found["slots"] == GATE.slots and found["memory_mb"] > 50 and found["device"]
    assert found.keys() == {
        *("spt", "streamlit", "running_s", "sessions", "slots", "working", "waiting", "memory_mb", "device")
    }


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://localhost:1", "No explorer answers at http://localhost:1/status"),
        ("ftp://localhost", "--url must begin with http:// or https://, but is 'ftp://localhost'"),
    ],
)
def test_status_of_no_explorer_is_one_sentence(url: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--url", url]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


@pytest.mark.parametrize(("people", "seconds"), [(3, 10), pytest.param(5, 30, marks=pytest.mark.slow)])
def test_several_people_on_one_server(people: int, seconds: int, capsys: pytest.CaptureFixture[str]) -> None:
    """`benchmarks/load.py`: everybody is served, with what they asked for themselves; and the server's slots are all free again
    when they have gone."""
    with load.server(load.REPOSITORY) as (address, process):
        found = asyncio.run(load.attend(people, seconds, address, process))
        assert main(["status", "--url", address, "--json"]) == 0
    now = json.loads(capsys.readouterr().out)
    assert not found.starved and not found.foreign and not found.failed
    assert len(found.certificates) == people and len(found.votes) >= people
    assert now["working"] == now["waiting"] == {"drawing": 0, "short": 0, "long": 0} and now["sessions"] == 0


async def _enter(address: str, host: str) -> bool:
    """Whether the server at this address lets in who calls it by that name."""
    port = int(address.rpartition(":")[2])
    try:
        called = f"ws://{host}:{port}/_stcore/stream"
        async with websockets.connect(called, subprotocols=["streamlit"], host="127.0.0.1", port=port):
            return True
    except websockets.InvalidStatus as refused:
        assert refused.response.status_code == 403
        return False


def test_a_server_is_entered_by_its_names_only() -> None:
    with load.server(load.REPOSITORY) as (address, _):
        found = {host: asyncio.run(_enter(address, host)) for host in ("localhost", "127.0.0.1", "other.example")}
    assert found == {"localhost": True, "127.0.0.1": True, "other.example": False}


def test_an_explorer_for_others_says_by_which_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[list[str]] = []

    def run(command: list[str], check: bool) -> Any:
        started.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr("spt.commands.app.subprocess.run", run)
    assert main(["app", "--address", "0.0.0.0"]) == 2
    assert "--address 0.0.0.0 lets others in: say by which names" in capsys.readouterr().err and not started
    assert main(["app", "--address", "0.0.0.0", "--host", "class.example", "10.0.0.7"]) == 0
    [command] = started
    allowed = [command[i + 1] for i, option in enumerate(command) if option == "--server.allowedHosts"]
    assert allowed == ["localhost", "127.0.0.1", "::1", "class.example", "10.0.0.7"]
    assert command[command.index("--server.address") + 1] == "0.0.0.0"


# --------------------------------------------------------------------------------------------------------- the first picture


async def _delay_is_off(prepared: bool) -> bool:
    """Whether a connection to a server on a socket of its caller's has TCP_NODELAY."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[bool] = loop.create_future()

    class Look(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            connection = transport.get_extra_info("socket")
            found.set_result(bool(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
            transport.close()

    if prepared:
        no_delay.send_at_once(loop)
    listening = socket.socket(socket.AF_INET)  # as Streamlit makes it: it does not name its protocol
    listening.bind(("127.0.0.1", 0))
    server = await loop.create_server(Look, sock=listening)
    async with server:
        _, writer = await asyncio.open_connection(*listening.getsockname())
        off = await found
        writer.close()
    return off


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the option is inherited on Linux")
def test_answers_leave_at_once() -> None:
    assert not asyncio.run(_delay_is_off(False))  # when this fails, `no_delay` is needed no more
    assert asyncio.run(_delay_is_off(True))


def test_the_server_prepares_it(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = []
    monkeypatch.setattr(no_delay, "send_at_once", prepared.append)
    monkeypatch.setattr(start, "load_core", lambda: None)
    monkeypatch.setattr(start, "log_work", lambda: None)

    async def run() -> None:
        async with start.prepare(None):  # type: ignore[arg-type]
            assert prepared == [asyncio.get_running_loop()]

    asyncio.run(run())


def test_the_core_is_loaded_when_no_request_has_come_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept, busy = [100.0], [], 0

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds
        if len(slept) < busy:
            start.Requests.last = now[0] - 0.1  # one came meanwhile

    monkeypatch.setattr(start.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(start.time, "sleep", sleep)
    for busy, waited in ((1, start.QUIET), (3, 3 * start.QUIET - 0.2), (1000, start.LONGEST)):  # noqa: B007 (`sleep` reads it)
        now[0], slept[:] = 100.0, []
        start.Requests.last = 100.0
        start.wait_until_it_is_quiet()
        assert now[0] - 100 == pytest.approx(waited)


def test_each_request_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start.Requests, "last", 0.0)
    answered(start.Requests(plain))
    assert start.Requests.last > 0


def test_the_code_of_pictures_is_named_in_the_head_with_all_that_it_imports() -> None:
    named = re.findall(r'href="\./static/js/([^"]+)"', base.preloaded())
    assert sum(name.startswith("BidiComponent.") for name in named) == 1 and len(set(named)) == len(named)
    code = {name: (base._SCRIPTS / name).read_text(encoding="utf-8") for name in named}
    imported = {found for text in code.values() for found in re.findall(r'(?:from|import)"\./([^"/]+\.js)"', text)}
    assert {name for name in imported if not name.startswith("index.")} <= set(named)
    assert not any("Plotly" in name or "Vega" in name for name in named)
