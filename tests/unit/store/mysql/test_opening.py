from __future__ import annotations

import sys

import pytest

from tasker.errors import TaskerError
from tasker.store import open_store


@pytest.mark.parametrize("scheme", ["mysql", "mariadb"])
def test_a_missing_driver_is_named_with_the_extra_that_brings_it(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("pymysql", "tasker.store.mysql"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pymysql", None)
    monkeypatch.delattr("tasker.store.mysql", raising=False)
    with pytest.raises(TaskerError, match=r"pip install 'py-tasker\[mysql\]'") as caught:
        open_store(f"{scheme}://user:s3cret@host/db")
    assert "s3cret" not in str(caught.value)
