"""Who hears of events: the subscribers of this process, and standard logging.

State: the tuple of subscriptions is replaced, never changed, under a lock; whoever publishes reads it without one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from tasker.events import _logging
from tasker.events._values import Event

logger: logging.Logger = logging.getLogger("tasker")

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True, eq=False)
class _Subscription:
    callback: Callable[[Any], object]
    kinds: tuple[type[Event], ...]


_lock = threading.Lock()
_subscriptions: tuple[_Subscription, ...] = ()


@overload
def subscribe(callback: Callable[[Event], object]) -> Callable[[], None]: ...
@overload
def subscribe(callback: Callable[[E], object], *kinds: type[E]) -> Callable[[], None]: ...
def subscribe(callback: Callable[[Any], object], *kinds: type[Event]) -> Callable[[], None]:
    """Have a function called with each event of these kinds, from all schedulers of this process.

    It is called in the thread in which the event happens, mostly that of the scheduler, which waits for it: hand what
    takes longer than a moment to somebody else. An error that it raises is logged and harms nothing.
    Standard logging hears of every event anyway, by the logger `tasker`, with the fields of the event as attributes of
    the log record; set the level of that logger to hear less of it.

    Args:
        callback: What to call.
        kinds: The classes of the events; a base class stands for all of its kinds, and none at all for every event.

    Returns:
        A function that ends this; more than once does no harm.

    Raises:
        TypeError: The callback cannot be called, or a kind is no class of events.
    """
    if not callable(callback):
        raise TypeError(f"callback: expected a function of an event, got {callback!r}")
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, Event)):
            raise TypeError(f"kinds: expected classes of tasker.events, got {kind!r}")
    subscription = _Subscription(callback, kinds or (Event,))
    _replace(lambda subscriptions: (*subscriptions, subscription))
    return lambda: _replace(lambda subscriptions: tuple(each for each in subscriptions if each is not subscription))


def _replace(change: Callable[[tuple[_Subscription, ...]], tuple[_Subscription, ...]]) -> None:
    global _subscriptions  # noqa: PLW0603 - one process, one list of subscribers
    with _lock:
        _subscriptions = change(_subscriptions)


def wants_ordinary_runs() -> bool:
    """Tell whether anyone hears of each step of a run, so that these events need not be made for nobody."""
    return bool(_subscriptions) or _logging.writes_ordinary_runs()


def publish(event: Event) -> None:
    """Tell everyone who wants to hear of an event."""
    _logging.write(event)
    for subscription in _subscriptions:
        if isinstance(event, subscription.kinds):
            try:
                subscription.callback(event)
            except Exception:
                logger.exception("%r, which wants to hear of %s, failed", subscription.callback, type(event).__name__)
