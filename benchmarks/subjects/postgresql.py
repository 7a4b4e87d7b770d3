"""How many runs a scheduler makes on PostgreSQL, and what each costs the database."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

from benchmarks.effort import Effort
from benchmarks.processes import measure_apart
from benchmarks.report import Bars, Goal, Report, figures_table
from benchmarks.rounds import Figures, Rounds, Spread, take_turns
from benchmarks.server import postgresql
from tasker.store import open_store
from tests._support.postgres import PostgresServer

FLOOR = "floor: raw claims in batches of 100"
NO_HISTORY = "tasker, history thrown away"
PEERS = ("APScheduler 4", "procrastinate", "PgQueuer")
ONE_AFTER_ANOTHER = (
    "256 runs take 60 ms on a slow machine: 25 in the server's two statements, 8 for planning and writing them through"
    " to the disk, and 27 of Python, one after another, as the driver asks and waits; a driver that went on meanwhile"
    " gained a fifth, made slots later on stores that answer slowly, and could lose sight of what it holds"
)
COLUMNS = {"runs/s": "runs/s", "statements": "statements per run", "CPU": "CPU of the process per run, µs"}
LATENESS = {"late p50": "late, median, µs", "late p99": "late, 99 %, µs"}


class Load(NamedTuple):
    """Who is to run how many schedules how often: more than it can, found by trying."""

    contestant: str
    number: int
    period: float
    keeps_history: bool = True
    together: bool = True


SATURATED = {
    "tasker": Load("ours.many_sync_jobs", 5_000, 0.25),
    "tasker, async": Load("ours.many_async_jobs", 5_000, 0.25),
    NO_HISTORY: Load("ours.many_sync_jobs", 5_000, 0.25, keeps_history=False),
    PEERS[0]: Load("apscheduler4.async_jobs", 200, 1.0),
    PEERS[1]: Load("procrastinate.async_jobs", 500, 1.0),
    # It runs them in bursts, a second late at least; with many more than this, it runs none of them.
    PEERS[2]: Load("pgqueuer.async_jobs", 3_000, 5.0),
}
SHARE = 0.15
"""The part of the floor's rows a second that are to be run, and on time."""
PERIOD = 4.0
"""How often each is due then, in seconds: much longer than a run may be late."""
HERD = {"tasker": Load("ours.sync_jobs", 1_000, 1.0), "tasker, async": Load("ours.async_jobs", 1_000, 1.0)}


def measure(effort: Effort) -> Report:
    """Measure what can be run at most, and a herd that is due each second."""
    with postgresql() as server:
        most = _measure(server, SATURATED, effort, with_floor=True)
        number = round(SHARE * PERIOD * most.medians("runs/s")[FLOOR])
        spread = Load("ours.many_sync_jobs", number, PERIOD, together=False)
        on_time = _measure(server, {"tasker": spread}, effort, with_floor=False)
        herd = _measure(server, HERD, effort, with_floor=False)
    return Report(
        "PostgreSQL",
        "One process on a throwaway server that writes through to the disk; processes and server share the machine.\n"
        "Each contestant has as many schedules that are due at once as it can run, or more; what they run does nothing."
        "\ntasker writes a row of history for each run, and runs up to 256 at a time."
        " The floor has no leases, no history and no tokens.\n"
        "What history costs is seen beside a table of runs whose trigger lets no row in.\n"
        "Statements are counted by the server, those that begin and end transactions too.",
        [
            Goal(
                "runs a second, with history",
                FLOOR,
                most.ratio("runs/s", "tasker", FLOOR),
                SHARE,
                at_least=True,
                needed=ONE_AFTER_ANOTHER,
            ),
            Goal(
                "runs a second", "the best peer", _beside_best_peer(most), 10, at_least=True, needed=ONE_AFTER_ANOTHER
            ),
            Goal(f"the last of as many as {SHARE} of the floor", "", on_time.of("tasker", "latest"), 1, "s late"),
            Goal("a herd of 1,000 each second", "", herd.of("tasker", "statements"), 0.1, "statements per run"),
        ],
        [
            "More is due than can be run:",
            figures_table(most, COLUMNS),
            f"{number:,} schedules, each due every {PERIOD:g} s, spread evenly: {SHARE} of the floor's rows a second:",
            figures_table(on_time, {**COLUMNS, **LATENESS, "latest": "late at most, s"}),
            "1,000 schedules, all due each second, tasker with its defaults:",
            figures_table(herd, {**COLUMNS, **LATENESS}),
        ],
        [Bars("postgresql", "Runs a second on PostgreSQL, one process", "runs/s", most.medians("runs/s"))],
    )


def _measure(server: PostgresServer, loads: dict[str, Load], effort: Effort, *, with_floor: bool) -> Rounds:
    def raw() -> Figures:
        with server.database() as name:
            return measure_apart(
                "benchmarks.floor_postgresql", "raw", url=server.url(name), rows=10_000, seconds=effort.seconds
            )

    def program(load: Load) -> Callable[[], Figures]:
        def run() -> Figures:
            with server.database() as name:
                if not load.keeps_history:
                    _keep_no_history(server, name)
                return measure_apart(
                    "benchmarks.loads",
                    "spread",
                    peers=not load.contestant.startswith("ours"),
                    contestant=load.contestant,
                    number=load.number,
                    period=load.period,
                    seconds=max(effort.seconds, 4 * load.period),
                    url=server.url(name),
                    together=load.together,
                )

        return run

    floor = {FLOOR: raw} if with_floor else {}
    return take_turns({**floor, **{name: program(load) for name, load in loads.items()}}, effort.rounds)


def _keep_no_history(server: PostgresServer, database: str) -> None:
    with closing(open_store(server.url(database))) as store:
        store.states()
    server.execute(
        "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        " CREATE TRIGGER nothing BEFORE INSERT ON tasker_run FOR EACH ROW EXECUTE FUNCTION nothing()",
        database,
    )


def _beside_best_peer(rounds: Rounds) -> Spread | None:
    ratios = [found for peer in PEERS if (found := rounds.ratio("runs/s", "tasker", peer)) is not None]
    return min(ratios, default=None)
