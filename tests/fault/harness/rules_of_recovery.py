"""The rules of what comes after faults: everything runs again in time, nothing crashed, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.fault.harness.log import Line
from tests.fault.harness.rules_of_leases import Finding, Rule
from tests.fault.harness.story import Story


def runs_again(story: Story) -> Iterator[Finding]:
    """Yield the schedules of which nothing was started, or nothing answered, in time after the last fault."""
    for calm in story.by_event["calm"][-1:]:
        limit = calm.m + story.rules.again
        for schedule in story.by_event["schedule"]:
            for what, event in (("started", "started"), ("recorded", "answered")):
                lines = (line for line in story.by_event[event] if line.key == schedule.key and line.m > calm.m)
                after = [line for line in lines if not _is_manual(line, story)]
                if not after or after[0].m > limit:
                    yield f"nothing was {what} of {schedule.key} in time after the last fault", [calm, *after[:1]]


def _is_manual(line: Line, story: Story) -> bool:
    lease = story.leases.get((line.key, line.token))
    return lease is not None and bool(lease.granted["manual"])


def nothing_left(story: Story) -> Iterator[Finding]:
    """Yield what was still there after all instances had ended."""
    for line in story.by_event["left"]:
        if line["count"]:
            yield f"{line['count']} {line['what']} were left behind", [line]


def nothing_crashed(story: Story) -> Iterator[Finding]:
    """Yield the instances that ended otherwise than they were asked to, and what they complained of."""
    for line in story.by_event["ended"]:
        if line["status"] != line["wanted"]:
            yield f"an instance ended with status {line['status']}, not {line['wanted']}", [line]
    yield from (("an instance complained", [line]) for line in story.by_event["complaint"])


RECOVERY_RULES: Mapping[str, Rule] = {
    "runs again": runs_again,
    "nothing left": nothing_left,
    "nothing crashed": nothing_crashed,
}
