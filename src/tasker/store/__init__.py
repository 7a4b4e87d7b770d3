"""Where leases and schedule states live: in memory, an SQLite file, PostgreSQL, MySQL or MariaDB, or Redis."""

from tasker.store._urls import AnyStore, open_store

__all__ = ["AnyStore", "open_store"]
