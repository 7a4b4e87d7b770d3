"""Web applications that are stopped under load: real servers, real clients in processes of their own."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tasker import run, serve
from tests._support.processes import Program
from tests._support.services import require_or_skip

WEB = Path(__file__).parent / "programs" / "web.py"
LOAD = Path(__file__).parents[1] / "_support" / "load.py"
KINDS = pytest.mark.parametrize("kind", ["asgi", "wsgi"])
REPORT = 1.0


def web(kind: str, drain_delay: float = 0, grace: float = 25, *more: str) -> Program:
    library = {"asgi": "uvicorn", "wsgi": "cheroot"}[kind]
    try:
        __import__(library)
    except ModuleNotFoundError:
        require_or_skip(False, f"pip install 'py-tasker[{kind}]'")
    return Program(WEB, kind, str(drain_delay), str(grace), *more)


def port_of(program: Program, who: str = "") -> int:
    program.wait_for(f"{who} listens on ")
    (port,) = re.findall(rf"{who} listens on 127\.0\.0\.1, port (\d+)", program.err)
    return int(port)


def get(port: int, path: str = "/") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


class Getting:
    """A request in flight."""

    def __init__(self, port: int, path: str) -> None:
        self.outcome: Any = None
        self._thread = threading.Thread(target=self._get, args=(port, path))
        self._thread.start()

    def _get(self, port: int, path: str) -> None:
        try:
            self.outcome = get(port, path)
        except (OSError, http.client.HTTPException) as error:
            self.outcome = error

    def wait(self) -> Any:
        self._thread.join(30)
        return self.outcome


@KINDS
@pytest.mark.parametrize("drain_delay", [0, 0.5])
@pytest.mark.parametrize("connections", ["new", "keep"])
def test_under_load_every_request_is_answered_and_connections_are_refused_only_after_the_delay(
    kind: str, drain_delay: float, connections: str
) -> None:
    with ExitStack() as stack:
        program = stack.enter_context(web(kind, drain_delay))
        port = port_of(program)
        load = stack.enter_context(Program(LOAD, str(port), connections, "20"))
        load.wait_for("answered")
        time.sleep(0.3)
        signaled_at = time.time()
        program.signal(signal.SIGTERM)
        assert load.wait() == 0
        program.ends_with(0, within=drain_delay + 3)

    found = json.loads(load.out.splitlines()[-1])
    assert found.pop("first refusal at") >= signaled_at + drain_delay
    assert found.pop("answered") > 20
    assert found == {"refused": 20}


@KINDS
def test_a_request_in_flight_is_answered_and_the_port_is_closed(kind: str) -> None:
    with web(kind) as program:
        port = port_of(program)
        request = Getting(port, "/slow")
        program.wait_for("slow request").signal(signal.SIGTERM)
        program.ends_with(0, within=3)

    assert request.wait() == (200, b"ok")
    with pytest.raises(ConnectionRefusedError):
        get(port)
    socket.create_server(("127.0.0.1", port)).close()


def test_an_asgi_request_that_does_not_end_is_cancelled_within_the_grace() -> None:
    with web("asgi", 0, 3) as program:
        request = Getting(port_of(program), "/endless")
        program.wait_for("endless request").signal(signal.SIGTERM)
        program.ends_with(0, within=3)

    assert program.seconds >= 1.5
    assert isinstance(request.wait(), Exception) or request.outcome[0] == 500
    assert "lifespan.shutdown" in program.out


def test_a_wsgi_request_that_does_not_end_is_reported_when_the_budget_is_over() -> None:
    with web("wsgi", 0, 2) as program:
        request = Getting(port_of(program), "/endless")
        program.wait_for("endless request").signal(signal.SIGTERM)
        program.ends_with(1, within=2 + REPORT)

    assert isinstance(request.wait(), Exception)
    assert "ShutdownTimeout: still running 2 s after being asked to stop: " in program.err


def test_an_application_that_hangs_at_its_end_is_left_within_the_grace() -> None:
    with web("asgi", 0, 2, "hangs at its end") as program:
        port_of(program)
        program.signal(signal.SIGTERM)
        program.ends_with(0, within=2 + REPORT)

    assert "did not return within 1.8 s of its stop" in program.err


def test_an_application_that_is_still_starting_is_canceled_at_once() -> None:
    with web("asgi", 0, 25, "hangs at its start") as program:
        program.wait_for("lifespan.startup").signal(signal.SIGTERM)
        program.ends_with(0, within=1)

    assert "start canceled" in program.out
    assert "listens on" not in program.err
    assert "ERROR" not in program.err


def test_an_application_that_does_not_start_is_a_failure_with_its_own_error() -> None:
    with web("asgi", 0, 25, "fails to start") as program:
        program.ends_with(1, within=10)

    assert "LookupError: no database" in program.err
    assert "RuntimeError: the application did not start" in program.err
    assert "listens on" not in program.err


@pytest.mark.parametrize("make", [serve.asgi, serve.wsgi])
def test_a_port_in_use_is_its_failure_and_says_what_to_do(make: Any) -> None:
    app = "tests.process.programs.web:asgi_app" if make is serve.asgi else "tests.process.programs.web:wsgi_app"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        task = make(app, port=taken.getsockname()[1])

        with pytest.raises(OSError, match="Address already in use; something listens there already: stop it"):
            run(task)


@KINDS
def test_signals_stay_those_of_the_program(kind: str) -> None:
    with web(kind) as program:
        port_of(program)
        program.signal(signal.SIGINT)
        program.ends_with(0, within=3)

    assert program.err.count("INFO tasker: received SIGINT, stopping") == 1
    assert program.out.endswith("handlers are back: True\n")


@KINDS
def test_the_second_signal_ends_it_at_once(kind: str) -> None:
    with web(kind) as program:
        request = Getting(port_of(program), "/endless")
        program.wait_for("endless request").signal(signal.SIGINT)
        program.wait_for("received SIGINT")
        time.sleep(0.1)  # two signals within 50 ms count as one
        program.signal(signal.SIGINT)
        program.ends_with(130, within=1)
    request.wait()


# --- health ---


def test_it_is_ready_when_all_has_started_and_no_longer_from_the_first_signal_on() -> None:
    with Program(WEB, "health", "1", "25") as program:
        port = port_of(program, "health server")
        starting = get(port, "/readyz")
        alive = get(port, "/livez")
        program.say("go")
        port_of(program, "wsgi wsgi_app")
        ready = get(port, "/readyz")
        program.signal(signal.SIGTERM)
        program.wait_for("stopping in 1 s")
        stopping = get(port, "/readyz")
        program.ends_with(0, within=3)

    assert (starting[0], json.loads(starting[1])["reasons"]) == (503, ["'wsgi wsgi_app' has not started yet"])
    assert alive[0] == 200
    assert ready == (200, b'{"status": "ok", "reasons": []}\n')
    assert (stopping[0], json.loads(stopping[1])["reasons"]) == (503, ["it is stopping: received SIGTERM"])
    with pytest.raises(ConnectionRefusedError):
        get(port, "/livez")
