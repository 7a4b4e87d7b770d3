"""The Redis store: any number of instances share a Redis 6 or newer, or a Valkey; needs redis-py."""

from tasker.store.redis._locker_factory import LockerFactory
from tasker.store.redis._repository import Repository
from tasker.store.redis._store import Store

__all__ = ["LockerFactory", "Repository", "Store"]
