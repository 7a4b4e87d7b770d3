"""The suites that any store, locker factory or repository must pass; public, for whoever writes one."""

from tasker.contract._lockers import LockerFactoryContract
from tasker.contract._locks import LeaseStoreContract
from tasker.contract._promises import Promises, deviates, promises_of
from tasker.contract._repositories import RepositoryContract
from tasker.contract._store_contract import StoreContract

__all__ = [
    "LeaseStoreContract",
    "LockerFactoryContract",
    "Promises",
    "RepositoryContract",
    "StoreContract",
    "deviates",
    "promises_of",
]
