"""A small real service: start it once, or three times side by side, and stop it with Ctrl-C.

The report runs on exactly one of all instances that share a store: the file `tasker.db` in the temporary folder, or the
one whose URL is in TASKER_STORE.
"""

import argparse
import asyncio
import logging
import os
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import tasker
from tasker import Context, Run, schedule

scheduler = tasker.Scheduler(os.environ.get("TASKER_STORE") or f"sqlite:///{tempfile.gettempdir()}/tasker.db", lease=9)
log = logging.getLogger("service")


class Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"hello from process {os.getpid()}\n".encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        log.info("web        %s", format % args)


server = ThreadingHTTPServer(("127.0.0.1", 0), Hello)


def read_settings(ctx: Context) -> None:
    ctx.sleep(0.2)
    log.info("start-up   settings read")


async def warm_the_cache() -> None:
    await asyncio.sleep(0.3)
    log.info("start-up   cache warm")


def say_where() -> None:
    log.info("start-up   listening on http://127.0.0.1:%d", server.server_port)


def heartbeat() -> None:
    log.info("heartbeat  alive")


async def tick() -> None:
    while True:
        await asyncio.sleep(5)
        log.info("tick       from the event loop")


@scheduler.with_schedule("report", schedule.Interval(seconds=3))
def report(ctx: Context) -> None:
    run = Run.current()
    log.info("report     slot %s, attempt %d", f"{run.slot:%H:%M:%S}", run.attempt)
    ctx.sleep(1)


def main(seconds: float) -> None:
    start_up = tasker.sequence(read_settings, tasker.concurrence(warm_the_cache, say_where))
    beat = tasker.with_repeat(schedule.Interval(seconds=10), heartbeat)
    web = tasker.with_shutdown(server.serve_forever, server.shutdown)
    service = tasker.sequence(start_up, tasker.concurrence(web, beat, tick, report))
    tasker.main(tasker.ignore_error(tasker.with_timeout(seconds, service), tasker.DeadlineExceeded), grace=10)
    server.server_close()
    log.info("stopped    good bye")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=365 * 86_400, help="stop by itself after so long")
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {os.getpid():>7} %(message)s", datefmt="%H:%M:%S")
    main(parser.parse_args().seconds)
