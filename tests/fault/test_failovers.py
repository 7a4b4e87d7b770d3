"""A replica takes over that missed the last writes: a run that it never heard of is left, and tokens grow all the same.

The old primary dies with a claim that was acknowledged and not replicated, which is what asynchronous replication
means; that two runs then hold a lease for a while is said in the documentation.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests._support.places import Place
from tests._support.postgres import PostgresServer, find_postgres
from tests._support.proxy import Proxy, Way
from tests._support.redis_server import RedisServer
from tests._support.server_process import ServerProcess, identity_of
from tests._support.services import require_or_skip
from tests._support.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("place", ["postgresql", "redis"], indirect=True)]


class PostgresReplica(PostgresServer):
    """A copy of a server that follows it until it is promoted."""

    def __init__(self, primary: PostgresServer) -> None:
        """Copy the data of the primary, and follow it."""
        self._primary = primary
        super().__init__(settings={"max_connections": 200, "wal_level": "replica", "max_wal_senders": 4})

    def _prepare(self) -> None:
        binaries = find_postgres()
        assert binaries is not None
        command = [
            str(binaries / "pg_basebackup"),
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
            "--pgdata",
        ]
        command += [str(self._data), "--dbname", self._primary.url()]
        subprocess.run(command, check=True, cwd=self.folder, **identity_of(self.account))


@contextmanager
def replica_of(primary: ServerProcess) -> Iterator[tuple[ServerProcess, Callable[[], object]]]:
    """Give a server that follows another, and what makes a primary of it."""
    if isinstance(primary, PostgresServer):
        binaries = find_postgres()
        require_or_skip(binaries and (binaries / "pg_basebackup").exists(), "pg_basebackup; install postgresql")
        with PostgresReplica(primary) as postgres:
            yield postgres, lambda: postgres.execute("SELECT pg_promote()")
    else:
        with RedisServer(settings={"replicaof": [primary.host, primary.port]}) as redis:
            yield redis, lambda: redis.execute("REPLICAOF", "NO", "ONE")


def has_heard(replica: ServerProcess, place: Place, id: str) -> bool:
    """Tell whether a schedule has been replicated."""
    if isinstance(replica, PostgresServer):
        return replica.execute(f"SELECT 1 FROM tasker_schedule WHERE id = '{id}'", place.database) != []
    assert isinstance(replica, RedisServer)
    return bool(replica.execute("EXISTS", f"{{tasker:}}:s:{id}"))


def test_a_run_that_was_not_replicated_is_left_and_the_next_has_a_larger_token(place: Place, stage: Stage) -> None:
    with Proxy(place.server.port) as proxy:
        url = place.url_by(proxy.port)
        quick = stage.start("--ids", "quick", url=url)
        stage.seen("done", of=quick)
        with replica_of(place.server) as (replica, promote):
            stage.until(lambda: has_heard(replica, place, "quick"), "the replica has the row")
            promote()
            # From here on all that the primary acknowledges is lost.
            long = stage.start("--ids", "long", "--first", "60", url=url)
            before = stage.seen("began", of=long)
            with place.down():
                proxy.way(Way.REFUSED)
                proxy._target = replica.port
                proxy.way(Way.OPEN)
                left = stage.seen("left", of=long)
                stage.until(lambda: stage.notes("began", of=long, after=left.at), "the run begins again")
                stage.wait("done", of=quick, times=2)
                stage.stop()
            assert (left.detail, left.token) == ("LeaseLost", before.token)
            for id in ("long", "quick"):
                tokens = [note.token for note in stage.notes("began", id=id)]
                assert tokens == sorted(set(tokens))
            assert stage.stale() == []
