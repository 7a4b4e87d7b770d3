"""The least privileges of the documentation are enough, each of them is needed, and what is missing is said at once."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tasker.errors import StoreUnavailable, TaskerError
from tasker.ports import (
    Action,
    Definition,
    Ending,
    Held,
    Outcome,
    Passed,
    Proposal,
    Reason,
    ScheduleState,
    Skip,
)
from tasker.store.postgresql import LockerFactory, Repository, Store, _database, _privileges, schema_sql
from tests._support.postgres import PostgresServer, postgres_server, postgres_url  # noqa: F401 - fixtures

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "postgresql.md"
TTL = 60_000_000
_numbers = itertools.count()


def documented_grants(role: str) -> list[str]:
    """Return the statements of the guide, for another role."""
    (block,) = [block for block in re.findall(r"```sql\n(.*?)```", GUIDE.read_text(), re.DOTALL) if "GRANT" in block]
    statements = [statement.strip() for statement in block.split(";") if statement.strip()]
    assert all(statement.endswith(" TO app") for statement in statements)
    return [statement.removesuffix("app") + role for statement in statements]


def granted() -> list[tuple[str, str]]:
    """Return each table of the guide with each of its privileges."""
    pairs: list[tuple[str, str]] = []
    for statement in documented_grants("app"):
        found = re.fullmatch(r"GRANT (.*) ON (public\..*) TO app", statement)
        if found is not None:
            tables = [table.strip().removeprefix("public.") for table in found[2].split(",")]
            pairs += [(table, privilege.strip()) for table in tables for privilege in found[1].split(",")]
    return pairs


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


class Role:
    """A role with no more than the privileges of the guide, in a database with tasker's tables."""

    def __init__(self, url: str) -> None:
        self.name = f"app_{os.getpid()}_{next(_numbers)}"
        self.owner_url = url
        self.url = url.replace("tasker@", f"{self.name}@")

    def revoke(self, privilege: str, what: str) -> None:
        execute(self.owner_url, f"REVOKE {privilege} ON {what} FROM {self.name}")


@pytest.fixture
def role(postgres_url: str) -> Iterator[Role]:  # noqa: F811 - that is how fixtures are asked for
    made = Role(postgres_url)
    name = postgres_url.rpartition("/")[2]
    execute(
        postgres_url,
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        f"REVOKE ALL ON DATABASE {name} FROM PUBLIC",
        f"CREATE ROLE {made.name} LOGIN",
        f"GRANT CONNECT ON DATABASE {name} TO {made.name}",
        schema_sql("public"),
        *documented_grants(made.name),
    )
    try:
        yield made
    finally:
        execute(postgres_url, f"DROP OWNED BY {made.name}", f"DROP ROLE {made.name}")


def use_schedules(url: str) -> None:
    with closing(Store(url)) as store:
        slot = store.register([Definition("job", "every second"), Definition("old", "never")]).states[0].decided + 1
        store.register([Definition("job", "every minute")])
        (grant,) = store.claim("A", 1, 1, [Proposal("job", slot)]).grants
        while store.poll(0).now < grant.lease_until:
            pass
        (grant,) = store.claim("B", TTL, 1, [Proposal("job", slot)]).grants
        assert store.renew("B", TTL, [Held("job", grant.token)], 3).kept == {"job"}
        ending = Ending(id="job", token=grant.token, outcome=Outcome.INTERRUPTED, through=None)
        assert store.finish("B", [ending]).answers == {"job": "recorded"}
        (grant,) = store.claim("B", TTL, 1, [Proposal("job", slot)]).grants
        assert store.release("B", [Held("job", grant.token)]).ids == {"job"}
        store.skip([Skip("old", slot + TTL, Passed(slot + TTL, slot + TTL, 1, Reason.MISFIRED))])
        for action in Action:
            assert store.control(action, None).ids == {"job", "old"}
        assert len(store.history("job", 10)) == 3
        assert store.trim(["job"], 1, 0) == 2
        assert not store.beat("A", "worker", "1").is_draining
        assert store.drain(["A"], draining=True).ids == {"A"}
        assert [each.is_draining for each in store.instances()] == [True]
        assert store.leave(["A"]).ids == {"A"}
        assert store.purge(store.poll(0).now + 1).ids == {"job", "old"}
        assert store.states() == ()


def use_locks(url: str) -> None:
    with closing(Store(url)) as store:
        (grant,) = store.acquire("A", TTL, ["key"]).grants
        assert store.extend("A", TTL, [Held("key", grant.token)], 3).kept == {"key"}
        assert store.free("A", [Held("key", grant.token)]).ids == {"key"}
        assert len(store.acquire("B", TTL, ["key"]).grants) == 1


def use_states(url: str) -> None:
    with closing(Repository(url)) as repository:
        repository.create(ScheduleState(id="job", decided=1))
        repository.update(ScheduleState(id="job", decided=2, token=1))
        assert repository.find_by_id("job") == ScheduleState(id="job", decided=2, token=1)
        repository.delete_by_id("job")


USES: dict[str, Callable[[str], None]] = {
    "tasker_lock": use_locks,
    "tasker_state": use_states,
}


def use(url: str, table: str) -> None:
    USES.get(table, use_schedules)(url)


def test_the_documented_privileges_are_enough_for_everything(role: Role) -> None:
    for work in (use_schedules, use_locks, use_states):
        work(role.url)


