"""Grace: how long after the end of its context an async task is canceled natively.

Contexts carry it down to the tasks under them, where the nearest one counts. It is asked for only when a context has
ended, so that what is not stopped costs nothing, and so that it can depend on what time is left by then.
"""

from __future__ import annotations

from collections.abc import Callable

from tasker._core.context import Context, DerivedContext
from tasker.errors import LeaseLost

_KEY = object()


def under_grace(ctx: Context, seconds: Callable[[], float]) -> DerivedContext:
    """Derive the context of tasks that are canceled only so many seconds after its end; asked for at that end."""
    return ctx.with_value(_KEY, seconds)


def grace_of(ctx: Context) -> float:
    """Return the seconds that async tasks have, from now on, under a context that has just ended.

    There are none when it ended with `LeaseLost`: what the lease protected may belong to another by now.
    """
    seconds: Callable[[], float] | None = ctx.value(_KEY)
    return 0.0 if seconds is None or isinstance(ctx.cause, LeaseLost) else seconds()
