"""An HTTP server that is in the middle of a request, under `main`; the answer comes when someone says a line."""

from __future__ import annotations

import logging
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

import tasker


class Slow(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        print("in flight")
        sys.stdin.readline()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"answered")

    def log_message(self, *arguments: object) -> None:
        pass


logging.basicConfig(level=logging.INFO)
with HTTPServer(("127.0.0.1", 0), Slow) as server:
    print(f"http://127.0.0.1:{server.server_port}/")
    tasker.main(tasker.with_shutdown(server.serve_forever, server.shutdown), grace=60)
print("returned")
