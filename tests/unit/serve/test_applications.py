from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tasker.serve._applications import application_of
from tasker.serve._extras import needing


async def asgi_app(scope: Any, receive: Any, send: Any) -> None: ...


def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
    return []


SHOP = """
async def app(scope, receive, send): ...

class Site:
    application = app
"""


class Framework:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which modules can be put, and from which they can be imported."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "shop_for_test.py").write_text(SHOP)
    return tmp_path


@pytest.mark.parametrize(("app", "name"), [(asgi_app, "asgi_app"), (Framework(), "Framework")])
def test_an_application_is_itself(app: Any, name: str) -> None:
    assert application_of(app, "serve.asgi", 3) == (app, name)


@pytest.mark.parametrize("text", ["shop_for_test:app", "shop_for_test:Site.application"])
def test_an_application_may_be_named_by_module_and_attribute(text: str, shop: Path) -> None:
    app, name = application_of(text, "serve.asgi", 3)

    assert (app.__name__, name) == ("app", text)
    del sys.modules["shop_for_test"]


@pytest.mark.parametrize("text", ["shop", "shop:", ":app", ""])
def test_a_text_that_names_no_attribute_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"expected 'module:attribute', as in 'shop.web:app', got {text!r}")):
        application_of(text, "serve.asgi", 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no_shop:app", "cannot import 'no_shop' of 'no_shop:app': ModuleNotFoundError: No module named 'no_shop'; is"),
        ("broken:app", "cannot import 'broken' of 'broken:app': ModuleNotFoundError: No module named 'no_lib'"),
        ("closed:app", "cannot import 'closed' of 'closed:app': ZeroDivisionError: division by zero"),
        ("shop_for_test:no", "'shop_for_test' has no 'no', which 'shop_for_test:no' names"),
    ],
)
def test_an_import_that_fails_says_what_was_tried(text: str, message: str, shop: Path) -> None:
    (shop / "broken.py").write_text("import no_lib\n")
    (shop / "closed.py").write_text("1 / 0\n")

    with pytest.raises(ImportError) as caught:
        application_of(text, "serve.asgi", 3)

    assert str(caught.value).startswith(f"serve.asgi: {message}")
    assert caught.value.__cause__ is not None
    assert ("sys.path" in str(caught.value)) == ("no_shop" in text)


@pytest.mark.parametrize("given", [42, None, object()])
def test_what_cannot_be_called_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match="expected an application or 'module:attribute', got"):
        application_of(given, "serve.asgi", 3)


@pytest.mark.parametrize(
    ("app", "what", "parameters", "other"),
    [
        (wsgi_app, "serve.asgi", 3, "serve.wsgi"),
        (asgi_app, "serve.wsgi", 2, "serve.asgi"),
        (lambda: asgi_app, "serve.asgi", 3, "serve.wsgi"),
    ],
)
def test_an_application_of_the_other_kind_and_what_makes_one_are_refused(
    app: Any, what: str, parameters: int, other: str
) -> None:
    text = f"arguments; if it is of the other kind, use {other}, and if it makes the application, call it"
    with pytest.raises(TypeError, match=f"does not take {parameters} {text}"):
        application_of(app, what, parameters)


@pytest.mark.parametrize("app", [lambda *arguments: None, print, type("NoSignature", (), {"__call__": max})()])
def test_one_whose_arguments_are_not_known_is_believed(app: Any) -> None:
    assert application_of(app, "serve.asgi", 3)[0] is app


def test_a_library_that_is_missing_is_an_error_that_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "tasker.serve._uvicorn", raising=False)

    with pytest.raises(ImportError, match=re.escape("serve.asgi needs uvicorn: pip install 'py-tasker[asgi]'")):
        needing("tasker.serve._uvicorn", "serve.asgi", "uvicorn", "asgi")


def test_something_else_that_is_missing_is_not_taken_for_it(shop: Path) -> None:
    (shop / "ours.py").write_text("import no_lib\n")

    with pytest.raises(ModuleNotFoundError, match="no_lib"):
        needing("ours", "serve.asgi", "uvicorn", "asgi")
