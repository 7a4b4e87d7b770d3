"""What people do to a cluster that runs: they pause and resume its schedules, ask for runs, and drain an instance.

Their way to the server is their own and nobody cuts it, but the server may be away. The log has a line for what they
wish, and one for what came of it: it was `fulfilled`, at a time by the store's clock; it was in `vain`, as there is
nobody whom it is about; or it is `doubtful`, as no answer came.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from tasker.errors import StoreUnavailable
from tasker.ports import Action, Done, Store
from tests._support.cluster import until
from tests.fault.harness.log import Log
from tests.fault.harness.stores import store_of

_CALL_LIMIT = 1.0
_LONGEST_REASON = 200


class People:
    """All of them; an id or a name of `None` stands for every schedule."""

    def __init__(self, url: str, log: Log) -> None:
        """Ask the store at a URL, and write down in a log what is asked."""
        self._url = url
        self._log = log

    def pause(self, id: str | None) -> None:
        self._control(Action.PAUSE, id)

    def resume(self, id: str | None) -> None:
        self._control(Action.RESUME, id)

    def trigger(self, id: str | None) -> None:
        self._control(Action.TRIGGER, id)

    def drain(self, name: str) -> None:
        self._wish("drain", name, lambda store: _drain(store, name, draining=True))

    def undrain(self, name: str) -> None:
        self._wish("undrain", name, lambda store: _drain(store, name, draining=False))

    def let_all_go_on(self) -> None:
        """Resume what is paused and undrain who is drained, until that is nobody: the store may do things late."""
        until(self._goes_all_on, "nothing is paused and nobody is drained")

    def _goes_all_on(self) -> bool:
        try:
            with closing(store_of(self._url, _CALL_LIMIT)) as store:
                paused = [state.id for state in store.states() if state.paused is not None]
                drained = [instance.name for instance in store.instances() if instance.is_draining]
        except StoreUnavailable:
            return False
        for id in paused:
            self.resume(id)
        for name in drained:
            self.undrain(name)
        return not paused and not drained

    def _control(self, action: Action, id: str | None) -> None:
        self._wish(action, id, lambda store: store.control(action, None if id is None else [id]))

    def _wish(self, act: str, of: str | None, ask: Callable[[Store], Done]) -> None:
        sent = self._log.write("wished", act=act, of=of)
        try:
            with closing(store_of(self._url, _CALL_LIMIT)) as store:
                done = ask(store)
        except StoreUnavailable as error:
            self._log.write("doubtful", sent=sent, why=str(error)[:_LONGEST_REASON])
        else:
            self._log.write("fulfilled" if done.ids else "vain", sent=sent, now=done.now)


def _drain(store: Store, name: str, *, draining: bool) -> Done:
    owners = [instance.owner for instance in store.instances() if instance.name == name]
    return store.drain(owners, draining=draining)
