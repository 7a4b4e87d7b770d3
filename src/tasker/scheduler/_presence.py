"""One instance among the others: it says that it lives, hears whether it shall drain, and sees who comes and goes.

For people, and for the pace of those who share the work: nothing that is decided about a slot depends on what is said
here, and so nothing waits for it.
"""

from __future__ import annotations

import logging

from tasker._core import clock
from tasker.errors import StoreUnavailable
from tasker.ports import Instance, Store
from tasker.scheduler._announcer import Announcer
from tasker.scheduler._link import Link
from tasker.scheduler._settings import Settings

logger: logging.Logger = logging.getLogger("tasker")

# Beats in the course of one lease.
_BEATS = 3
# Who has not said anything for so many leases is dead, or cut off.
_SILENT_FOR = 3
_LOOK_EVERY = 15.0
_SHORTEST_PERIOD = 1.0
# In one process nobody is cut off, and a process that waits should sleep.
_LOCAL_PERIOD = 30.0
_FORGOTTEN_AFTER = 24 * 3600 * 1_000_000
_MICRO = 1_000_000


class Presence:
    """What an instance says of itself and knows of the others. It belongs to the driver's thread."""

    def __init__(
        self, store: Store, link: Link, settings: Settings, announce: Announcer, *, is_local: bool = False
    ) -> None:
        """Be an instance that nobody has heard of yet; `is_local`: all others are in this process."""
        self._store = store
        self._link = link
        self._owner = announce.owner
        self._name = announce.name
        self._version = settings.version
        self._announce = announce
        self._period = _LOCAL_PERIOD if is_local else max(_SHORTEST_PERIOD, settings.lease / _BEATS)
        self._look_every = _LOCAL_PERIOD if is_local else _LOOK_EVERY
        self._silent_for = round(max(_SILENT_FOR * settings.lease, 2 * _LOOK_EVERY) * _MICRO)
        self._others: dict[str, Instance] | None = None
        self._is_known = False
        self._beat_at = 0.0
        self._look_at = 0.0
        self._patience = _SHORTEST_PERIOD
        self._is_unheard = False
        self.is_draining = False
        """Whether this instance was asked to start nothing new."""

    @property
    def next_at(self) -> float:
        """When there is something to do, as `Clock.boottime`."""
        return min(self._beat_at, self._look_at)

    @property
    def crowd(self) -> int:
        """How many instances were alive when that was looked at last, this one included."""
        return 1 + len(self._others or ())

    def beat_soon(self) -> None:
        """Ask at once what is wanted of this instance: the bell was rung."""
        self._beat_at = 0.0

    def go_on(self) -> None:
        """Say and look what is due; if that fails, it can wait, and does not keep the store from being asked more."""
        now = clock.current().boottime()
        if self._is_unheard and self._link.is_down:
            # A store that could only be read took no claims either: this comes before those that it may take now.
            self._beat_at = now
        try:
            if now >= self._beat_at:
                self._beat_at = now + self._period
                self._beat()
            if now >= self._look_at:
                self._look_at = now + self._look_every
                self._look()
                self._patience = _SHORTEST_PERIOD
        except StoreUnavailable as error:
            logger.debug("%s could not say that it is there, or see who else is: %s", self._name, error)
            # Soon, as it may have been asked to drain; then less so, as an attempt may take as long as any call.
            self._is_unheard = True
            self._beat_at = self._look_at = clock.current().boottime() + self._patience
            self._patience = min(2 * self._patience, self._look_every)

    def leave(self) -> None:
        """Say that this instance is gone, unless nobody listens."""
        if self._is_known and not self._link.is_down:
            self._store.leave([self._owner])

    def _beat(self) -> None:
        beaten = self._store.beat(self._owner, self._name, self._version)
        self._is_known = True
        self._is_unheard = False
        if beaten.is_draining != self.is_draining:
            self.is_draining = beaten.is_draining
            self._announce.draining(is_draining=self.is_draining)

    def _look(self) -> None:
        now = self._link.now()
        known = {each.owner: each for each in self._store.instances() if each.owner != self._owner}
        alive = {owner: each for owner, each in known.items() if each.seen > now - self._silent_for}
        if self._others is not None:
            for owner in alive.keys() - self._others.keys():
                self._announce.joined(alive[owner])
            for owner in self._others.keys() - alive.keys():
                self._announce.gone(self._others[owner], has_left=owner not in known)
        self._others = alive
        if long_dead := [owner for owner, each in known.items() if each.seen < now - _FORGOTTEN_AFTER]:
            self._store.leave(long_dead)
