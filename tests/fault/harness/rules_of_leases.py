"""The rules of leases and tokens; each yields what was wrong, and the lines that show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

from tests.fault.harness.log import Line
from tests.fault.harness.story import Lease, Story

Finding = tuple[str, Sequence[Line]]
Rule = Callable[[Story], Iterator[Finding]]


def complete(story: Story) -> Iterator[Finding]:
    """Yield what was done under a lease that nobody was given, and replies to what nobody asked."""
    yield from (("it is about a lease that nobody was given", [line]) for line in story.orphans)
    asked = {(line.actor, line.m) for line in story.by_event["asked"]}
    for line in story.by_event["granted"] + story.by_event["kept"]:
        if (line.actor, line["sent"]) not in asked:
            yield "it is the reply to a request that nobody sent", [line]


def unique_tokens(story: Story) -> Iterator[Finding]:
    """Yield the tokens that were given twice."""
    first: dict[tuple[str, int], Line] = {}
    for line in story.by_event["granted"]:
        if (line.key, line.token) in first:
            yield "a token was given twice", [first[line.key, line.token], line]
        first.setdefault((line.key, line.token), line)


def growing_tokens(story: Story) -> Iterator[Finding]:
    """Yield the tokens that are not larger than one whose acquisition had ended before theirs began."""
    for leases in story.by_key.values():
        by_sent = sorted((lease.granted for lease in leases), key=lambda line: line["sent"])
        known, largest = 0, None
        for line in by_sent:
            while known < len(leases) and leases[known].granted.m < line["sent"]:
                earlier = leases[known].granted
                largest = earlier if largest is None or earlier.token > largest.token else largest
                known += 1
            if largest is not None and line.token < largest.token:
                yield "a token is smaller than one that was given before it was asked for", [largest, line]


def one_at_a_time(story: Story) -> Iterator[Finding]:
    """Yield the leases that were given while another one of their key was trusted, by the clock of the machine."""
    for leases in story.by_key.values():
        until, proof = 0, list[Line]()
        for lease in leases:
            ends, why = story.trusted(lease)
            if ends <= lease.granted.m:
                continue  # it was over when it came
            if lease.granted.m < until:
                by = (until - lease.granted.m) / 1_000_000
                yield f"a lease was given {by:.6f} s before another was over", [*proof, lease.granted]
            if ends > until:
                until, proof = ends, why


def one_at_a_time_by_the_store(story: Story) -> Iterator[Finding]:
    """Yield the leases that were given before the one before was over, by the store's own clock."""
    for leases in story.by_key.values():
        for lease, following in pairwise(sorted(leases, key=lambda lease: lease.token)):
            last = max([lease.granted, *lease.kept], key=lambda line: line["until"])
            was_let_go = any(line.m < following.granted.m for line in lease.finishes)
            if not was_let_go and following.granted["now"] < last["until"]:
                by = (last["until"] - following.granted["now"]) / 1_000_000
                yield f"by its own clock the store gave a lease {by:.6f} s too early", [last, following.granted]


def told_in_time(story: Story) -> Iterator[Finding]:
    """Yield the tasks that did not hear in time that their lease was lost.

    In time is before the store could give it to another, plus the bound, if the process ran meanwhile.
    """
    for lease in story.leases.values():
        if lease.started is None:
            continue
        until, proof = story.trusted(lease)
        limit = story.after(lease.actor, until, story.rules.margin + story.rules.bound)
        heard = [line.m for line in (lease.told, lease.returned) if line is not None]
        if min(heard, default=limit + 1) > limit and story.is_alive_after(lease.actor, limit):
            what = "a task went on without being told that its lease was over"
            yield what, [*proof, lease.started, *_first_of(lease.told, lease.returned)]


def no_step_after(story: Story) -> Iterator[Finding]:
    """Yield the steps of tasks that look at their context, long after their lease was over."""
    for lease in story.leases.values():
        if lease.started is None or lease.started["is_stubborn"]:
            continue
        until, proof = story.trusted(lease)
        limit = story.after(lease.actor, until, story.rules.bound)
        late = [line for line in lease.steps if line.m > limit]
        if late and not _had_let_go(lease, late[0]):
            yield "a task did a step after its lease was over", [*proof, late[0]]


def _had_let_go(lease: Lease, step: Line) -> bool:
    """Tell whether the lease was over because its run was: that is another rule's business."""
    return any(line.m < step.m for line in lease.finishes)


def not_freed_before_returned(story: Story) -> Iterator[Finding]:
    """Yield the leases that were given back while their task was still at work."""
    for lease in story.leases.values():
        if lease.started is None or not lease.finishes:
            continue
        finish = lease.finishes[0]
        if lease.returned is None or lease.returned.m > finish.m:
            what = "a lease was given back before its task had returned"
            yield what, [lease.granted, lease.started, finish, *_first_of(lease.returned)]


def old_tokens_count_nothing(story: Story) -> Iterator[Finding]:
    """Yield the endings that were recorded although their slot had been given to another before they were sent."""
    for leases in story.by_key.values():
        for lease, following in pairwise(sorted(leases, key=lambda lease: lease.token)):
            for line in lease.answers:
                if line["answer"] == "recorded" and following.granted.m < line["sent"]:
                    yield "an ending was recorded under an old token", [lease.granted, following.granted, line]


def fenced(story: Story) -> Iterator[Finding]:
    """Yield the writes that the protected resource accepted under a token that was lower than one before."""
    highest: dict[str, Line] = {}
    for line in story.by_event["accepted"]:
        if line.key in highest and line.token < highest[line.key].token:
            yield "a write under an old token was accepted", [highest[line.key], line]
        else:
            highest[line.key] = line


def _first_of(*lines: Line | None) -> list[Line]:
    return sorted((line for line in lines if line is not None), key=lambda line: line.m)[:1]


LEASE_RULES: Mapping[str, Rule] = {
    "log": complete,
    "unique tokens": unique_tokens,
    "growing tokens": growing_tokens,
    "one at a time": one_at_a_time,
    "one at a time, by the store": one_at_a_time_by_the_store,
    "told in time": told_in_time,
    "no step after": no_step_after,
    "not freed before returned": not_freed_before_returned,
    "old tokens count nothing": old_tokens_count_nothing,
    "fenced": fenced,
}
