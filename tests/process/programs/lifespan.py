"""A FastAPI application under uvicorn, with tasks in its lifespan; one of them fails when someone says a line."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request, Response

import tasker
from tasker import Context


def worker(ctx: Context) -> None:
    print("sync ready")
    ctx.wait()
    print("sync stopped")


async def async_worker() -> None:
    print("async ready")
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.01)
        print("async stopped")


def failing(ctx: Context) -> None:
    sys.stdin.readline()
    if not ctx.done:
        raise LookupError("no such thing")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Context]]:
    async with tasker.background(worker, async_worker, failing, grace=20) as ctx:
        yield {"tasks": ctx}
    print("lifespan left")


app = FastAPI(lifespan=lifespan)


@app.get("/healthz")
def healthz(request: Request) -> Response:
    tasks: Context = request.state.tasks
    return Response(str(tasks.cause), status_code=503) if tasks.done else Response("ok")


class Server(uvicorn.Server):
    async def startup(self, *arguments: object, **options: object) -> None:
        await super().startup(*arguments, **options)  # type: ignore[arg-type]
        print(f"http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}/healthz")


Server(uvicorn.Config(app, port=0, log_level="warning")).run()
print("returned")
