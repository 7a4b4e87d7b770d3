"""What is wrong with the program, as sentences; nothing means that it is well."""

from __future__ import annotations

from tasker._core.context import Context
from tasker.combinators._lifecycle import Lifecycle
from tasker.health._schedules import Schedules

# A loop that is blocked for shorter is noticed in the log, and no reason to send requests elsewhere.
_BLOCKED_TOO_LONG = 1.0


class Checks:
    """Liveness and readiness of one program; any thread may ask."""

    def __init__(self, ctx: Context, life: Lifecycle | None, schedules: Schedules, blocked: float | None) -> None:
        """Make them.

        Args:
            ctx: The context of the health server.
            life: The life of the program; `None` if it does not run under `main`.
            schedules: What must not be overdue.
            blocked: The seconds that the event loop may be blocked before the program counts as dead.
        """
        self._ctx = ctx
        self._life = life
        self._schedules = schedules
        self._blocked = blocked

    def against_being_alive(self) -> list[str]:
        """Return why the program is better restarted."""
        seconds = self._blocked_for()
        if self._blocked is None or seconds <= self._blocked:
            return []
        return [f"the event loop has been blocked for {seconds:.0f} s"]

    def against_being_ready(self) -> list[str]:
        """Return why the program can take no requests, or should not."""
        reasons: list[str] = []
        if self._life is not None:
            if self._life.stopping is not None:
                reasons.append(f"it is stopping: {self._life.stopping}")
            reasons.extend(f"{name!r} has not started yet" for name in self._life.not_started())
        elif self._ctx.done:
            reasons.append("it is stopping")
        if (seconds := self._blocked_for()) > _BLOCKED_TOO_LONG:
            reasons.append(f"the event loop has been blocked for {seconds:.1f} s")
        return reasons + self._schedules.overdue()

    def _blocked_for(self) -> float:
        return 0.0 if self._life is None else self._life.blocked_for()
