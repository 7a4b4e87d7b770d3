"""What is refused when it is built; what is served is tested with real requests, in `tests/process`."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest

from tasker import run
from tasker.serve import wsgi
from tests._support.tasks import ended

cheroot = pytest.importorskip("cheroot")


def app(environ: Any, start_response: Any) -> list[bytes]:
    return []


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        (("no_such_shop:app",), {}, ImportError, "cannot import 'no_such_shop'"),
        ((42,), {}, TypeError, "expected an application"),
        ((app, 42), {}, TypeError, "host: expected a string"),
        ((app, "", 70_000), {}, ValueError, "port: expected a number"),
        ((app,), {"threads": 0}, ValueError, "threads: expected 1 or more, got 0"),
        ((app,), {"threads": "many"}, TypeError, "threads: expected a number, got 'many'"),
        ((app,), {"grace": -1}, ValueError, "grace: expected"),
    ],
)
def test_bad_arguments_are_refused_when_it_is_built(
    arguments: Any, options: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=re.escape(text)):
        wsgi(*arguments, **options)


def test_without_cheroot_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cheroot", None)
    monkeypatch.delitem(sys.modules, "tasker.serve._cheroot", raising=False)

    with pytest.raises(ImportError, match=re.escape("pip install 'py-tasker[wsgi]'")):
        wsgi(app)


def test_under_an_ended_context_it_does_not_listen() -> None:
    with pytest.raises(BaseException, match="the context ended"):
        run(wsgi(app, port=0), ended())


def test_it_is_named_after_its_application() -> None:
    assert wsgi(app).name == "wsgi app"
