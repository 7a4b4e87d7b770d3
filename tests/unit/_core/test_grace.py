from __future__ import annotations

import pytest

from tasker import Cancelled, Context, LeaseLost
from tasker._core.grace import grace_of, under_grace
from tests._support.tasks import ended

BACKGROUND = Context.background()


def test_without_one_there_are_no_seconds() -> None:
    assert grace_of(ended()) == 0


def test_contexts_carry_it_down() -> None:
    ctx = under_grace(BACKGROUND, lambda: 5.0).with_value("key", "value").with_timeout(60)

    assert grace_of(ctx) == 5


def test_the_nearest_counts() -> None:
    ctx = under_grace(under_grace(BACKGROUND, lambda: 5.0).with_cancel(), lambda: 0.0)

    assert grace_of(ctx) == 0


def test_it_is_asked_for_only_when_it_is_needed() -> None:
    seconds = iter([3.0, 2.0])

    ctx = under_grace(BACKGROUND, seconds.__next__)

    assert [grace_of(ctx), grace_of(ctx)] == [3, 2]


@pytest.mark.parametrize(("cause", "seconds"), [(Cancelled(), 5), (LeaseLost("gone"), 0)])
def test_there_is_none_when_a_lease_was_lost(cause: BaseException, seconds: float) -> None:
    ctx = under_grace(BACKGROUND, lambda: 5.0).with_cancel()
    ctx.cancel(cause)

    assert grace_of(ctx) == seconds
