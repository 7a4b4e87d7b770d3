"""Clients that send one request after another until they are refused; run as a program, they print what became of them.

What a client sees is one of: an answer, a refused connection, or anything else, which is a request that was lost.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from collections import Counter


class Load:
    """So many clients at the same time."""

    def __init__(self, port: int, *, keeps_connections: bool) -> None:
        self._port = port
        self._keeps_connections = keeps_connections
        self._lock = threading.Lock()
        self.found: Counter[str] = Counter()
        self.first_refusal_at = 0.0

    def run(self, clients: int) -> None:
        """Run until all clients have been refused."""
        threads = [threading.Thread(target=self._client) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _client(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while True:
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
                    connection.connect()
            except ConnectionRefusedError:
                self._note("refused")
                return
            except OSError as error:
                self._note(f"connect: {error!r}")
                return
            connection = self._request(connection)

    def _request(self, connection: http.client.HTTPConnection) -> http.client.HTTPConnection | None:
        try:
            connection.request("GET", "/")
            response = connection.getresponse()
            self._note("answered" if response.read() == b"ok" else f"status {response.status}")
            if self._keeps_connections and not response.will_close:
                return connection
        except (OSError, http.client.HTTPException) as error:
            self._note(f"request: {error!r}")
        connection.close()
        return None

    def _note(self, what: str) -> None:
        with self._lock:
            if what == "refused":
                self.first_refusal_at = self.first_refusal_at or time.time()
            self.found[what] += 1
            if self.found["answered"] == 1:
                print("answered", flush=True)


if __name__ == "__main__":
    load = Load(int(sys.argv[1]), keeps_connections=sys.argv[2] == "keep")
    load.run(int(sys.argv[3]))
    print(json.dumps({**load.found, "first refusal at": load.first_refusal_at}), flush=True)
