"""What counts as a task, and how it wants to be called; decided once, when the task is built."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from inspect import Parameter
from types import FunctionType
from typing import Any, NamedTuple, Protocol, Union, get_args, get_origin
from weakref import WeakKeyDictionary

from tasker._core.context import Context
from tasker._core.decorator import Decorator


class Runnable(Protocol):
    """An object with a `run` method, which takes the context or nothing."""

    @property
    def run(self) -> Callable[..., Any]:
        """What is called to run it."""
        ...


TaskLike = Callable[..., Any] | Runnable
"""What can be a task: a function, bound method, `functools.partial`, callable object, or object with a `run` method.

Each may be sync or async, and takes the context or nothing. A `Task` is one too.
"""


class Call(NamedTuple):
    """How to call what the user gave.

    Attributes:
        function: What is called.
        keyword: The context goes to the parameter of this name; `""` means to the first one; `None` means nowhere.
        is_async: Whether it is known to be a coroutine function.
        name: What people see.
    """

    function: Callable[..., Any]
    keyword: str | None
    is_async: bool
    name: str


def call_of(given: object) -> Call:
    """Return how to call `given` as a task.

    Raises:
        TypeError: It cannot be a task.
    """
    if not isinstance(given, FunctionType):
        return _call_of(given)
    known = _known.get(given)
    if known is None:
        call = _call_of(given)
        known = _known[given] = call.keyword, call.is_async, call.name
    return Call(given, *known)


# Thousands of schedules often run one function, and looking at it takes longer than all else. The function itself must
# not be among what is remembered, as it would keep itself alive.
_known: WeakKeyDictionary[FunctionType, tuple[str | None, bool, str]] = WeakKeyDictionary()


def _call_of(given: object) -> Call:
    function = _function_of(given)
    return Call(function, _where_the_context_goes(function), _is_async(function), name_of(given))


def name_of(given: object) -> str:
    """Return a readable name for something that can be called."""
    while isinstance(given, functools.partial):
        given = given.func
    name = getattr(given, "__qualname__", None) or getattr(given, "__name__", None) or type(given).__qualname__
    return str(name).rpartition("<locals>.")[2]


def _function_of(given: object) -> Callable[..., Any]:
    if isinstance(given, Decorator):
        raise TypeError(f"expected a task, got the decorator {given!r}; give it a task as its last argument")
    if inspect.isclass(given):
        raise TypeError(f"expected a task, got the class {given.__qualname__}; pass an instance or a function")
    if inspect.isawaitable(given):
        if inspect.iscoroutine(given):
            given.close()  # or Python warns that it was never awaited
        raise TypeError(f"expected a task, got {given!r}, which has been called already; pass the function itself")
    function = given if callable(given) else getattr(given, "run", None)
    if not callable(function):
        raise TypeError(
            f"expected a task (a function, something callable, or an object with a run method), got {given!r}"
        )
    for candidate in (function, getattr(function, "__call__", None)):  # noqa: B004 - the method itself is looked at
        if inspect.isgeneratorfunction(candidate) or inspect.isasyncgenfunction(candidate):
            raise TypeError(
                f"expected a task, got the generator function {name_of(function)}; a task returns, it yields nothing"
            )
    return function


def _is_async(function: Callable[..., Any]) -> bool:
    """The only place that asks whether something is async.

    A plain function that returns an awaitable is found out when it is called.
    """
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def _where_the_context_goes(function: Callable[..., Any]) -> str | None:
    signature = _signature_of(function)
    if signature is None:
        return None  # built in C
    parameters = signature.parameters.values()
    named = [p for p in parameters if p.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)]
    required = [p for p in named if p.default is Parameter.empty]
    if len(required) > 1:
        names = ", ".join(p.name for p in required)
        raise TypeError(
            f"{name_of(function)}: expected a function of one argument, the context, or of none; it requires {names};"
            " bind the others with functools.partial"
        )
    wanted = [p for p in named if p.name == "ctx" or _means_context(p.annotation)]
    for parameter in required:
        if parameter.kind is Parameter.KEYWORD_ONLY and parameter not in wanted:
            raise TypeError(
                f"{name_of(function)}: requires the keyword {parameter.name}; bind it with functools.partial"
            )
    for parameter in required or wanted:
        if parameter is named[0] and parameter.kind is not Parameter.KEYWORD_ONLY:
            return ""
        if parameter.kind is not Parameter.POSITIONAL_ONLY:
            return parameter.name
    return None


def _signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function, eval_str=True)
    except Exception:  # noqa: BLE001, S110 - evaluating an annotation may raise anything, most often a NameError
        pass
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def _means_context(annotation: object) -> bool:
    if isinstance(annotation, str):  # it names what is imported for type checkers only
        text = annotation.strip("\"' ").rpartition("Optional[")[2].removesuffix("]")
        return any(part.strip().rpartition(".")[2] == "Context" for part in text.split("|"))
    if get_origin(annotation) is Union or isinstance(annotation, _UnionType):
        return any(_means_context(part) for part in get_args(annotation))
    return isinstance(annotation, type) and issubclass(annotation, Context)


_UnionType = type(int | None)
