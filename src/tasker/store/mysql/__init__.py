"""The store in MySQL 8 or MariaDB: any number of instances on any number of machines share it; needs PyMySQL."""

from tasker.store.mysql._locker_factory import LockerFactory
from tasker.store.mysql._repository import Repository
from tasker.store.mysql._schema import schema_sql
from tasker.store.mysql._store import Store

__all__ = ["LockerFactory", "Repository", "Store", "schema_sql"]
