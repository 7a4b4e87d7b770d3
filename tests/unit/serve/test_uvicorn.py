"""What happens to connections in the moment in which the server stops."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

pytest.importorskip("uvicorn")

from tasker.serve import _uvicorn
from tasker.serve._ports import sockets_of

REQUEST = b"GET / HTTP/1.1\r\nhost: example\r\n\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[_uvicorn.Server, asyncio.Future[None], tuple[str, int]]]:
    started = asyncio.Event()
    sockets = sockets_of("web", "127.0.0.1", 0)
    server = _uvicorn.Server(_uvicorn.Application(app, lambda: True), sockets, {}, started.set)
    running = asyncio.ensure_future(server.run_here())
    await started.wait()
    yield server, running, sockets[0].getsockname()
    assert [each.fileno() for each in sockets] == [-1]


def answer_to(client: socket.socket) -> bytes:
    client.settimeout(5)
    answer = b""
    while data := client.recv(4096):
        answer += data
    client.close()
    return answer


def test_a_connection_that_nobody_has_accepted_when_it_stops_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    clients: list[socket.socket] = []

    def a_last_client(listener: socket.socket) -> None:
        client = socket.create_connection(listener.getsockname())
        client.sendall(REQUEST)
        clients.append(client)

    # The loop has no turn in which it could accept it as usual.
    monkeypatch.setattr(_uvicorn, "PAUSE", 0)
    monkeypatch.setattr(_uvicorn, "begin_no_more_connections", a_last_client)

    async def work() -> bytes:
        async with serving() as (server, running, _):
            server.stop_within(5)
            await running
        return await asyncio.to_thread(answer_to, clients[0])

    answer = asyncio.run(work())

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close\r\n" in answer.lower()
    assert answer.endswith(b"\r\n\r\nok")


def test_what_is_connected_when_it_is_given_up_is_closed() -> None:
    async def work() -> None:
        async with serving() as (server, running, address):
            _, writer = await asyncio.open_connection(*address)
            while not server.server_state.connections:  # noqa: ASYNC110 - a turn of the loop or two
                await asyncio.sleep(0.001)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            await asyncio.sleep(0)
            assert not server.server_state.connections
            writer.close()

    asyncio.run(work())


def test_a_server_that_stops_by_itself_waits_for_its_requests_without_a_limit() -> None:
    async def work() -> float:
        async with serving() as (server, running, _):
            server.should_exit = True
            await running
            assert server.config.timeout_graceful_shutdown is None
            return server._rest()

    assert asyncio.run(work()) == float("inf")
