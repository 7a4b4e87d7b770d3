"""Should it run now? Tables of the pure decisions, with instants that a person worked out."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from tasker import schedule
from tasker.ports import FORMAT, Grant, Outcome, Passed, Reason
from tasker.scheduler import _due
from tasker.scheduler._plan import Plan
from tests._support.slots import SECOND, at, plan, said, state

START = datetime(2026, 1, 1, tzinfo=UTC)
DAILY = schedule.Daily(hour=4, tz="UTC")
EACH_MINUTE = schedule.Interval(minutes=1, anchor=START)
EACH_SECOND = schedule.Interval(seconds=1, anchor=START)
EVERY_HOUR = schedule.Interval(hours=1)

MISFIRED = Reason.MISFIRED


def decided(decision: _due.Decision) -> tuple[object, ...]:
    """Return a decision as a table can show it."""
    match decision:
        case _due.Run(slot, base):
            return ("run", said(slot)) if base is None else ("run", said(slot), said(base))
        case _due.Wait(until):
            return ("wait", said(until))
        case _due.PassOver(passed):
            return ("pass over", *described(passed))
        case _due.Finished():
            return ("finished",)


def described(passed: Passed | None) -> tuple[object, ...]:
    return () if passed is None else (said(passed.slot), said(passed.until), passed.count, str(passed.reason))


def grant(slot: str, decided: str = "01-01 04:00", *, manual: bool = False, attempt: int = 1, **facts: Any) -> Grant:
    return Grant("job", 7, at(slot), manual, attempt, at(slot), state(decided, **facts))


@pytest.mark.parametrize(
    ("now", "policy", "expected"),
    [
        ("01-02 03:59:59", {}, ("wait", "01-02 04:00")),
        ("01-02 04:00", {}, ("run", "01-02 04:00")),
        ("01-02 04:01", {"misfire": "skip"}, ("pass over", "01-02 04:00", "01-02 04:00", 1, "misfired")),
        ("01-02 04:00:30", {"misfire": "skip"}, ("run", "01-02 04:00")),
        ("01-02 05:00", {"misfire": "skip", "late": 3600}, ("run", "01-02 04:00")),
        (
            "01-02 05:00:01",
            {"misfire": "skip", "late": 3600},
            ("pass over", "01-02 04:00", "01-02 04:00", 1, "misfired"),
        ),
        # Three slots have passed.
        ("01-04 09:00", {}, ("run", "01-04 04:00")),
        ("01-04 09:00", {"misfire": "run_all"}, ("run", "01-02 04:00")),
        ("01-04 09:00", {"misfire": "skip"}, ("pass over", "01-02 04:00", "01-04 04:00", 3, "misfired")),
        # `late` bounds each of them.
        ("01-04 09:00", {"late": 5 * 3600}, ("run", "01-04 04:00")),
        ("01-04 09:00", {"late": 4 * 3600}, ("pass over", "01-02 04:00", "01-04 04:00", 3, "misfired")),
        ("01-04 09:00", {"misfire": "run_all", "late": 30 * 3600}, ("run", "01-03 04:00")),
        (
            "01-04 09:00",
            {"misfire": "run_all", "late": 3600},
            ("pass over", "01-02 04:00", "01-04 04:00", 3, "misfired"),
        ),
    ],
)
def test_a_free_row_is_decided_by_its_slots_and_policies(
    now: str, policy: dict[str, Any], expected: tuple[object, ...]
) -> None:
    assert decided(_due.decide(plan(DAILY, **policy), state("01-01 04:00"), at(now))) == expected


@pytest.mark.parametrize("misfire", ["run_once", "run_all", "skip"])
@pytest.mark.parametrize("overlap", ["skip", "queue"])
def test_a_slot_that_is_due_just_now_is_run_under_every_policy(misfire: str, overlap: str) -> None:
    policies = plan(DAILY, misfire=misfire, overlap=overlap)

    assert decided(_due.decide(policies, state("01-01 04:00"), at("01-02 04:00"))) == ("run", "01-02 04:00")


def test_a_schedule_without_more_slots_is_finished() -> None:
    once = plan(schedule.At(datetime(2026, 1, 2, tzinfo=UTC)))

    assert decided(_due.decide(once, state("01-01 00:00"), at("01-01 00:00"))) == ("wait", "01-02 00:00")
    assert decided(_due.decide(once, state("01-02 00:00"), at("01-03 00:00"))) == ("finished",)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        # Held: it may be renewed for long, or be done at any moment; the next slot is the time to ask.
        ({"owner": "other", "lease_until": "01-02 04:10", "slot": "01-02 04:00"}, ("wait", "01-02 04:10")),
        ({"owner": "other", "lease_until": "01-09 00:00", "slot": "01-02 04:00"}, ("wait", "01-03 04:00")),
        # Expired, returned: its slot is claimed again, whatever the policies.
        ({"owner": "other", "lease_until": "01-02 04:04", "slot": "01-02 04:00"}, ("run", "01-02 04:00")),
        ({"slot": "01-02 04:00", "attempt": 1}, ("run", "01-02 04:00")),
        # Asked for by hand, also while paused; paused.
        # The store gives what was asked for; as a slot that instant would be given again.
        ({"requested": "01-02 04:04"}, ("run", "01-01 04:00")),
        ({"requested": "01-02 04:04", "paused": "01-01 00:00"}, ("run", "01-01 04:00")),
        ({"slot": "01-02 04:04", "manual": True}, ("run", "01-01 04:00")),
        ({"paused": "01-01 00:00"}, ("wait", None)),
        ({"paused": "01-01 00:00", "slot": "01-02 04:00"}, ("wait", None)),
        ({"paused": "01-01 00:00", "slot": "01-02 04:04", "manual": True}, ("run", "01-01 04:00")),
        # Not ours to touch.
        ({"format": FORMAT + 1}, ("wait", None)),
        ({"format": FORMAT + 1, "requested": "01-02 04:04"}, ("wait", None)),
    ],
)
def test_what_the_row_says_goes_before_the_slots(facts: dict[str, Any], expected: tuple[object, ...]) -> None:
    tolerant = plan(DAILY, misfire="skip", late=1)

    assert decided(_due.decide(tolerant, state("01-01 04:00", **facts), at("01-02 04:05"))) == expected


@pytest.mark.parametrize(
    ("policy", "facts"),
    [
        ({}, {"requested": "01-03 04:30"}),
        ({"overlap": "queue"}, {}),
        ({"misfire": "run_all"}, {}),
        ({"overlap": "queue"}, {"slot": "01-02 09:00", "manual": True}),
    ],
)
def test_what_waits_for_the_holder_is_looked_at_each_second(policy: dict[str, Any], facts: dict[str, Any]) -> None:
    held = {"owner": "other", "lease_until": "01-03 04:10", "slot": "01-02 04:00", **facts}

    looked_at = _due.decide(plan(DAILY, **policy), state("01-01 04:00", **held), at("01-03 04:05"))

    assert decided(looked_at) == ("wait", "01-03 04:05:01")


@pytest.mark.parametrize(
    ("policy", "facts"),
    [
        ({}, {}),
        ({"overlap": "queue"}, {"slot": "01-03 04:00"}),
        ({"overlap": "queue"}, {"paused": "01-02 05:00"}),
    ],
)
def test_where_nothing_waits_for_the_holder_its_lease_is_waited_for(
    policy: dict[str, Any], facts: dict[str, Any]
) -> None:
    held = {"owner": "other", "lease_until": "01-03 04:10", "slot": "01-02 04:00", **facts}

    looked_at = _due.decide(plan(DAILY, **policy), state("01-01 04:00", **held), at("01-03 04:05"))

    assert decided(looked_at) == ("wait", "01-03 04:10")


class TestDefinitions:
    """What lies before a definition was first seen is not its misfire."""

    def test_moving_the_slot_back_past_now_runs_nothing(self) -> None:
        # 04:00 became 03:00 at 03:30.
        earlier = schedule.Daily(hour=3, tz="UTC")
        row = state("01-01 04:00", defined="01-02 03:30")

        assert decided(_due.decide(plan(earlier), row, at("01-02 03:30"))) == ("wait", "01-03 03:00")
        assert decided(_due.decide(plan(earlier, misfire="run_all"), row, at("01-02 09:00"))) == ("wait", "01-03 03:00")

    def test_moving_the_slot_forward_runs_it_a_second_time_that_day(self) -> None:
        # The old 03:00 has run; the new 05:00 is another slot.
        later = schedule.Daily(hour=5, tz="UTC")
        row = state("01-02 03:00", defined="01-02 03:30")

        assert decided(_due.decide(plan(later), row, at("01-02 03:30"))) == ("wait", "01-02 05:00")

    def test_slots_that_were_missed_after_that_are_made_up_for(self) -> None:
        row = state("01-01 04:00", defined="01-02 03:30")

        assert decided(_due.decide(plan(EACH_MINUTE), row, at("01-02 03:33:30"))) == ("run", "01-02 03:33")

    def test_what_another_version_has_decided_stays_decided(self) -> None:
        row = state("01-02 04:00", defined="01-01 00:00")

        assert decided(_due.decide(plan(schedule.Daily(hour=3, tz="UTC")), row, at("01-02 04:30"))) == (
            "wait",
            "01-03 03:00",
        )


class TestTheFirstTime:
    NEW: ClassVar[dict[str, Any]] = {"runs": 0, "ended": None, "defined": "01-01 12:00"}

    @pytest.mark.parametrize(
        ("rule", "first", "expected"),
        [
            (DAILY, "auto", ("wait", "01-02 04:00")),
            (DAILY, "next", ("wait", "01-02 04:00")),
            (DAILY, "now", ("run", "01-01 12:00:00")),
            (EVERY_HOUR, "auto", ("run", "01-01 12:00:00")),
            (EVERY_HOUR, "next", ("wait", "01-01 13:00")),
            (EVERY_HOUR, "now", ("run", "01-01 12:00:00")),
            (EACH_MINUTE, "auto", ("wait", "01-01 12:01")),
        ],
    )
    def test_it_waits_for_a_slot_or_not(
        self, rule: schedule.Schedule, first: str, expected: tuple[object, ...]
    ) -> None:
        new = state("01-01 12:00", **self.NEW)

        assert decided(_due.decide(plan(rule, first=first), new, at("01-01 12:00") + 1)) == expected

    def test_the_first_slot_of_all_is_later_than_what_is_decided(self) -> None:
        new = state("01-01 12:00", **self.NEW)

        assert _due.decide(plan(DAILY, first="now"), new, new.decided) == _due.Wait(new.decided + 1)
        assert _due.decide(plan(DAILY, first="now"), new, new.decided + 1) == _due.Run(new.decided + 1)

    def test_it_is_over_when_a_run_has_ended_however_it_ended(self) -> None:
        row = state("01-01 12:00", runs=1, ended="01-01 12:00")

        assert decided(_due.decide(plan(DAILY, first="now"), row, at("01-01 12:30"))) == ("wait", "01-02 04:00")


class TestCountedFromTheLastRun:
    @pytest.mark.parametrize(
        ("now", "expected"),
        [
            ("01-01 12:59:59", ("wait", "01-01 13:00")),
            ("01-01 13:00", ("run", "01-01 13:00", "01-01 12:00")),
            ("01-09 00:00", ("run", "01-01 13:00", "01-01 12:00")),
        ],
    )
    @pytest.mark.parametrize("misfire", ["run_once", "run_all", "skip"])
    def test_the_slot_is_an_interval_after_the_end_and_says_from_which(
        self, now: str, misfire: str, expected: tuple[object, ...]
    ) -> None:
        row = state("01-01 11:00", ended="01-01 12:00")

        assert decided(_due.decide(plan(EVERY_HOUR, misfire=misfire, late=60), row, at(now))) == expected

    def test_before_any_run_it_is_an_interval_after_the_first_sight(self) -> None:
        row = state("01-01 12:00", ended=None, runs=0)

        assert decided(_due.decide(plan(EVERY_HOUR, first="next"), row, at("01-01 13:00"))) == ("run", "01-01 13:00")

    def test_a_slot_that_came_while_it_was_paused_is_run_when_it_is_resumed(self) -> None:
        resumed = state("01-01 15:00", ended="01-01 12:00")

        decision = _due.decide(plan(EVERY_HOUR), resumed, at("01-01 15:00:01"))

        assert decision == _due.Run(at("01-01 15:00") + 1, at("01-01 12:00"))

    def test_an_interval_that_goes_past_the_calendar_is_finished(self) -> None:
        ages = schedule.Interval(days=3_000_000)

        assert decided(_due.decide(plan(ages), state("01-01 12:00"), at("01-01 13:00"))) == ("finished",)


class TestManySlots:
    def test_very_many_are_made_up_for_by_one(self) -> None:
        decision = _due.decide(plan(EACH_SECOND), state("01-01 00:00"), at("12-31 23:59:59"))

        assert decided(decision) == ("run", "12-31 23:59:59")

    def test_very_many_are_passed_over_without_counting_them(self) -> None:
        until_march = EACH_SECOND.between(None, datetime(2026, 3, 1, tzinfo=UTC))

        decision = _due.decide(plan(until_march, misfire="skip"), state("01-01 00:00"), at("12-31 23:59:59"))

        assert decided(decision) == ("pass over", "01-01 00:00:01", "02-28 23:59:59", None, "misfired")

    def test_of_very_many_the_newest_thousand_at_most_are_run(self) -> None:
        now = at("12-31 23:59:59")

        decision = _due.decide(plan(EACH_SECOND, misfire="run_all"), state("01-01 00:00"), now)

        assert isinstance(decision, _due.Run)
        assert 250 * SECOND <= now - decision.slot < 1_000 * SECOND

    @pytest.mark.parametrize("misfire", ["run_once", "run_all", "skip"])
    def test_a_year_of_missed_seconds_is_decided_quickly(self, misfire: str) -> None:
        begun = time.thread_time()

        _due.decide(plan(EACH_SECOND, misfire=misfire), state("01-01 00:00"), at("12-31 23:59:59"))

        assert time.thread_time() - begun < 1


class TestLookingAgain:
    """What was held when it was read may be free now; the proposal that finds out must not run anything too early."""

    HELD: ClassVar[dict[str, Any]] = {"owner": "other", "lease_until": "01-09 00:00", "slot": "01-02 04:00"}

    def test_what_is_not_held_is_decided_as_ever(self) -> None:
        row = state("01-01 04:00")

        for now in ("01-02 03:00", "01-02 05:00"):
            assert _due.look_again(plan(DAILY), row, at(now)) == _due.decide(plan(DAILY), row, at(now))

    def test_the_slot_after_the_held_one_is_proposed(self) -> None:
        row = state("01-01 04:00", **self.HELD)

        assert decided(_due.look_again(plan(DAILY), row, at("01-03 04:00"))) == ("run", "01-03 04:00")

    def test_before_there_is_one_the_held_slot_is_proposed_in_case_its_lease_is_over(self) -> None:
        row = state("01-01 04:00", **self.HELD)

        assert decided(_due.look_again(plan(DAILY), row, at("01-02 04:10"))) == ("run", "01-02 04:00")

    def test_where_all_are_run_the_held_slot_is_proposed_in_case_it_was_given_back(self) -> None:
        row = state("01-01 04:00", **self.HELD)

        assert decided(_due.look_again(plan(DAILY, misfire="run_all"), row, at("01-03 04:00"))) == (
            "run",
            "01-02 04:00",
        )

    def test_what_was_asked_for_by_hand_is_no_slot_and_decides_none(self) -> None:
        row = state("01-01 04:00", **{**self.HELD, "slot": "01-01 10:00"}, manual=True)

        assert decided(_due.look_again(plan(DAILY), row, at("01-02 03:00"))) == ("run", "01-01 04:00")
        assert decided(_due.look_again(plan(DAILY), row, at("01-02 04:00"))) == ("run", "01-02 04:00")

    def test_from_the_last_run_a_base_that_is_outdated_keeps_it_from_running_early(self) -> None:
        row = state("01-01 11:00", ended="01-01 12:00", **self.HELD)

        decision = _due.look_again(plan(EVERY_HOUR), row, at("01-02 04:10"))

        assert decided(decision) == ("run", "01-02 04:10", "01-01 12:00")

    def test_without_any_end_the_base_is_one_that_no_row_has(self) -> None:
        row = state("01-01 11:00", ended=None, runs=0, **self.HELD)

        assert _due.look_again(plan(EVERY_HOUR), row, at("01-02 04:10")) == _due.Run(at("01-02 04:10"), -1)


class TestWhatPassed:
    @pytest.mark.parametrize(
        ("slot", "expected"),
        [
            ("01-02 04:00", ()),
            ("01-03 04:00", ("01-02 04:00", "01-02 04:00", 1, "misfired")),
            ("01-05 04:00", ("01-02 04:00", "01-04 04:00", 3, "misfired")),
        ],
    )
    def test_slots_before_the_granted_one_were_missed(self, slot: str, expected: tuple[object, ...]) -> None:
        assert described(_due.passed_before(plan(DAILY), grant(slot))) == expected

    def test_slots_before_the_definition_are_nobodys(self) -> None:
        assert _due.passed_before(plan(DAILY), grant("01-05 04:00", defined="01-05 03:00")) is None

    @pytest.mark.parametrize(
        ("now", "expected"),
        [
            ("01-02 04:30", ()),
            ("01-03 04:00", ("01-03 04:00", "01-03 04:00", 1, "overlap")),
            ("01-05 09:00", ("01-03 04:00", "01-05 04:00", 3, "overlap")),
        ],
    )
    def test_slots_during_the_run_are_skipped(self, now: str, expected: tuple[object, ...]) -> None:
        assert described(_due.passed_during(plan(DAILY), grant("01-02 04:00"), at("01-01 04:00"), at(now))) == expected

    @pytest.mark.parametrize("policy", [{"overlap": "queue"}, {"misfire": "run_all"}])
    def test_slots_during_the_run_wait_where_the_policy_says_so(self, policy: dict[str, Any]) -> None:
        assert _due.passed_during(plan(DAILY, **policy), grant("01-02 04:00"), 0, at("01-05 09:00")) is None

    @pytest.mark.parametrize("rule", [plan(EVERY_HOUR), plan(DAILY)], ids=["from the last run", "manual"])
    def test_where_no_slots_pass_none_did(self, rule: Plan) -> None:
        granted = grant("01-05 04:00", manual=not rule.counts_from_last_run)

        assert _due.passed_before(rule, granted) is None
        assert _due.passed_during(rule, granted, 0, at("01-09 00:00")) is None

    def test_everything_up_to_the_last_of_them_is_decided(self) -> None:
        passed = Passed(at("01-03 04:00"), at("01-05 04:00"), 3, Reason.OVERLAP)

        assert said(_due.through_of(grant("01-02 04:00"), ())) == "01-02 04:00"
        assert said(_due.through_of(grant("01-02 04:00"), (passed,))) == "01-05 04:00"

    def test_a_manual_run_decides_nothing(self) -> None:
        assert said(_due.through_of(grant("01-02 11:00", manual=True), ())) == "01-01 04:00"


class TestTheNextSlotAsAdvice:
    def test_it_follows_what_is_decided(self) -> None:
        given = grant("01-02 04:00")

        assert said(_due.next_slot_of(plan(DAILY), at("01-05 04:00"), given, at("01-05 09:00"))) == "01-06 04:00"

    def test_a_slot_that_goes_back_is_the_next(self) -> None:
        assert said(_due.next_slot_of(plan(DAILY), None, grant("01-02 04:00"), at("01-05 09:00"))) == "01-02 04:00"

    def test_an_interval_counts_from_now(self) -> None:
        given = grant("01-02 04:00")

        assert said(_due.next_slot_of(plan(EVERY_HOUR), given.slot, given, at("01-05 09:00"))) == "01-05 10:00"


class TestGivingUp:
    """A slot that kills every instance that starts it must not do so for ever; deployments must not use a slot up."""

    DIED: ClassVar[dict[str, Any]] = {"owner": "other", "lease_until": "01-02 04:00"}

    @pytest.mark.parametrize(
        ("attempt", "interruptions", "facts", "is_given_up"),
        [
            (1, 0, {}, False),
            (3, 0, {**DIED, "failures": 1}, False),
            (4, 0, {**DIED, "failures": 2}, True),  # the third death is this claim's to count
            (4, 0, {"last_outcome": Outcome.LEASE_LOST, "failures": 3}, True),
            (4, 3, {"last_outcome": Outcome.INTERRUPTED}, False),
            (40, 39, {"last_outcome": Outcome.INTERRUPTED, "failures": 9}, False),
            # Three interruptions and one death, also after failures of earlier slots.
            (5, 3, {**DIED, "last_outcome": Outcome.INTERRUPTED, "failures": 0}, False),
            (5, 3, {**DIED, "last_outcome": Outcome.INTERRUPTED, "failures": 2}, False),
            (7, 3, {**DIED, "last_outcome": Outcome.INTERRUPTED, "failures": 2}, True),
            # The records of the interruptions are gone.
            (40, 0, {**DIED, "last_outcome": Outcome.INTERRUPTED, "failures": 1}, False),
        ],
    )
    def test_after_three_starts_without_an_answer(
        self, attempt: int, interruptions: int, facts: dict[str, Any], is_given_up: bool
    ) -> None:
        assert _due.is_given_up(grant("01-02 04:00", attempt=attempt, **facts), 3, interruptions) is is_given_up
