"""The rules of slots: each is decided once, with one outcome, and none is lost, early, or started again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from tests.fault.harness.log import Line
from tests.fault.harness.rules_of_leases import Finding, Rule
from tests.fault.harness.story import Story

_ANSWERED = frozenset({"succeeded", "failed", "timed_out"})
_GOES_BACK = frozenset({"lease_lost", "interrupted"})


def never_early(story: Story) -> Iterator[Finding]:
    """Yield the slots that were given before they were due, by the store's clock, and those that no schedule has."""
    for line in story.by_event["granted"]:
        if line["now"] < line["slot"]:
            yield "a slot was given before it was due", [line]
        if line["slot"] % story.steps[line.key] and not line["manual"]:
            yield "what was given is no slot of the schedule", [line]


def at_most_once(story: Story) -> Iterator[Finding]:
    """Yield the slots that succeeded twice."""
    for records in story.records.values():
        first: dict[int, Line] = {}
        for line in records:
            if line["outcome"] in _ANSWERED:
                if line["slot"] in first:
                    yield "a slot has two outcomes", [first[line["slot"]], line]
                first.setdefault(line["slot"], line)


def not_started_again(story: Story) -> Iterator[Finding]:
    """Yield the slots that were given to someone who asked after he could know that they were decided."""
    for key, leases in story.by_key.items():
        answered = [
            (answer.m, finish["through"], answer)
            for lease in leases
            for finish in lease.finishes
            for answer in lease.answers
            if answer["sent"] == finish["sent"] and answer["answer"] != "lost" and finish["through"] is not None
        ]
        answered.sort(key=lambda each: each[0])
        known, decided = 0, None
        by_schedule = [lease.granted for lease in leases if not lease.granted["manual"]]
        for line in sorted(by_schedule, key=lambda line: line["sent"]):
            while known < len(answered) and answered[known][0] < line["sent"]:
                decided = answered[known] if decided is None or answered[known][1] > decided[1] else decided
                known += 1
            if decided is not None and line["slot"] <= decided[1]:
                yield f"a slot of {key} was given again after it was decided", [decided[2], line]


def exactly_one_outcome(story: Story) -> Iterator[Finding]:
    """Yield the slots that were lost, those that were both run and skipped, and those that were given up too early."""
    for state in story.by_event["state"]:
        records, step = story.records[state.key], story.steps[state.key]
        # The slot in the row has its outcome to come, also if a pause that ended has decided later ones.
        in_row = None if state["manual"] else state["slot"]
        slots = {slot for slot in _slots(state["defined"], state["decided"], step) if slot != in_row}
        # The last record of a slot is its outcome.
        final = {slot: line for line in records if is_run(line) for slot in slots_of(line, step) if slot in slots}
        skipped: dict[int, list[Line]] = defaultdict(list)
        for line in records:
            for slot in () if is_run(line) else slots_of(line, step):
                skipped[slot].append(line)
        lost = slots - {*final, *skipped}
        yield from (
            (f"slot {slot} has no outcome", [state]) for slot in sorted(lost - _forgotten(story, state.key, lost))
        )
        for slot, lines in skipped.items():
            if len(lines) > 1 or slot in final:
                yield f"slot {slot} has several outcomes", [*lines, *([final[slot]] if slot in final else [])]
        for slot, line in final.items():
            if line["outcome"] in _GOES_BACK and line["attempt"] <= story.rules.attempts:
                yield f"slot {slot} was given up too early", [line, state]


def _forgotten(story: Story, key: str, lost: set[int]) -> set[int]:
    """Return the lost slots that were missed before one that was in the row while its schedule was paused and resumed.

    The run for it records them with its end, unless it is another one that begins after the pause: that knows no more
    where they began. Where all slots are run, none is missed so.
    """
    if story.runs_all(key):
        return set()
    step = story.steps[key]
    began = {line["slot"] for line in story.by_event["granted"] if line.key == key and not line["manual"]}
    found: set[int] = set()
    for line in story.records[key]:
        slot = line["slot"] - 1
        while line["reason"] == "paused" and (slot in began or slot in found) and slot - step in lost:
            slot -= step
            found.add(slot)
    return found


def skips_are_allowed(story: Story) -> Iterator[Finding]:
    """Yield the ranges of skipped slots that do not add up, or that skip what was to be run.

    A pause is another rule's business: nobody counts what it has swallowed, nor what is left of a range that began in
    it.
    """
    for line in story.by_event["record"]:
        if is_run(line) or line["reason"] == "paused":
            continue
        slots = slots_of(line, story.steps[line.key])
        is_cut = line["count"] is None and any(wish.act == "resume" and wish.is_of(line.key) for wish in story.wishes)
        if line["count"] != len(slots) and not is_cut:
            yield f"a record says {line['count']} slots, and there are {len(slots)}", [line]
        if story.runs_all(line.key):
            yield "slots were skipped of a schedule that runs all of them", [line]


def is_run(record: Line) -> bool:
    """Tell whether a record is that of a run."""
    return bool(record["outcome"] != "skipped")


def slots_of(record: Line, step: int) -> Sequence[int]:
    """Return the slots of the schedule that a record is about: none, if the run was asked for by hand."""
    if is_run(record):
        return () if record["manual"] else (record["slot"],)
    return _slots(record["slot"] - 1, record["until"], step)


def _slots(after: int, until: int, step: int) -> range:
    return range((after // step + 1) * step, until + 1, step)


def attempts_follow(story: Story) -> Iterator[Finding]:
    """Yield the slots whose attempts do not follow one another, or that were started again after an answer."""
    for records in story.records.values():
        by_slot: dict[int, list[Line]] = defaultdict(list)
        for line in records:
            if is_run(line):
                by_slot[line["slot"]].append(line)
        for slot, lines in by_slot.items():
            if [line["attempt"] for line in lines] != list(range(1, len(lines) + 1)):
                yield f"the attempts at slot {slot} do not follow one another", lines
            if any(line["outcome"] not in _GOES_BACK for line in lines[:-1]):
                yield f"slot {slot} was started again after it was answered", lines


def every_run_is_recorded(story: Story) -> Iterator[Finding]:
    """Yield the runs that have no record or several, and the records of what nobody did."""
    states = {line.key: line for line in story.by_event["state"]}
    tokens = Counter((line.key, line.token) for line in story.by_event["record"] if line.token)
    for (key, token), lease in story.leases.items():
        state = states.get(key)
        if state is None or token > state.token or (token == state.token and state["owner"] is not None):
            continue  # it goes on
        if lease.started is not None and tokens[key, token] != 1:
            yield f"a run has {tokens[key, token]} records", [lease.granted, lease.started, *lease.finishes[:1]]
    for line in story.by_event["record"]:
        if line["outcome"] == "succeeded":
            found = story.leases.get((line.key, line.token))
            done = found is not None and found.returned is not None and found.returned["how"] == "done"
            if not done:
                yield "a success is recorded of a run that was not done", [line]


SLOT_RULES: Mapping[str, Rule] = {
    "never early": never_early,
    "at most once": at_most_once,
    "not started again": not_started_again,
    "exactly one outcome": exactly_one_outcome,
    "skips are allowed": skips_are_allowed,
    "attempts follow": attempts_follow,
    "every run is recorded": every_run_is_recorded,
}
