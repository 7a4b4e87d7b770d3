"""Tasks that run by a schedule, each slot once across all instances of an application."""

from tasker.scheduler._explanation import Explanation
from tasker.scheduler._run import Run
from tasker.scheduler._scheduler import Scheduler

__all__ = ["Explanation", "Run", "Scheduler"]
