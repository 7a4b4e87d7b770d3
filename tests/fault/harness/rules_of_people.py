"""The rules of what people ask for: a pause holds, who is drained starts nothing, and each request is run once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from tests.fault.harness.log import Line
from tests.fault.harness.rules_of_leases import Finding, Rule
from tests.fault.harness.rules_of_slots import is_run, slots_of
from tests.fault.harness.story import Lease, Story
from tests.fault.harness.wishes import Period, Wish, periods, unexplained

# A server reads its clock a moment before it takes the row, or the other way round.
_A_MOMENT = 100_000
_OF_A_PAUSE = frozenset({"paused", "overlap"})
_FINAL = frozenset({"succeeded", "failed", "timed_out"})


def paused(story: Story) -> Iterator[Finding]:
    """Yield the slots that were given while their schedule was paused, but for runs that were asked for by hand.

    A slot that was given back comes before such a run.
    """
    for key, leases in story.by_key.items():
        for pause in _pauses(story, key):
            for line in (lease.granted for lease in leases):
                is_by_hand = line["manual"] or (line["requested"] is not None and line["attempt"] > 1)
                if line["sent"] > pause.since and pause.is_before_end(line.m) and not is_by_hand:
                    yield "a slot was given while its schedule was paused", [*pause.lines, line]


def passed_over(story: Story) -> Iterator[Finding]:
    """Yield the slots of a pause that are not recorded as passed over for it, or for a run that had begun before it."""
    for key, records in story.records.items():
        ended = [pause for pause in _pauses(story, key) if pause.end is not None and pause.end.is_certain]
        for pause in ended:
            since, until = pause.begin.now + _A_MOMENT, pause.lines[-1]["now"]
            for line in records:
                slots = slots_of(line, story.steps[key])
                if line["reason"] not in _OF_A_PAUSE and any(since < slot < until for slot in slots):
                    how = "run" if is_run(line) else f"skipped as {line['reason']}"
                    yield f"a slot that came in a pause was {how}", [*pause.lines, line]


def pauses_are_known(story: Story) -> Iterator[Finding]:
    """Yield the ranges that are recorded as skipped in a pause, at the end of which nobody resumed the schedule."""
    for key, records in story.records.items():
        ranges = [line for line in records if line["reason"] == "paused"]
        resumed = [wish for wish in story.wishes if wish.act == "resume" and wish.is_of(key)]
        for line in unexplained(ranges, "until", resumed):
            yield "slots were skipped in a pause that nobody ended", [line]


def asked_for(story: Story) -> Iterator[Finding]:
    """Yield the manual runs that nobody asked for."""
    for key, leases in story.by_key.items():
        triggers = _triggers(story, key)
        given = [lease.granted for lease in leases]
        yield from (
            ("a run by hand was given that nobody asked for", [line])
            for line in unexplained([line for line in given if line["manual"]], "slot", triggers)
        )
        yield from (
            ("a request was seen that nobody made", [line])
            for line in unexplained([line for line in given if line["requested"] is not None], "requested", triggers)
        )


def run_as_asked(story: Story) -> Iterator[Finding]:
    """Yield what was asked for and has no run that came to an end.

    A request has a run of its own, for the instant of the request, unless an earlier one had not been claimed yet.
    """
    if not story.by_event["calm"]:
        return
    for key in story.steps:
        by_slot: dict[int, list[Line]] = defaultdict(list)
        for line in story.records[key]:
            if line["manual"]:
                by_slot[line["slot"]].append(line)
        for wish in _triggers(story, key):
            if not wish.is_certain:
                continue
            runs = [lines for slot, lines in by_slot.items() if _is_for(wish, slot, lines[0])]
            if not any(_is_final(line, story) for lines in runs for line in lines):
                yield (
                    f"a run of {key} was asked for, and none came to an end",
                    [*wish.lines, *(line for lines in runs for line in lines)],
                )


def _is_for(wish: Wish, slot: int, first: Line) -> bool:
    return slot == wish.now or (slot < wish.now and first["started"] > wish.now - _A_MOMENT)


def _is_final(line: Line, story: Story) -> bool:
    return line["outcome"] in _FINAL or (line["outcome"] == "lease_lost" and line["attempt"] > story.rules.attempts)


def run_once(story: Story) -> Iterator[Finding]:
    """Yield the manual runs that were given again to someone who asked after they had come to an end."""
    for leases in story.by_key.values():
        done: dict[int, Line] = {}
        for lease in leases:
            if lease.granted["manual"] and (answer := _answer_that_counts(lease)) is not None:
                done.setdefault(lease.granted["slot"], answer)
        for lease in leases:
            line = lease.granted
            if line["manual"] and line["slot"] in done and done[line["slot"]].m < line["sent"]:
                yield "what was asked for by hand was given again", [done[line["slot"]], line]


def _answer_that_counts(lease: Lease) -> Line | None:
    through = {line["sent"]: line["through"] for line in lease.finishes}
    answers = [line for line in lease.answers if line["answer"] != "lost" and through[line["sent"]] is not None]
    return answers[0] if answers else None


def known_as_asked(story: Story) -> Iterator[Finding]:
    """Yield the runs whose task or record has it otherwise than they were given: by hand, or by the schedule."""
    recorded = {(line.key, line.token): line for line in story.by_event["record"] if line.token}
    for (key, token), lease in story.leases.items():
        for line in (lease.started, recorded.get((key, token))):
            if line is not None and line["manual"] != lease.granted["manual"]:
                yield "a run does not know what it comes from", [lease.granted, line]


def drained(story: Story) -> Iterator[Finding]:
    """Yield what was given to an instance that had time to hear that it is to start nothing new.

    One that asked what is wanted of it, and got no answer, has as much time again.
    """
    for actor, grants in story.grants_by_actor.items():
        unheard = [line for line in story.by_event["unheard"] if line.actor == actor]
        for period in periods(story.wishes, actor, "drain", "undrain"):
            for line in grants:
                since = max([period.since, *(each.m for each in unheard if each.m < line["sent"])])
                is_late = line["sent"] > story.after(actor, since, story.rules.hears)
                if is_late and period.is_before_end(line["sent"]):
                    by = (line["sent"] - period.since) / 1_000_000
                    yield f"an instance asked for a slot {by:.6f} s after it was drained", [*period.lines, line]
                    break


def goes_on(story: Story) -> Iterator[Finding]:
    """Yield the instances that did not hear in time after the last fault that they may start runs again."""
    for calm in story.by_event["calm"][-1:]:
        limit = calm.m + story.rules.again
        last = {line.actor: line for line in story.by_event["heard"] if line.m <= limit}
        for actor, line in last.items():
            if line["is_draining"] and story.is_alive_after(actor, limit):
                yield "an instance was still drained long after the last fault", [line, calm]


def _pauses(story: Story, key: str) -> list[Period]:
    return list(periods(story.wishes, key, "pause", "resume"))


def _triggers(story: Story, key: str) -> list[Wish]:
    return [wish for wish in story.wishes if wish.act == "trigger" and wish.is_of(key)]


PEOPLE_RULES: Mapping[str, Rule] = {
    "paused": paused,
    "passed over": passed_over,
    "pauses are known": pauses_are_known,
    "asked for": asked_for,
    "run as asked": run_as_asked,
    "run once": run_once,
    "known as asked": known_as_asked,
    "drained": drained,
    "goes on": goes_on,
}
