"""How often claims and recordings are sent: many runs share a statement, and few runs do not wait for more.

Two rules:

- What comes within 20 ms is gathered, unless nothing more can come: as many runs go on as may, or all of them ended.
  Who wins less than half of what it could gathers for longer: others are quicker, and start what there is.
- Statements are paid for from a credit: ten a second for each 64 runs, the first 64 of them in advance, and two more.
  So what happens now and then is sent at once, what is spread over the second gathers for some tens of milliseconds,
  and a herd pays for itself: a quarter of what its runs are worth is kept until their ends are recorded, as they may
  end one after another. Instances that take slots from each other share the twelve statements of a second in which
  there is little to do, down to three for each. So the number of statements grows neither with the number of schedules
  nor, until then, with that of the instances, and a slot waits no longer for many instances than for one.

What stops or is given back is recorded at once, and what the bell was rung for is claimed at once, whatever it costs.
Asking a store in this process costs nothing: there only what comes within 4 ms is gathered, to share the work of waking
up.
"""

from __future__ import annotations

import math

from tasker._core import clock

_GATHER = 0.020
_GATHER_LOCALLY = 0.004
# Others are quicker, so ask less often: after a claim that won little of more than a few, as those may have been
# refused for another reason, and after some in a row that won nothing.
_AFTER_WINNING_LITTLE = 0.200
_FEW = 16
_LOSSES = 2
_AFTER_LOSING = 0.250
# The credit that a second and a run are worth, and a second in which there are few runs.
_A_SECOND = 2.0
_A_RUN = 10 / 64
_A_QUIET_SECOND = 12.0
# What is left of that where many share it, so that the last of a crowd that has died still asks in time; and for so
# long after a loss others are taken to be there.
_A_CROWDED_SECOND = 3.0
_CROWDED_FOR = 5.0
# What is kept of the credit: so much, and this share of what the last runs were worth.
_MOST = 2.0
_KEPT = 0.25


class Pace:
    """The pace of one scheduler, as `Clock.boottime`. It belongs to the driver's thread."""

    def __init__(self, *, is_local: bool) -> None:
        """Begin with credit for what comes first; `is_local`: the store is in this process."""
        self._is_local = is_local
        self._gather = _GATHER_LOCALLY if is_local else _GATHER
        self._credit = self._most = _MOST
        self._runs = 0
        self._since = clock.current().boottime()
        self._losses = 0
        self._lost_at = -math.inf
        self._quiet = _A_QUIET_SECOND
        self._claim_at = self._record_at = 0.0

    @property
    def claim_at(self) -> float:
        """When slots may be claimed again."""
        return max(self._claim_at, self.affordable_at)

    @property
    def record_at(self) -> float:
        """When ends may be recorded again."""
        return max(self._record_at, self.affordable_at)

    @property
    def affordable_at(self) -> float:
        """When there is credit for a statement, though more might be gathered for it."""
        if self._is_local:
            return 0.0
        missing = 1 - self._credit
        return self._since + max(0.0, min(missing / self._quiet, (missing - self._runs * _A_RUN) / _A_SECOND))

    def note_claim(self, won: int, wanted: int, *, is_busy: bool, is_full: bool = False, crowd: int = 1) -> None:
        """Note that a claim was sent.

        Args:
            won: How many runs it won.
            wanted: How many it could have won.
            is_busy: Whether more may be claimed together soon.
            is_full: Whether it won all that may run: what may be claimed next was gathered by recording.
            crowd: How many instances there are, this one included; it matters only where others take what is wanted.
        """
        now = self._pay()
        if won < wanted:
            self._lost_at = now
        is_crowded = now < self._lost_at + _CROWDED_FOR
        self._quiet = max(_A_CROWDED_SECOND, _A_QUIET_SECOND / crowd) if is_crowded else _A_QUIET_SECOND
        self._runs += won
        if won:
            self._most = max(_MOST, won * _A_RUN * _KEPT)
        if won > 1:  # they may end together as well
            self._record_at = max(self._record_at, now + self._gather)
        self._losses = 0 if won else self._losses + 1
        if self._losses >= _LOSSES:
            self._claim_at = now + _AFTER_LOSING
        elif won * 2 < wanted and wanted > _FEW:
            self._claim_at = now + _AFTER_WINNING_LITTLE
        elif (is_busy or won) and not is_full:
            self._claim_at = now + self._gather

    def wait_to_claim(self, seconds: float) -> None:
        """Claim nothing for so long, as nothing would be given."""
        self._claim_at = max(self._claim_at, clock.current().boottime() + seconds)

    def hurry(self) -> None:
        """Let the next claim be sent at once."""
        self._claim_at = 0.0
        self._credit = max(1.0, self._credit)

    def note_record(self) -> None:
        """Note that a recording was sent."""
        self._record_at = self._pay() + self._gather

    def _pay(self) -> float:
        now = clock.current().boottime()
        seconds = now - self._since
        earned = max(seconds * self._quiet, seconds * _A_SECOND + self._runs * _A_RUN)
        self._credit = min(self._most, self._credit + earned) - 1
        self._since, self._runs = now, 0
        return now
