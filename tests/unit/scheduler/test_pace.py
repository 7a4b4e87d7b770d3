from __future__ import annotations

import pytest

from tasker.scheduler._pace import Pace
from tasker.testing import VirtualClock
from tests._support.virtual_time import clock

__all__ = ["clock"]


@pytest.fixture
def pace(clock: VirtualClock) -> Pace:
    """The pace of a scheduler whose store is elsewhere."""
    return Pace(is_local=False)


def waits(pace: Pace, clock: VirtualClock, times: int) -> list[float]:
    """Record so many ends one after another, as soon as each may be, and return the seconds before each."""
    found: list[float] = []
    for _ in range(times):
        found.append(round(max(0.0, pace.record_at - clock.boottime()), 3))
        clock.advance(found[-1])
        pace.note_record()
    return found


def test_what_happens_now_and_then_is_sent_at_once(pace: Pace, clock: VirtualClock) -> None:
    for _ in range(3):
        pace.note_claim(1, 1, is_busy=False)
        assert waits(pace, clock, 1) == [0]
        clock.advance(1)


def test_the_ends_of_few_runs_share_twelve_statements_a_second(pace: Pace, clock: VirtualClock) -> None:
    pace.note_claim(10, 10, is_busy=True)

    assert waits(pace, clock, 4) == pytest.approx([0.02, 0.02, 0.063, 0.083], abs=0.002)


def test_a_herd_pays_for_the_statements_that_its_runs_end_in(pace: Pace, clock: VirtualClock) -> None:
    pace.note_claim(256, 256, is_busy=True)

    assert waits(pace, clock, 6) == [0.02, 0.02, 0.02, 0.02, 0.02, 0.02]


def test_what_a_herd_left_over_does_not_pay_for_those_who_come_later(pace: Pace, clock: VirtualClock) -> None:
    pace.note_claim(256, 256, is_busy=True)
    clock.advance(5)
    pace.note_claim(10, 10, is_busy=True)

    assert waits(pace, clock, 4) == pytest.approx([0.02, 0.02, 0.063, 0.083], abs=0.002)


def test_after_a_claim_of_all_that_may_run_the_next_need_not_wait_for_more(pace: Pace, clock: VirtualClock) -> None:
    pace.note_claim(64, 64, is_busy=False, is_full=True)
    assert pace.claim_at <= clock.boottime()

    pace.note_claim(63, 63, is_busy=True)
    assert pace.claim_at == pytest.approx(clock.boottime() + 0.02)


def test_who_wins_little_asks_less_often_and_who_wins_nothing_still_less(pace: Pace, clock: VirtualClock) -> None:
    pace.note_claim(32, 64, is_busy=True)
    assert pace.claim_at == pytest.approx(clock.boottime() + 0.02)
    pace.note_claim(31, 64, is_busy=True)
    assert pace.claim_at == pytest.approx(clock.boottime() + 0.2)

    pace.note_claim(0, 64, is_busy=False)
    assert pace.claim_at == pytest.approx(clock.boottime() + 0.2)
    pace.note_claim(0, 64, is_busy=False)
    assert pace.claim_at == pytest.approx(clock.boottime() + 0.25)


def claims(pace: Pace, clock: VirtualClock, times: int) -> float:
    """Claim one slot after another, as soon as each may be, and return how many that were in a second."""
    begun = clock.boottime()
    for _ in range(times):
        clock.advance(max(0.0, pace.claim_at - clock.boottime()))
        pace.note_claim(1, 1, is_busy=True, crowd=4)
    return times / (clock.boottime() - begun)


def test_those_who_take_slots_from_each_other_share_what_one_alone_may_send(pace: Pace, clock: VirtualClock) -> None:
    pace.note_claim(0, 1, is_busy=True, crowd=4)

    assert claims(pace, clock, 13) == pytest.approx(3, abs=0.5)


def test_whoever_has_lost_nothing_for_a_while_asks_as_if_alone(pace: Pace, clock: VirtualClock) -> None:
    pace.note_claim(0, 1, is_busy=True, crowd=4)
    clock.advance(5)
    pace.note_claim(1, 1, is_busy=True, crowd=4)

    assert claims(pace, clock, 50) == pytest.approx(12, abs=0.5)


def test_the_last_of_a_large_crowd_still_asks_three_times_a_second(pace: Pace, clock: VirtualClock) -> None:
    for _ in range(10):
        pace.note_claim(0, 1, is_busy=False, crowd=100)

    assert pace.affordable_at - clock.boottime() == pytest.approx(9 / 3, abs=0.4)


def test_what_is_rung_for_is_claimed_at_once_whatever_it_costs(pace: Pace, clock: VirtualClock) -> None:
    for _ in range(10):
        pace.note_claim(0, 64, is_busy=False)
    assert pace.claim_at > clock.boottime()

    pace.hurry()

    assert pace.claim_at <= clock.boottime()


def test_ends_that_nothing_can_be_gathered_with_wait_for_credit_only(pace: Pace, clock: VirtualClock) -> None:
    pace.note_claim(64, 64, is_busy=False, is_full=True)
    pace.note_record()
    assert pace.affordable_at <= clock.boottime() < pace.record_at

    for _ in range(12):
        pace.note_record()
    assert pace.affordable_at > clock.boottime()


def test_to_win_none_of_a_few_once_may_have_another_reason_and_is_no_reason_to_wait(
    pace: Pace, clock: VirtualClock
) -> None:
    pace.note_claim(0, 4, is_busy=False)
    assert pace.claim_at <= clock.boottime()
