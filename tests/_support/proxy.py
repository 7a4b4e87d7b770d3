"""A TCP proxy that a test puts before a server, to cut the way to it in every way that networks know.

Use it in place of the server: `with Proxy(server.port) as proxy: ... proxy.port ... proxy.way(Way.SILENT)`.

What is held back is not lost: it arrives when the way is open again, as what TCP sends again does. Where bytes were
lost, a connection cannot go on: it is reset when the way is open again.
"""

from __future__ import annotations

import enum
import socket
import struct
import threading
import time
from typing import Self

_HOST = "127.0.0.1"
_CHUNK = 65536
_AT_ONCE = struct.pack("ii", 1, 0)
_BACKLOG = 128


class Way(enum.Enum):
    """What becomes of what is sent."""

    OPEN = "open"
    """Everything arrives."""
    HELD = "held"
    """Nothing arrives, until the way is open again: then it comes late."""
    SILENT = "silent"
    """Nothing ever arrives: a black hole."""
    NO_REPLIES = "no replies"
    """Requests arrive and are done; their replies do not come."""
    REFUSED = "refused"
    """Nobody listens; connections that are open are reset."""


class Proxy:
    """Passes connections on to a port of this machine; a context manager that ends them all.

    Attributes:
        port: Where it listens; the same also after it was refused.
        delay: The seconds that whatever is sent takes longer, in each direction.
    """

    def __init__(self, target: int) -> None:
        """Listen, and pass everything on to the port `target`."""
        self.delay = 0.0
        self._target = target
        self._changed = threading.Condition()
        self._way = Way.OPEN
        self._text: bytes | None = None
        self._links: set[_Link] = set()
        self._listener: socket.socket | None = None
        # It never listens: it keeps the port from everybody else while connections are refused.
        self._keeper = _bound(0)
        self.port = int(self._keeper.getsockname()[1])
        self._listen()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.way(Way.REFUSED)
        self._keeper.close()

    def way(self, way: Way) -> None:
        """Let it be so from now on, for connections that are open and for new ones."""
        with self._changed:
            self._way = way
            self._changed.notify_all()
            links = list(self._links)
        for link in links:
            if way is Way.REFUSED or (way is Way.OPEN and link.has_lost):
                self._reset(link)
        if way is Way.REFUSED:
            self._unlisten()
        elif self._listener is None:
            self._listen()

    def reset(self) -> None:
        """Reset the connections that are open; new ones are as before."""
        with self._changed:
            links = list(self._links)
        for link in links:
            self._reset(link)

    def cut_after(self, text: bytes) -> None:
        """Reset the connection that sends this next, when the server has answered and before its client hears it."""
        with self._changed:
            self._text = text

    @property
    def connections(self) -> int:
        """How many connections are open."""
        with self._changed:
            return len(self._links)

    def _listen(self) -> None:
        self._listener = listener = _bound(self.port)
        listener.listen(_BACKLOG)
        threading.Thread(target=self._accept, args=(listener,), name="proxy", daemon=True).start()

    def _unlisten(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)  # which wakes the thread that accepts
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection((_HOST, self._target), timeout=10)
            except OSError:
                _close_at_once(client)
                continue
            server.settimeout(None)
            link = _Link(client, server)
            with self._changed:
                self._links.add(link)
            if self._way is Way.REFUSED:
                self._reset(link)
            for is_reply in (False, True):
                threading.Thread(target=self._pump, args=(link, is_reply), name="proxy", daemon=True).start()

    def _pump(self, link: _Link, is_reply: bool) -> None:
        source, sink = (link.server, link.client) if is_reply else (link.client, link.server)
        try:
            while data := source.recv(_CHUNK):
                self._pass(link, data, sink, is_reply=is_reply)
            self._end(link, sink)
        except OSError:
            self._reset(link)

    def _pass(self, link: _Link, data: bytes, sink: socket.socket, *, is_reply: bool) -> None:
        if self.delay:
            time.sleep(self.delay)
        with self._changed:
            if not is_reply and self._text is not None and self._text in data:
                self._text, link.is_doomed = None, True
        if is_reply and link.is_doomed:
            self._reset(link)
        if self._arrives(link, is_reply=is_reply):
            sink.sendall(data)

    def _arrives(self, link: _Link, *, is_reply: bool) -> bool:
        """Wait while the way is held, and tell whether what is sent now arrives."""
        with self._changed:
            self._changed.wait_for(lambda: self._way is not Way.HELD)
            is_lost = self._way is Way.SILENT or (self._way is Way.NO_REPLIES and is_reply)
            link.has_lost |= is_lost
            return not is_lost

    def _end(self, link: _Link, sink: socket.socket) -> None:
        """Tell one side that the other has ended, as soon as it can hear that."""
        with self._changed:
            self._changed.wait_for(lambda: self._way not in {Way.HELD, Way.SILENT})
            if link not in self._links:
                return  # it was reset, which is what woke this thread
            link.ends += 1
            is_over = link.ends == 2
        sink.shutdown(socket.SHUT_WR)
        if is_over and self._forget(link):
            link.client.close()
            link.server.close()

    def _reset(self, link: _Link) -> None:
        if self._forget(link):
            _close_at_once(link.client)
            _close_at_once(link.server)

    def _forget(self, link: _Link) -> bool:
        """Tell whether the connection was still open: whoever is told so ends it."""
        with self._changed:
            was_open = link in self._links
            self._links.discard(link)
            return was_open


class _Link:
    """A connection, and the one behind it."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.ends = 0
        self.has_lost = False
        self.is_doomed = False
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((_HOST, port))
    return bound


def _close_at_once(end: socket.socket) -> None:
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        end.shutdown(socket.SHUT_RD)  # which wakes the thread that reads
    except OSError:
        pass
    end.close()
