"""One long run moves from an instance to the next: when its instance stops, and when it freezes."""

from __future__ import annotations

import re
import signal
import time
from contextlib import closing

import psycopg
import pytest

from tasker.ports import Outcome, RunRecord
from tasker.store import open_store
from tests._support.cluster import PROGRAMS, Cluster
from tests._support.processes import MARGIN, Program

pytestmark = pytest.mark.slow
LONG_RUN = PROGRAMS / "cluster_long_run.py"


def history(url: str, slot: int) -> list[RunRecord]:
    """Return the records of the attempts at a slot, the first one first."""
    with closing(open_store(url)) as store:
        return [record for record in reversed(store.history("long", 100)) if record.slot == slot]


def slot_of(program: Program, attempt: int) -> int:
    """Wait for an attempt and return its slot."""
    program.wait_for(f"began attempt {attempt} at slot")
    found = re.search(rf"began attempt {attempt} at slot (\d+)\.", program.wait_for(".").out)
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("schedule", ["anchored", "from the last run"])
def test_the_run_of_an_instance_that_stops_is_started_by_another_within_about_a_second(
    store_url: str, schedule: str
) -> None:
    with Cluster(LONG_RUN, store_url, "--schedule", schedule) as cluster:
        (holder,) = cluster.start()
        slot = slot_of(holder, 1)
        (other,) = cluster.start()
        other.wait_for("up.")

        holder.signal(signal.SIGTERM)
        holder.ends_with(0, within=1)
        assert "ended by Cancelled." in holder.out
        cluster.running.remove(holder)
        assert slot_of(other, 2) == slot
        assert "began attempt 1" not in other.out
        other.say("done")
        other.wait_for("done.")
        cluster.stop(within=1)
    first, second = history(store_url, slot)
    assert [(each.outcome, each.attempt) for each in (first, second)] == [
        (Outcome.INTERRUPTED, 1),
        (Outcome.SUCCEEDED, 2),
    ]
    assert first.owner != second.owner
    assert second.started is not None
    # Its lease would have lasted for another ten seconds at least.
    assert 0 <= second.started - first.at < (1 + MARGIN) * 1_000_000
    assert cluster.complaints() == []


def test_the_run_of_an_instance_that_is_killed_is_started_by_another_when_its_lease_is_over(store_url: str) -> None:
    lease = 3
    with Cluster(LONG_RUN, store_url, f"--lease={lease}", "--call-limit=1") as cluster:
        (holder,) = cluster.start()
        slot = slot_of(holder, 1)
        (other,) = cluster.start()
        other.wait_for("up.")
        killed = time.time()  # which is the clock of every store on this machine
        cluster.kill(holder)
        assert slot_of(other, 2) == slot
        other.say("done")
        other.wait_for("done.")
        cluster.stop(within=1)
    first, second = history(store_url, slot)
    assert [(each.outcome, each.attempt) for each in (first, second)] == [
        (Outcome.LEASE_LOST, 1),
        (Outcome.SUCCEEDED, 2),
    ]
    assert first.started is not None
    assert second.started is not None
    assert first.owner != second.owner
    assert second.started - first.started >= lease * 1_000_000
    assert second.started / 1_000_000 - killed < lease + 1 + MARGIN
    assert cluster.complaints() == []


def test_a_run_that_was_frozen_for_longer_than_its_lease_hears_that_it_is_lost_and_counts_for_nothing(
    postgres_url: str,
) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE fenced (token bigint NOT NULL)")
        connection.execute("INSERT INTO fenced VALUES (0)")
        connection.execute(
            "CREATE TABLE written (number bigint GENERATED ALWAYS AS IDENTITY, token bigint, pid bigint)"
        )
    arguments = ["--fenced", "--returns", "--lease=2", "--call-limit=0.6"]
    with Cluster(LONG_RUN, postgres_url, *arguments) as cluster:
        (frozen,) = cluster.start()
        slot = slot_of(frozen, 1)
        (other,) = cluster.start()
        other.wait_for("up.")
        frozen.wait_for("wrote.")

        frozen.signal(signal.SIGSTOP)
        assert slot_of(other, 2) == slot
        other.wait_for("wrote.", times=3)
        frozen.signal(signal.SIGCONT)
        frozen.wait_for("ended by LeaseLost.", "does not count")
        other.wait_for("wrote.", times=6)
        other.say("done")
        other.wait_for("done.")
        cluster.stop(within=1)

    attempts = history(postgres_url, slot)
    assert [(each.outcome, each.attempt) for each in attempts] == [(Outcome.LEASE_LOST, 1), (Outcome.SUCCEEDED, 2)]
    with psycopg.connect(postgres_url) as connection:
        written = connection.execute("SELECT token, pid FROM written ORDER BY number").fetchall()
    tokens = [token for token, _ in written]
    assert tokens == sorted(tokens)
    # Nothing was written under the old token once there was a newer one.
    assert {pid for token, pid in written if token == attempts[0].token} == {frozen.pid}
    assert {pid for token, pid in written if token == attempts[1].token} == {other.pid}
    assert "Traceback" not in frozen.err + other.err
    # It looks at its context before each write, and is told at once: the table hardly has to refuse anything.
    assert frozen.out.count("refused.") <= 1
