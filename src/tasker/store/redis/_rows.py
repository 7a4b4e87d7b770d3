"""What the scripts reply, made into the values of the port."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tasker.ports import UNREADABLE, Instance, Outcome, Reason, RunRecord, ScheduleState
from tasker.store._row import Row

# Values of an enumeration are looked up here: its constructor costs ten times as much. What is unknown was written by a
# newer version.
_OUTCOMES: Mapping[str | None, Outcome] = {outcome.value: outcome for outcome in Outcome}
_REASONS: Mapping[str | None, Reason] = {reason.value: reason for reason in Reason}

_SPOILT = "!"
"""Stands where the first field would be, before what is wrong with a row."""


def state_of(id: str, flat: Sequence[str]) -> ScheduleState:
    """Return the state of a schedule from its row: fields and values in turns, as `lua/common.lua` names them."""
    if flat[0] == _SPOILT:
        return ScheduleState(
            id=id, decided=0, definition=f"(this row cannot be read: {_clean(flat[1])})", format=UNREADABLE
        )
    get = dict(zip(flat[::2], flat[1::2], strict=True)).get
    try:
        return _row(id, get, int).state()
    except ValueError:
        return _row(id, get, _whole).state()


def _row(id: str, get: Callable[..., Any], number: Callable[[str], int]) -> Row:
    def maybe(name: str) -> int | None:
        value = get(name)
        return None if value is None else number(value)

    return Row(
        id,
        number(get("d")),
        _definition_in(get),
        number(get("c", "0")),
        number(get("g", "0")),
        maybe("e"),
        _OUTCOMES.get(get("r")),
        maybe("w"),
        number(get("n", "0")),
        number(get("f", "0")),
        number(get("t", "0")),
        get("o"),
        maybe("u"),
        maybe("s"),
        get("m") is not None and number(get("m")) == 1,
        number(get("a", "0")),
        maybe("b"),
        maybe("p"),
        maybe("q"),
        maybe("x"),
        number(get("v")),
    )


def _whole(value: str) -> int:
    """Return a number that a script has found to be whole, in whatever way it is written."""
    return int(float.fromhex(value) if "x" in value.lower() else float(value))


def fields_of(state: ScheduleState) -> list[str]:
    """Return the fields of a state but its definition, in turns with their values."""
    facts: dict[str, int | str | None] = {
        "v": state.format,
        "d": state.decided,
        "c": state.defined,
        "g": state.registered,
        "e": state.ended,
        "r": state.last_outcome,
        "w": state.last_success,
        "n": state.runs,
        "f": state.failures,
        "t": state.token,
        "o": state.owner,
        "u": state.lease_until,
        "s": state.slot,
        "m": 1 if state.manual else None,
        "a": state.attempt,
        "b": state.started,
        "p": state.paused,
        "q": state.requested,
        "x": state.next_slot,
    }
    return [part for name, value in facts.items() if value is not None for part in (name, str(value))]


def records_of(id: str, texts: Iterable[bytes]) -> tuple[RunRecord, ...]:
    """Return the records of a history, without those that this version cannot read."""
    return tuple(record for text in texts if (record := _record_of(id, text)) is not None)


def _record_of(id: str, text: bytes) -> RunRecord | None:
    try:
        at, slot, outcome, until, count, reason, manual, attempt, started, owner, token, error, retries = json.loads(
            text.decode("utf-8", "replace")
        )
        return RunRecord(
            id=id,
            at=int(at),
            slot=int(slot),
            outcome=_OUTCOMES[outcome],
            until=_number(until or None),
            count=_number(count or None),
            reason=_REASONS.get(reason),
            manual=bool(manual),
            attempt=int(attempt),
            started=_number(started or None),
            owner=owner or None,
            token=int(token),
            error=None if error is False else error,
            retries=int(retries),
        )
    except (ValueError, TypeError, KeyError):
        return None


def instances_in(pairs: Sequence[bytes]) -> tuple[Instance, ...]:
    """Return the instances, from owners and descriptions in turns, without those that this version cannot read."""
    owners = [owner.decode("utf-8", "replace") for owner in pairs[::2]]
    found = (_instance_of(owner, text) for owner, text in zip(owners, pairs[1::2], strict=True))
    return tuple(sorted((each for each in found if each is not None), key=lambda each: each.owner))


def _instance_of(owner: str, text: bytes) -> Instance | None:
    try:
        name, version, started, seen, draining = json.loads(text.decode("utf-8", "replace"))
        return Instance(
            owner=owner,
            name=str(name),
            version=str(version),
            started=int(started),
            seen=int(seen),
            is_draining=bool(draining),
        )
    except (ValueError, TypeError):
        return None


def storable(text: str) -> str:
    """Return a text for people in a form that can be stored: without lone surrogates, which a traceback may have."""
    return text.encode("utf-8", "backslashreplace").decode()


def _definition_in(get: Callable[..., Any]) -> str:
    text: str = get("l", "")
    number = 1
    while (part := get(f"l{number}")) is not None:
        text += part
        number += 1
    # A part may end within a character.
    return _clean(text) if number > 1 or not text.isascii() else text


def _clean(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _number(value: str | None) -> int | None:
    return None if value is None else int(value)
