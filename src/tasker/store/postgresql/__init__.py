"""The PostgreSQL store: any number of instances on any number of machines share a database; needs psycopg 3."""

from tasker.store.postgresql._locker_factory import LockerFactory
from tasker.store.postgresql._repository import Repository
from tasker.store.postgresql._schema import schema_sql
from tasker.store.postgresql._store import Store

__all__ = ["LockerFactory", "Repository", "Store", "schema_sql"]
