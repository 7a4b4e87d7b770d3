"""Tasks of each kind, under `main` twice; then says whether everything is as it was before."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import tasker
from tasker import Context, schedule


class Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *arguments: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Hello)


def work(ctx: Context) -> None:
    try:
        print("sync ready")
        ctx.sleep(1000)
    finally:
        print("sync stopped")


async def poll() -> None:
    try:
        print("async ready")
        await asyncio.sleep(1000)
    finally:
        await asyncio.sleep(0.01)
        print("async stopped")


def beat() -> None:
    print("beat")


async def serve_again() -> None:
    try:
        print("again ready")
        await asyncio.sleep(1000)
    finally:
        print("again stopped")


def state() -> list[object]:
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup)
    return [signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), wakeup]


logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
signal.signal(signal.SIGTERM, lambda number, frame: print("own handler"))
before = state()

print(f"http://127.0.0.1:{server.server_port}/")
tasker.main(
    tasker.with_shutdown(server.serve_forever, server.shutdown),
    tasker.with_repeat(schedule.Interval(seconds=0.05), beat),
    tasker.sequence(lambda: print("first"), tasker.concurrence(work, poll)),
    grace=30,
)
server.server_close()
print("main returned")
tasker.main(serve_again, grace=30)

print("as before" if state() == before else f"{state()} is not {before}")
signal.raise_signal(signal.SIGTERM)
print("threads that hold the process:", [t.name for t in threading.enumerate() if not t.daemon])
sys.exit(0)
