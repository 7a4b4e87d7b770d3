"""What is refused when it is built; what is served is tested with real requests, in `tests/process`."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import Any

import pytest

from tasker import run
from tasker.serve import asgi
from tests._support.tasks import ended

uvicorn = pytest.importorskip("uvicorn")


async def app(scope: Any, receive: Any, send: Any) -> None: ...


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        (("no_such_shop:app",), {}, ImportError, "cannot import 'no_such_shop'"),
        (("shop",), {}, ValueError, "expected 'module:attribute'"),
        ((42,), {}, TypeError, "expected an application"),
        ((app, 42), {}, TypeError, "host: expected a string"),
        ((app, "", "80"), {}, TypeError, "port: expected a number"),
        ((app,), {"grace": -1}, ValueError, "grace: expected"),
        ((app,), {"no_such_option": 1}, TypeError, "serve.asgi: uvicorn does not take these options: "),
        ((app,), {"reload": True}, ValueError, "'reload' makes no sense here: a program that runs under tasker is not"),
        ((app,), {"workers": 4}, ValueError, "'workers' makes no sense here: one process serves"),
        ((app,), {"fd": 3}, ValueError, "'fd' makes no sense here: tasker binds the socket itself"),
        ((app,), {"timeout_graceful_shutdown": 3}, ValueError, "makes no sense here: the grace decides"),
    ],
)
def test_bad_arguments_are_refused_when_it_is_built(
    arguments: Any, options: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=re.escape(text)):
        asgi(*arguments, **options)


def test_a_port_in_the_environment_that_is_none_is_refused_when_it_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "http")

    with pytest.raises(ValueError, match="PORT: expected a port"):
        asgi(app, port_env="PORT")


def test_without_uvicorn_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "tasker.serve._uvicorn", raising=False)

    with pytest.raises(ImportError, match=re.escape("pip install 'py-tasker[asgi]'")):
        asgi(app)


def test_under_an_ended_context_it_does_not_listen() -> None:
    with pytest.raises(BaseException, match="the context ended"):
        run(asgi(app, port=0), ended())


def test_it_is_named_after_its_application() -> None:
    assert asgi(app).name == "asgi app"


def test_an_answer_asks_for_the_end_of_the_connection_while_the_program_drains() -> None:
    from tasker.serve._uvicorn import Application

    sent: list[Any] = []
    is_draining = False

    async def answers(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        sent.append(message)

    async def ask(version: str) -> None:
        wrapped: Any = Application(answers, lambda: is_draining)
        await wrapped({"type": "http", "http_version": version}, None, send)

    asyncio.run(ask("1.1"))
    is_draining = True
    asyncio.run(ask("1.1"))
    asyncio.run(ask("2"))

    headers = [message["headers"] for message in sent if "headers" in message]
    assert headers == [[(b"x", b"y")], [(b"x", b"y"), (b"connection", b"close")], [(b"x", b"y")]]
