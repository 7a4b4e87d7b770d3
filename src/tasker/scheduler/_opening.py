"""Which store a scheduler works on: one that was given, one by its URL, or a pair of the simple ports."""

from __future__ import annotations

from collections.abc import Callable

from tasker.ports import LockerFactory, Repository, Store
from tasker.scheduler._pair import PairStore
from tasker.store import open_store


def store_of(
    store: Store | str | None,
    locker_factory: LockerFactory | None,
    repository: Repository | None,
    namespace: str,
) -> tuple[Store, Callable[[], object]]:
    """Return the store, and what closes it when nothing runs any more."""
    if (locker_factory is None) != (repository is None):
        raise TypeError("locker_factory and repository go together: give both, or neither")
    if locker_factory is not None and repository is not None:
        if store is not None:
            raise TypeError("expected either a store, or a locker_factory and a repository, got all of them")
        if namespace:
            raise ValueError("namespace: give it to the locker factory and the repository when you make them")
        if not callable(getattr(locker_factory, "locker_for", None)):
            raise TypeError(f"locker_factory: expected an object with locker_for(key), got {locker_factory!r}")
        if not callable(getattr(repository, "find_by_id", None)):
            raise TypeError(f"repository: expected an object with find_by_id(id) and more, got {repository!r}")
        pair = PairStore(locker_factory, repository)
        return pair, pair.close
    if isinstance(store, str) or store is None:
        opened = open_store("memory:" if store is None else store, namespace=namespace)
        return opened, opened.close
    if namespace:
        raise ValueError("namespace: give it to the store itself when you make one")
    if not callable(getattr(store, "claim", None)):
        raise TypeError(f"store: expected a store or the URL of one, got {store!r}")
    return store, _nothing


def _nothing() -> None:
    """A store that was given is closed by whoever gave it."""
