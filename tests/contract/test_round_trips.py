"""How often an operation goes to the server: once, however many schedules it is about."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest

from tasker.ports import Action, Definition, Ending, Grant, Held, Outcome, Passed, Proposal, Reason, Skip
from tasker.store import AnyStore, mysql, postgresql, redis
from tasker.store.mysql import _session as mysql_session
from tasker.store.postgresql._session import Session
from tests._support.mariadb_server import mariadb_server, mariadb_url  # noqa: F401 - fixtures
from tests._support.postgres import postgres_server, postgres_url  # noqa: F401 - fixtures
from tests._support.redis_server import RedisServer, redis_server, redis_url  # noqa: F401 - fixtures

TTL = 60_000_000


def test_on_postgresql_an_operation_is_one_statement_for_a_thousand_schedules(
    postgres_url: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[bytes] = []
    rows = Session.rows

    def counted(session: Session, statement: bytes, *parameters: object) -> list[tuple[object, ...]]:
        sent.append(statement)
        return rows(session, statement, *parameters)

    monkeypatch.setattr(Session, "rows", counted)
    with closing(postgresql.Store(postgres_url, call_limit=30)) as store:
        use(store, 1)  # which looks at the tables and the privileges, once for each
        found = [f"{name}: {count}" for name, count in trips(store, 1_000, lambda: len(sent))]
    assert found == ["register: 2", *(f"{name}: 1" for name in AFTER_REGISTER)]


def test_on_mariadb_an_operation_is_one_packet_for_a_thousand_schedules(
    mariadb_url: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[str] = []
    run = mysql_session.Session._run

    def counted(session: mysql_session.Session, text: str) -> list[list[mysql_session.Row]]:
        sent.append(text)
        return run(session, text)

    monkeypatch.setattr(mysql_session.Session, "_run", counted)
    with closing(mysql.Store(mariadb_url, call_limit=30)) as store:
        use(store, 1)  # which looks at the tables, and opens both connections
        found = [f"{name}: {count}" for name, count in trips(store, 1_000, lambda: len(sent))]
    assert found == [f"{name}: 1" for name in ("register", *AFTER_REGISTER)]


def test_on_redis_an_operation_is_one_script_for_five_hundred_schedules(
    redis_url: str,  # noqa: F811
    redis_server: RedisServer,  # noqa: F811
) -> None:
    def scripts() -> int:
        with redis_server.client() as client:
            stats = client.info("commandstats")
        return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("eval", "evalsha"))

    with closing(redis.Store(redis_url, call_limit=30)) as store:
        use(store, 1)  # which sends each script in full
        found = [f"{name}: {count}" for name, count in trips(store, 500, scripts)]
    assert found == [f"{name}: 1" for name in ("register", *AFTER_REGISTER)]


AFTER_REGISTER = ("claim", "renew", "finish", "skip", "control", "claim again", "release", "poll")


def use(store: AnyStore, number: int) -> None:
    trips(store, number, lambda: 0)


def trips(store: AnyStore, number: int, count: Callable[[], int]) -> list[tuple[str, int]]:
    """Do each operation for so many schedules, and return how much was counted in each."""
    ids = [f"{number} {each:04}" for each in range(number)]
    found: list[tuple[str, int]] = []

    def note(name: str, operation: Callable[[], object]) -> None:
        before = count()
        operation()
        found.append((name, count() - before))

    grants: list[Grant] = []
    note("register", lambda: store.register([Definition(id, "every microsecond") for id in ids]))
    slot = max(state.decided for state in store.states(ids)) + 1
    proposals = [Proposal(id, slot) for id in ids]
    note("claim", lambda: grants.extend(store.claim("A", TTL, number, proposals).grants))
    assert len(grants) == number
    held = [Held(grant.id, grant.token) for grant in grants]
    note("renew", lambda: store.renew("A", TTL, held, 30))
    endings = [Ending(id=g.id, token=g.token, outcome=Outcome.SUCCEEDED, through=slot) for g in grants]
    note("finish", lambda: store.finish("A", endings))
    over = Passed(slot + 1, slot + 1, 1, Reason.MISFIRED)
    note("skip", lambda: store.skip([Skip(id, slot + 1, over) for id in ids]))
    note("control", lambda: store.control(Action.TRIGGER, ids))
    again: list[Grant] = []
    note("claim again", lambda: again.extend(store.claim("A", TTL, number, proposals).grants))
    assert len(again) == number
    abandoned = [Held(grant.id, grant.token) for grant in again]
    note("release", lambda: store.release("A", abandoned))
    epoch = store.poll(0).epoch
    note("poll", lambda: store.poll(epoch))
    return found
