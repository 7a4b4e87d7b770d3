"""Two releases of an application on one store, whose schedules differ: none crashes, or runs what is not its own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from tasker.ports import Action, Definition, Outcome, RunRecord
from tasker.store import open_store
from tests._support.cluster import PROGRAMS, Cluster, until
from tests._support.cluster_journal import Work, make_journal, works_in
from tests._support.raw_rows import RawRows, raw_rows

pytestmark = pytest.mark.slow
SECOND = 1_000_000
OFFSETS = {"older": 0, "newer": SECOND // 2}
LONG_AGO = 1_700_000_000 * SECOND


def cluster_of(url: str, journal: str, release: str) -> Cluster:
    return Cluster(PROGRAMS / "cluster_release.py", url, journal, release)


def written_by_a_later_version(url: str) -> RawRows:
    """Make the rows of a version that is newer than all: one with a column more, and one that is due but its own."""
    with closing(open_store(url)) as store:
        store.register([Definition(id, "every second") for id in ("moved", "theirs", "unknown to all")])
        store.control(Action.TRIGGER, ["theirs"])
    rows = raw_rows(url)
    rows.age()
    rows.change("moved", color="green")
    rows.change("theirs", color="red", format=2, decided=LONG_AGO)
    return rows


def check(works: Sequence[Work], records: Sequence[RunRecord], releases: dict[int, str]) -> None:
    """Check what was run of the schedule that one release has moved by half a second."""
    for work in works:
        assert work.started >= work.slot
        # A slot that somebody did not end is finished by whoever comes, whatever its own schedule says.
        assert work.attempt > 1 or work.slot % SECOND == OFFSETS[releases[work.pid]]
    succeeded = [record.slot for record in records if record.outcome is Outcome.SUCCEEDED]
    assert len(succeeded) == len(set(succeeded))
    assert sorted(succeeded) == [work.slot for work in works if work.ended is not None]
    for before, after in pairwise(works):
        assert before.ended is None or before.ended <= after.started
        assert (before.slot, before.attempt) < (after.slot, after.attempt)


def test_both_run_their_own_slots_of_an_id_and_leave_what_a_later_version_wrote_as_it_is(
    store_url: str, tmp_path: Path
) -> None:
    journal = make_journal(f"{tmp_path}/journal.db")
    rows = written_by_a_later_version(store_url)
    before = rows.row("theirs"), rows.row("unknown to all")
    releases: dict[int, str] = {}

    def ran(id: str, release: str) -> int:
        return sum(work.id == id and releases[work.pid] == release for work in works_in(journal))

    with cluster_of(store_url, journal, "older") as older, cluster_of(store_url, journal, "newer") as newer:
        for release, cluster in (("older", older), ("newer", newer)):
            releases |= {instance.pid: release for instance in cluster.start(2)}
        until(lambda: ran("moved", "older") >= 2 and ran("moved", "newer") >= 2, "both have run their slots")
        until(lambda: ran("dropped", "older") >= 2 and ran("new", "newer") >= 2, "each has run what it has alone")
        older.stop(within=5)
        alone = len(works_in(journal))
        until(lambda: len(works_in(journal)) >= alone + 4, "the newer release goes on alone")
        newer.stop(within=5)

    assert (rows.row("theirs"), rows.row("unknown to all")) == before
    assert rows.color("moved") == "green"
    works = works_in(journal)
    assert {work.id for work in works} == {"moved", "dropped", "new"}
    assert {releases[work.pid] for work in works if work.id == "dropped"} == {"older"}
    assert {releases[work.pid] for work in works if work.id == "new"} == {"newer"}
    with closing(open_store(store_url)) as store:
        records = store.history("moved", 1000)
        assert store.history("theirs", 10) == ()
        assert {state.id for state in store.states()} == {"moved", "dropped", "new", "theirs", "unknown to all"}
    check([work for work in works if work.id == "moved"], records, releases)
    said = "'theirs' is left alone: its row cannot be read, or a newer version of tasker wrote it (format 2)"
    for cluster in (older, newer):
        assert [line.partition(": ")[2] for line in cluster.complaints()] == [said] * 2
