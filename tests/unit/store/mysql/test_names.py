from __future__ import annotations

import pytest

pytest.importorskip("pymysql")

from tasker.store._namespace import checked_namespace
from tasker.store.mysql._names import checked_database, quoted


@pytest.mark.parametrize("name", ["a", "A_1", "_", "x" * 63])
def test_an_identifier_is_taken(name: str) -> None:
    assert checked_database(name) == checked_namespace(name) == name
    assert quoted(name) == f"`{name}`"


def test_no_namespace_is_one_too() -> None:
    assert checked_namespace("") == ""


@pytest.mark.parametrize("name", ["a b", "a`b", "a;b", "1a", "ä", "x" * 64, "a\n"])
def test_what_is_no_identifier_is_refused(name: str) -> None:
    for check, argument in ((checked_database, "database"), (checked_namespace, "namespace")):
        with pytest.raises(ValueError, match=f"{argument}: expected an identifier"):
            check(name)


def test_the_name_of_a_database_that_exists_is_quoted_whatever_is_in_it() -> None:
    assert quoted("my-app`; DROP") == "`my-app``; DROP`"
