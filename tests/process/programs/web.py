"""A web service under `main`, as the arguments say: the kind, the delay before it stops, and its grace."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import tasker
from tasker import health, serve


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    if scope["path"] == "/slow":
        print("slow request")
        await asyncio.sleep(0.7)
    elif scope["path"] == "/endless":
        print("endless request")
        await asyncio.sleep(1000)
    await asyncio.sleep(0.005)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def live(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        if "fails to start" in sys.argv and message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.failed", "message": "no database"})
            raise LookupError("no database")
        print(message["type"])
        if "hangs at its start" in sys.argv and message["type"] == "lifespan.startup":
            await start(send)
        if "hangs at its end" in sys.argv and message["type"] == "lifespan.shutdown":
            await asyncio.sleep(1000)
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def start(send: Any) -> None:
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError as error:
        print("start canceled")
        # As Starlette does.
        await send({"type": "lifespan.startup.failed", "message": repr(error)})
        raise


def wsgi_app(environ: Any, start_response: Callable[..., Any]) -> list[bytes]:
    if environ["PATH_INFO"] == "/slow":
        print("slow request")
        time.sleep(0.7)
    elif environ["PATH_INFO"] == "/endless":
        print("endless request")
        time.sleep(1000)
    time.sleep(0.005)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


def starts_slowly() -> None:
    sys.stdin.readline()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    grace = float(sys.argv[3])
    match sys.argv[1]:
        case "asgi":
            tasks = [serve.asgi(asgi_app, port=0, grace=grace, access_log=False)]
        case "wsgi":
            tasks = [serve.wsgi(wsgi_app, port=0, grace=grace)]
        case _:
            tasks = [health.server(0, "127.0.0.1"), tasker.sequence(starts_slowly, serve.wsgi(wsgi_app, port=0))]
    tasker.main(*tasks, drain_delay=float(sys.argv[2]), grace=grace)
    print("handlers are back:", handlers == [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)])
