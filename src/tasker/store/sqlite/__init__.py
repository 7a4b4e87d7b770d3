"""The SQLite store: several processes on one machine share a file; nothing to install, nothing to run."""

from tasker.store.sqlite._locker_factory import LockerFactory
from tasker.store.sqlite._repository import Repository
from tasker.store.sqlite._store import Store

__all__ = ["LockerFactory", "Repository", "Store"]
