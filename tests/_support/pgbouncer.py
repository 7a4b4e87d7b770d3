"""A PgBouncer that pools transactions, in front of a server of the tests."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests._support.postgres import PostgresServer
from tests._support.processes import LIMIT
from tests._support.server_process import free_port
from tests._support.services import require_or_skip


@contextmanager
def pgbouncer(server: PostgresServer, folder: Path) -> Iterator[str]:
    """Start it, in an empty folder, and give its URL without a database."""
    binary = shutil.which("pgbouncer")
    require_or_skip(binary, "pgbouncer; install the package of that name")
    assert binary is not None
    port = free_port()
    (folder / "ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={server.port} user=tasker\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        "auth_type = any\npool_mode = transaction\ndefault_pool_size = 1\n"
    )
    folder.chmod(0o777)
    process = subprocess.Popen(
        [binary, "-u", "postgres", str(folder / "ini")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"postgresql://tasker@127.0.0.1:{port}/"
    try:
        _wait_for(url)
        yield url
    finally:
        process.kill()
        process.wait()


def _wait_for(url: str) -> None:
    end = time.monotonic() + LIMIT
    while True:
        try:
            psycopg.connect(f"{url}postgres").close()
        except psycopg.OperationalError:
            assert time.monotonic() < end, "PgBouncer does not answer"
            time.sleep(0.05)
        else:
            return
