"""The application that a server is given: itself, or where to import it from."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

Application = Callable[..., Any]


def application_of(given: object, what: str, parameters: int) -> tuple[Application, str]:
    """Return an application and its name.

    Args:
        given: The application, or `"module:attribute"`.
        what: Who asks, for the message of an error.
        parameters: How many arguments such an application is called with.

    Raises:
        ImportError: It cannot be imported.
        TypeError: It is no application.
        ValueError: The text does not read `module:attribute`.
    """
    app = imported(given, what) if isinstance(given, str) else given
    if not callable(app):
        raise TypeError(f"{what}: expected an application or 'module:attribute', got {app!r}")
    if _count_of(app) not in {None, parameters}:
        other = "serve.wsgi" if what == "serve.asgi" else "serve.asgi"
        raise TypeError(
            f"{what}: {given!r} does not take {parameters} arguments; if it is of the other kind, use {other}, and if"
            " it makes the application, call it"
        )
    name = given if isinstance(given, str) else getattr(app, "__qualname__", None) or type(app).__qualname__
    return app, name.rpartition("<locals>.")[2]


def imported(text: str, what: str) -> object:
    """Import what `module:attribute` names.

    Raises:
        ImportError: The module cannot be imported, or has no such attribute.
        ValueError: The text does not read like that.
    """
    module, colon, attribute = text.partition(":")
    if not (module and colon and attribute):
        raise ValueError(f"{what}: expected 'module:attribute', as in 'shop.web:app', got {text!r}")
    try:
        found: object = importlib.import_module(module)
    except Exception as error:
        hint = "; is its folder in sys.path?" if _is_missing(error, module) else ""
        raise ImportError(
            f"{what}: cannot import {module!r} of {text!r}: {type(error).__name__}: {error}{hint}"
        ) from error
    for name in attribute.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            raise ImportError(f"{what}: {module!r} has no {attribute!r}, which {text!r} names") from error
    return found


def _is_missing(error: Exception, module: str) -> bool:
    return isinstance(error, ModuleNotFoundError) and error.name is not None and module.startswith(error.name)


def _count_of(app: Application) -> int | None:
    """Return how many positional arguments it requires; `None` if nobody knows, or if it takes any number."""
    try:
        parameters = inspect.signature(app).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return None
    return sum(
        parameter.default is parameter.empty
        for parameter in parameters
        if parameter.kind in {parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD}
    )
