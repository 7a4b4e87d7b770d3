"""The whole suite for a `tasker.ports.Repository`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from unittest import SkipTest

from tasker.contract._promises import Promises
from tasker.contract._stores import together
from tasker.errors import StaleToken
from tasker.ports import FORMAT, Outcome, Repository, ScheduleState

_FULL = ScheduleState(
    id="job",
    decided=1_795_490_016_196_601,
    definition="daily at 12:00 \u2713 'Europe/Berlin' 100%",
    defined=1_795_490_016_196_602,
    registered=1_795_490_016_196_612,
    ended=1_795_490_016_196_603,
    last_outcome=Outcome.LEASE_LOST,
    last_success=1_795_490_016_196_604,
    runs=3_000_000_000,
    failures=2,
    token=1_795_490_016_196_605,
    owner="5e0d8e0a-95f7-4dd8-8d0b-1f5f1f9ce7ab",
    lease_until=1_795_490_016_196_606,
    slot=1_795_490_016_196_607,
    manual=True,
    attempt=2,
    started=1_795_490_016_196_608,
    paused=1_795_490_016_196_609,
    requested=1_795_490_016_196_610,
    next_slot=1_795_490_016_196_611,
)


class RepositoryContract(Promises):
    """Everything that `tasker.ports.Repository` promises, one test method each.

    Override `make_repository`, and `make_unreadable` if the states can be reached behind its back.
    """

    def make_repository(self) -> Repository:
        """Hook: return a new handle on the same underlying states each time it is called within one test.

        Each test needs a place without states. Handles that have a method `close` are closed after the test.
        """
        raise NotImplementedError

    def make_unreadable(self, id: str) -> None:  # noqa: ARG002 - for those who override it
        """Hook, optional: put something into a stored state that no version can read, behind the repository's back."""
        raise SkipTest(f"{type(self).__name__} has no hook that spoils a state")

    def open(self) -> Repository:
        """Return a handle that is closed after the test, if it can be."""
        return self.closed_after(self.make_repository())

    def test_what_was_never_created_is_not_found(self) -> None:
        assert self.open().find_by_id("job") is None

    def test_every_part_of_a_state_comes_back_as_it_was(self) -> None:
        self.open().create(_FULL)
        assert self.open().find_by_id("job") == _FULL

    def test_what_is_not_there_in_a_state_is_not_there_later(self) -> None:
        bare = ScheduleState(id="job", decided=0)
        self.open().create(bare)
        assert self.open().find_by_id("job") == bare

    def test_creating_again_leaves_the_state_as_it_is(self) -> None:
        repository = self.open()
        repository.create(_FULL)
        repository.create(replace(_FULL, token=_FULL.token + 1, runs=0))
        assert repository.find_by_id("job") == _FULL

    def test_an_update_replaces_the_whole_state(self) -> None:
        repository = self.open()
        repository.create(_FULL)
        newer = ScheduleState(id="job", decided=5, token=_FULL.token + 1)
        repository.update(newer)
        assert self.open().find_by_id("job") == newer

    def test_an_update_under_the_same_token_is_accepted(self) -> None:
        repository = self.open()
        repository.create(_FULL)
        repository.update(replace(_FULL, runs=7))
        assert repository.find_by_id("job") == replace(_FULL, runs=7)

    def test_an_update_under_a_lower_token_is_refused(self) -> None:
        repository = self.open()
        repository.create(_FULL)
        stale = replace(_FULL, token=_FULL.token - 1, runs=7)
        refusal = _refusal(self.open(), stale)
        assert refusal is not None, (
            f"not fenced: update accepted the token {stale.token} after {_FULL.token}; whoever lost the lock can "
            "overwrite what its successor has written, so a slot can be run twice"
        )
        assert (refusal.key, refusal.token, refusal.newest) == ("job", stale.token, _FULL.token)
        assert repository.find_by_id("job") == _FULL, "not fenced: a refused update was stored all the same"

    def test_a_deleted_state_is_gone_and_can_be_created_anew(self) -> None:
        repository = self.open()
        repository.create(_FULL)
        repository.delete_by_id("job")
        assert self.open().find_by_id("job") is None
        bare = ScheduleState(id="job", decided=1)
        repository.create(bare)
        assert repository.find_by_id("job") == bare

    def test_deleting_what_is_not_there_is_no_error(self) -> None:
        self.open().delete_by_id("job")

    def test_one_id_does_not_touch_another(self) -> None:
        repository = self.open()
        ids = ("job", "Job", "job ", "j\u00f6b", "jo\u0308b", "it's", "100%", "\U0001f680", "x" * 255)
        for number, id in enumerate(ids):
            repository.create(ScheduleState(id=id, decided=number))
        repository.update(ScheduleState(id="job", decided=100))
        repository.delete_by_id("Job")
        found = {id: state.decided for id in ids if (state := repository.find_by_id(id)) is not None}
        assert found == {"job": 100, "job ": 2, "j\u00f6b": 3, "jo\u0308b": 4, "it's": 5, "100%": 6} | {
            "\U0001f680": 7,
            "x" * 255: 8,
        }

    def test_a_state_of_a_newer_format_is_found_and_shown_as_one(self) -> None:
        repository = self.open()
        repository.create(ScheduleState(id="newer", decided=1, format=FORMAT + 1))
        repository.create(_FULL)
        found = self.open().find_by_id("newer")
        assert found is not None, "a state that a newer version wrote would be created anew, and its slots run again"
        assert (found.id, found.format) == ("newer", FORMAT + 1)
        assert repository.find_by_id("job") == _FULL

    def test_a_state_that_cannot_be_read_is_shown_as_newer_and_the_others_as_they_are(self) -> None:
        repository = self.open()
        repository.create(ScheduleState(id="spoilt", decided=1))
        repository.create(_FULL)
        self.make_unreadable("spoilt")
        found = self.open().find_by_id("spoilt")
        assert found is not None
        assert found.id == "spoilt"
        assert found.format > FORMAT, "whoever leaves newer states alone must leave this one alone too"
        assert repository.find_by_id("job") == _FULL

    def test_one_of_many_that_create_at_once_is_kept(self) -> None:
        states = [ScheduleState(id="job", decided=number) for number in range(6)]
        seen: list[ScheduleState | None] = []

        def creator(repository: Repository, state: ScheduleState) -> Callable[[], None]:
            def create() -> None:
                repository.create(state)
                seen.append(repository.find_by_id("job"))

            return create

        together([creator(self.open(), state) for state in states])
        assert len(set(map(repr, seen))) == 1, f"a created state was replaced: {seen}"
        assert seen[0] in states

    def test_the_highest_of_many_tokens_that_write_at_once_is_kept(self) -> None:
        self.open().create(ScheduleState(id="job", decided=0))
        states = [ScheduleState(id="job", decided=number, token=number) for number in range(1, 25)]

        def writer(repository: Repository, state: ScheduleState) -> Callable[[], None]:
            def write() -> None:
                refusal = _refusal(repository, state)
                assert refusal is None or refusal.newest > state.token

            return write

        together([writer(self.open(), state) for state in states])
        assert self.open().find_by_id("job") == states[-1], "not fenced: a lower token was written over a higher one"


def _refusal(repository: Repository, state: ScheduleState) -> StaleToken | None:
    try:
        repository.update(state)
    except StaleToken as refusal:
        return refusal
    return None
