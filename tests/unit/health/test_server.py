"""The health server with real requests; its checks have tests of their own."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tasker import Context, health, main, run, to_task
from tasker._core import threads
from tasker.health import _http
from tasker.health._http import HealthServer
from tasker.serve._ports import listener_of, port_in
from tests._support.leftovers import eventually, nothing_left_behind
from tests._support.tasks import ended

Answer = tuple[int, Any]


@pytest.fixture(autouse=True)
def _stops_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    serve = socketserver.BaseServer.serve_forever
    monkeypatch.setattr(socketserver.BaseServer, "serve_forever", lambda self: serve(self, 0.01))


class Served:
    """A health server that runs, with a check that finds what the test puts there."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.check: Callable[[], list[str]] = lambda: self.reasons
        listener = listener_of("health server", "127.0.0.1", 0)
        self.port = port_in(listener)
        self._server = HealthServer(listener, {"/readyz": self._find})
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _find(self) -> list[str]:
        return self.check()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def ask(self, path: str = "/readyz", method: str = "GET") -> Answer:
        return ask(self.port, path, method)


def noted(ports: list[int], port: int) -> int:
    ports.append(port)
    return port


def ask(port: int, path: str, method: str = "GET") -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        body = response.read()
        assert response.headers["Content-Type"] == "application/json"
        return response.status, json.loads(body) if body else None
    finally:
        connection.close()


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.close()


def test_when_all_is_well_it_answers_200(served: Served) -> None:
    assert served.ask() == (200, {"status": "ok", "reasons": []})


def test_when_something_is_wrong_it_answers_503_with_the_reasons(served: Served) -> None:
    served.reasons = ["'wéb' has not started yet"]

    assert served.ask() == (503, {"status": "unavailable", "reasons": ["'wéb' has not started yet"]})


def test_a_query_is_ignored_and_another_path_is_not_found(served: Served) -> None:
    assert served.ask("/readyz?verbose")[0] == 200
    assert served.ask("/") == (404, {"status": "not found", "paths": ["/readyz"]})


def test_a_head_request_is_answered_without_a_body(served: Served) -> None:
    assert served.ask(method="HEAD") == (200, None)


def test_a_client_that_says_nothing_does_not_keep_others_from_an_answer(served: Served) -> None:
    silent = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(_http._AT_ONCE - 1)]

    answer = served.ask()
    for each in silent:
        each.close()

    assert answer[0] == 200


def test_more_requests_at_a_time_than_it_handles_are_refused(served: Served) -> None:
    hold = threading.Event()
    served.check = lambda: [] if hold.wait(5) else ["never"]
    answers: list[int] = []
    asking = [threading.Thread(target=lambda: answers.append(served.ask()[0])) for _ in range(_http._AT_ONCE)]
    for thread in asking:
        thread.start()
    eventually(lambda: served._server._free._value == 0, "they are not handled")

    with pytest.raises((ConnectionError, http.client.HTTPException)):
        served.ask()
    hold.set()
    for thread in asking:
        thread.join()

    assert answers == [200] * _http._AT_ONCE


def test_a_check_that_fails_ends_only_its_own_request(served: Served) -> None:
    def fails() -> list[str]:
        raise LookupError

    served.check = fails
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        served.ask()
    served.check = list

    assert served.ask()[0] == 200


def test_where_there_are_no_threads_a_request_is_refused(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(job: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threads, "submit", refuse)

    with pytest.raises((ConnectionError, http.client.HTTPException)):
        served.ask()


# --- the task ---


def test_under_main_it_knows_what_has_started_and_what_stops() -> None:
    answers: list[Answer] = []
    ports: list[int] = []

    async def asks(ctx: Context) -> None:
        while not task.starts or not ports:  # noqa: ASYNC110 - turns of the loop are what it takes
            await asyncio.sleep(0.001)
        answers.append(await asyncio.to_thread(ask, ports[0], "/readyz"))
        answers.append(await asyncio.to_thread(ask, ports[0], "/livez"))
        raise SystemExit

    task = health.server(0, "127.0.0.1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasker.health._server.port_in", lambda listener: noted(ports, port_in(listener)))
        with pytest.raises(SystemExit):
            main(task, to_task(asks, "asks"), signals=())

    assert answers == [(200, {"status": "ok", "reasons": []})] * 2


def test_it_closes_its_port_and_leaves_nothing_behind() -> None:
    ports: list[int] = []
    with pytest.MonkeyPatch.context() as patch, nothing_left_behind():
        ctx = Context.background().with_cancel()
        patch.setattr("tasker.health._server.port_in", lambda listener: noted(ports, port_in(listener)))
        patch.setattr("tasker.health._http.HealthServer.service_actions", lambda self: ctx.cancel())
        run(health.server(0, "127.0.0.1"), ctx)

    with pytest.raises(ConnectionRefusedError):
        ask(ports[0], "/livez")


def test_under_an_ended_context_it_does_not_listen() -> None:
    with pytest.raises(BaseException, match="the context ended"):
        run(health.server(0), ended())


def test_a_port_in_use_is_its_failure() -> None:
    taken = listener_of("other", "127.0.0.1", 0)

    with pytest.raises(OSError, match=r"health server cannot listen on 127\.0\.0\.1"):
        run(health.server(port_in(taken), "127.0.0.1"))
    taken.close()


class Scheduler:
    def states(self) -> list[Any]:
        return []


@pytest.mark.parametrize(
    ("given", "count"), [(None, 0), (Scheduler(), 1), ([Scheduler(), Scheduler()], 2), (iter([Scheduler()]), 1)]
)
def test_schedules_come_from_one_or_several(given: Any, count: int) -> None:
    task: Any = health.server(0, schedules=given)

    assert len(task._sources) == count


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"port": "80"}, TypeError, "port: expected a number"),
        ({"port": 0, "host": 42}, TypeError, "host: expected a string"),
        ({"port": 0, "schedules": 42}, TypeError, "schedules: expected a scheduler, with states(), or several, got 42"),
        ({"port": 0, "schedules": [Scheduler(), 42]}, TypeError, "schedules: expected a scheduler"),
        ({"port": 0, "margin": -1}, ValueError, "margin: expected"),
        ({"port": 0, "blocked": -1}, ValueError, "blocked: expected"),
    ],
)
def test_bad_arguments_are_refused(arguments: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=re.escape(text)):
        health.server(**arguments)
