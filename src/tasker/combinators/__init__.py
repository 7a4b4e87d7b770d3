"""What makes one task of others: one idea a file."""

from tasker.combinators._background import Background, background
from tasker.combinators._backoff import Backoff
from tasker.combinators._concurrence import concurrence
from tasker.combinators._failures import ignore_error, on_error
from tasker.combinators._grace import with_grace
from tasker.combinators._main import main
from tasker.combinators._no_overlap import with_no_overlap
from tasker.combinators._repeat import with_repeat
from tasker.combinators._retry import with_retry
from tasker.combinators._retry_policy import Retry, RetryOn
from tasker.combinators._sequence import sequence
from tasker.combinators._shutdown import with_shutdown
from tasker.combinators._signals import with_signal_notify
from tasker.combinators._timeout import with_timeout

__all__ = [
    "Background",
    "Backoff",
    "Retry",
    "RetryOn",
    "background",
    "concurrence",
    "ignore_error",
    "main",
    "on_error",
    "sequence",
    "with_grace",
    "with_no_overlap",
    "with_repeat",
    "with_retry",
    "with_shutdown",
    "with_signal_notify",
    "with_timeout",
]
