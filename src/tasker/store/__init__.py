"""Where leases and schedule states live: in memory, in an SQLite file, or in PostgreSQL."""

from tasker.store._urls import AnyStore, open_store

__all__ = ["AnyStore", "open_store"]
