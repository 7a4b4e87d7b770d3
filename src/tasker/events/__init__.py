"""What happens in schedulers: subscribe to it, or read it in the log.

```python
from tasker import events

stop = events.subscribe(lambda event: print(event.schedule_id, event.outcome), events.RunFinished)
stop()
```

Every event is a frozen value. Standard logging has a line for each of them, by the logger `tasker`: failures as errors,
what endangers the promises as warnings, instances and skipped slots as information, and each ordinary run for
debugging. The fields of the event are attributes of the log record, and `event` is the name of its class.
"""

from tasker.events._bus import subscribe
from tasker.events._values import (
    Event,
    InstanceDraining,
    InstanceGone,
    InstanceJoined,
    RenewalLate,
    RunClaimed,
    RunEvent,
    RunFinished,
    RunLeaseLost,
    RunNotRecorded,
    RunRetried,
    RunStarted,
    ScheduleIgnored,
    SlotsSkipped,
    StoreDown,
    StoreUp,
)

__all__ = [
    "Event",
    "InstanceDraining",
    "InstanceGone",
    "InstanceJoined",
    "RenewalLate",
    "RunClaimed",
    "RunEvent",
    "RunFinished",
    "RunLeaseLost",
    "RunNotRecorded",
    "RunRetried",
    "RunStarted",
    "ScheduleIgnored",
    "SlotsSkipped",
    "StoreDown",
    "StoreUp",
    "subscribe",
]