@pytest.mark.parametrize(("table", "privilege"), granted())
def test_each_of_them_is_needed_and_asked_for_before_anything_is_changed(
    role: Role, table: str, privilege: str
) -> None:
    role.revoke(privilege, f"public.{table}")
    with pytest.raises(TaskerError) as caught:
        use(role.url, table)
    assert not isinstance(caught.value, StoreUnavailable)
    if table == "tasker_meta":
        assert "permission denied for table tasker_meta; grant it SELECT" in str(caught.value)
        return
    assert str(caught.value) == (
        f"the role '{role.name}' of the store lacks privileges, let the owner of the tables do this: "
        f'GRANT {privilege} ON "public".{table} TO "{role.name}"'
    )
    for changed in ("tasker_schedule", "tasker_lock", "tasker_state"):
        with psycopg.connect(role.owner_url) as connection:
            assert connection.execute(f"SELECT count(*) FROM {changed}".encode()).fetchone() == (0,)
    execute(role.owner_url, str(caught.value).partition("do this: ")[2])
    use(role.url, table)


@pytest.mark.parametrize(("table", "privilege"), granted())
def test_none_of_them_is_asked_for_without_need(
    role: Role, table: str, privilege: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_database, "check", lambda *_: None)
    role.revoke(privilege, f"public.{table}")
    with pytest.raises(TaskerError, match=f"permission denied for table {table}"):
        use(role.url, table)


def test_the_documented_privileges_are_those_that_are_looked_at() -> None:
    needed = {
        (table, privilege) for needs in _privileges._NEEDED for table, names in needs.items() for privilege in names
    }
    assert set(granted()) == needed | {("tasker_meta", "SELECT")}


def test_all_that_is_missing_is_said_in_one_message(role: Role) -> None:
    role.revoke("ALL", "ALL TABLES IN SCHEMA public")
    execute(role.owner_url, f"GRANT SELECT ON public.tasker_meta, public.tasker_run TO {role.name}")
    with closing(Store(role.url)) as store, pytest.raises(TaskerError) as caught:
        store.register([Definition("job", "every second")])
    everything = "SELECT, INSERT, UPDATE, DELETE"
    assert str(caught.value).partition("do this: ")[2].split("; ") == [
        f'GRANT SELECT, INSERT, UPDATE ON "public".tasker_bell TO "{role.name}"',
        f'GRANT {everything} ON "public".tasker_schedule TO "{role.name}"',
        f'GRANT INSERT, UPDATE, DELETE ON "public".tasker_run TO "{role.name}"',
        f'GRANT {everything} ON "public".tasker_instance TO "{role.name}"',
    ]


def test_who_only_reads_needs_only_to_read(role: Role) -> None:
    use_schedules(role.owner_url)
    for privilege in ("INSERT", "UPDATE", "DELETE"):
        role.revoke(privilege, "ALL TABLES IN SCHEMA public")
    with closing(Store(role.url)) as store:
        assert [store.states(), store.history("job", 10), store.instances()] == [(), (), ()]
        assert store.poll(0).now > 0
        with pytest.raises(TaskerError, match="lacks privileges"):
            store.control(Action.PAUSE, None)


def test_who_only_locks_needs_nothing_of_the_schedules(role: Role) -> None:
    role.revoke("ALL", "public.tasker_schedule, public.tasker_run, public.tasker_bell, public.tasker_instance")
    use_locks(role.url)
    with closing(LockerFactory(role.url)) as lockers, pytest.raises(TaskerError, match="lacks privileges"):
        lockers._database_store.register([Definition("job", "every second")])


@pytest.mark.parametrize("schema", [None, "public"])
def test_a_schema_that_may_not_be_used_is_named(role: Role, schema: str | None) -> None:
    role.revoke("USAGE", "SCHEMA public")
    with closing(Store(role.url, schema=schema)) as store, pytest.raises(TaskerError) as caught:
        store.states()
    assert not isinstance(caught.value, StoreUnavailable)
    assert "schema" in str(caught.value)


def test_a_role_that_may_create_nothing_is_told_both_ways_out(postgres_url: str) -> None:  # noqa: F811
    name = f"app_{os.getpid()}_{next(_numbers)}"
    execute(
        postgres_url,
        f"CREATE ROLE {name} LOGIN",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        f"GRANT USAGE ON SCHEMA public TO {name}",
    )
    url = postgres_url.replace("tasker@", f"{name}@")
    try:
        with closing(Store(url)) as store, pytest.raises(TaskerError) as caught:
            store.register([Definition("job", "every second")])
        with closing(Store(url, schema="own")) as store, pytest.raises(TaskerError) as of_schema:
            store.register([Definition("job", "every second")])
    finally:
        execute(postgres_url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")
    assert not isinstance(caught.value, StoreUnavailable)
    assert str(caught.value) == (
        "the role of the store may not make the tables of tasker in the schema 'public' (permission denied for schema "
        'public): GRANT CREATE ON SCHEMA "public" to it, or run the SQL from '
        "tasker.store.postgresql.schema_sql('public') as their owner and grant this role USAGE on the schema, SELECT "
        "on tasker_meta, and SELECT, INSERT, UPDATE and DELETE on the other tables"
    )
    assert "GRANT CREATE ON DATABASE to it" in str(of_schema.value)
