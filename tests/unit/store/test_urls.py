from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tasker.errors import TaskerError
from tasker.ports import Definition
from tasker.store import memory, open_store, sqlite
from tasker.store._urls import redacted


@pytest.mark.parametrize("url", ["memory:", "memory://", "MEMORY:"])
def test_each_memory_url_opens_a_new_empty_store(url: str) -> None:
    first, second = open_store(url), open_store(url)
    first.register([Definition("job", "every second")])
    assert isinstance(first, memory.Store)
    assert second.states() == ()


def test_a_sqlite_url_with_three_slashes_is_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = open_store("sqlite:///a folder/tasker.db")
    (tmp_path / "a folder").mkdir()
    store.register([Definition("job", "every second")])
    store.close()
    assert isinstance(store, sqlite.Store)
    assert (tmp_path / "a folder" / "tasker.db").is_file()


def test_a_sqlite_url_with_four_slashes_is_absolute_and_may_be_quoted(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/100%25%20mine.db")
    store.register([Definition("job", "every second")])
    store.close()
    assert (tmp_path / "100% mine.db").is_file()


def test_the_namespace_reaches_the_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/tasker.db"
    one, other = open_store(url, namespace="one"), open_store(url, namespace="other")
    one.register([Definition("job", "every second")])
    assert other.states() == ()
    one.close()
    other.close()


@pytest.mark.parametrize(
    "url",
    ["sqlite:", "sqlite:tasker.db", "sqlite://tasker.db", "sqlite:///", "sqlite:///a.db?mode=ro", "memory:x"],
)
def test_a_url_that_does_not_say_where_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^store: expected .* got "):
        open_store(url)


def test_a_sqlite_database_in_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="for memory use memory:"):
        open_store("sqlite:///:memory:")


@pytest.mark.parametrize(
    "url", ["", "tasker.db", "/var/lib/tasker.db", "oracle://host/db", "postgresql+psycopg://host/db"]
)
def test_an_unknown_scheme_is_refused_with_the_known_ones_and_what_to_install(url: str) -> None:
    with pytest.raises(ValueError, match=r"store: expected one of") as caught:
        open_store(url)
    message = str(caught.value)
    for expected in ("memory:", "sqlite:///", "postgresql://", "pip install 'py-tasker[postgresql]'", repr(url)):
        assert expected in message


@pytest.mark.parametrize("url", [None, 5, Path("tasker.db")])
def test_what_is_no_string_is_refused(url: Any) -> None:
    with pytest.raises(TypeError, match=r"expected a URL such as 'sqlite:///tasker.db'"):
        open_store(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("oracle://user:s3cret@host/0", "oracle://user:***@host/0"),
        ("oracle://:s3cret@host/0", "oracle://:***@host/0"),
        ("oracle://user:s3:cr@et@host/0", "oracle://user:***@host/0"),
        ("oracle://user:s3c/ret@host/0", "oracle://user:***@host/0"),
        ("oracle://host/db?user=me&password=s3cret&x=1", "oracle://host/db?user=me&password=***&x=1"),
        ("oracle://user:s3\ncret@host/0", "oracle://user:***@host/0"),
        ("oracle://host/db?sslpassword=s3cret", "oracle://host/db?sslpassword=***"),
        ("host=h password=s3cret user=u", "host=h password=*** user=u"),
        ("host=h password='s3 cret' user=u", "host=h password=*** user=u"),
        ("host=h password = 's3\\' cret' user=u", "host=h password = *** user=u"),
        ("oracle://host/db", "oracle://host/db"),
        ("oracle://me@host/db", "oracle://me@host/db"),
    ],
)
def test_no_password_reaches_a_message(url: str, shown: str) -> None:
    assert redacted(url) == shown
    with pytest.raises(ValueError, match="expected one of") as caught:
        open_store(url)
    assert "s3c" not in str(caught.value)
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_missing_driver_is_named_with_the_extra_that_brings_it(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("psycopg", "tasker.store.postgresql"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setitem(sys.modules, "psycopg_pool", None)
    monkeypatch.delattr("tasker.store.postgresql", raising=False)
    with pytest.raises(TaskerError, match=r"pip install 'py-tasker\[postgresql\]'") as caught:
        open_store(f"{scheme}://user:s3cret@host/db")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("kind", ["postgresql", "redis"])
@pytest.mark.parametrize(
    ("options", "listens"),
    [
        ("", False),
        ("?listen=true", True),
        ("?listen=false", False),
        ("?listen=true&{other}", True),
        ("?{other}&listen=true", True),
        ("?{other}&listen=false&{other}", False),
    ],
)
def test_a_store_listens_if_its_url_says_so(kind: str, options: str, listens: bool) -> None:
    pytest.importorskip({"postgresql": "psycopg", "redis": "redis"}[kind])
    other = {"postgresql": "connect_timeout=7", "redis": "socket_timeout=7"}[kind]
    place = {"postgresql": "postgresql://app:secret@db/app", "redis": "redis://app:secret@db:6379/0"}[kind]
    store: Any = open_store(place + options.format(other=other))
    assert (store._listener is not None) == listens
    assert repr(store) == f"<tasker.store.{kind}.Store {place.replace(':secret', '')}>"


@pytest.mark.parametrize("scheme", ["postgresql", "redis"])
def test_a_url_that_may_or_may_not_listen_is_refused(scheme: str) -> None:
    pytest.importorskip({"postgresql": "psycopg", "redis": "redis"}[scheme])
    with pytest.raises(ValueError, match="listen: expected true or false, got 'yes'"):
        open_store(f"{scheme}://host/0?listen=yes")
