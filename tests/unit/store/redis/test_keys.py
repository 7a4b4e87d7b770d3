from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("redis")

from redis.crc import key_slot

from tasker.errors import TaskerError
from tasker.store.redis._keys import Keys

STRANGE = ("job", "{a}", "}{", "a}b", "{", "}", "a:b c", "\u2713 \U0001f680", "{tasker:other}:s:job", "\0", "x" * 255)


@pytest.mark.parametrize("namespace", ["", "billing", "_", "A" * 63])
def test_all_keys_of_a_namespace_have_one_hash_slot_whatever_is_in_an_id(namespace: str) -> None:
    keys = Keys(namespace)
    made = [*keys.own, *(of(id) for of in (keys.row, keys.history, keys.lock, keys.state) for id in STRANGE)]
    assert len({key_slot(key) for key in made}) == 1
    assert len(set(made)) == len(made)


def test_namespaces_have_hash_slots_of_their_own() -> None:
    assert key_slot(Keys("a").row("job")) != key_slot(Keys("b").row("job"))


def test_keys_are_what_an_administrator_would_look_for() -> None:
    keys = Keys("billing")
    assert keys.own == (
        b"{tasker:billing}:meta",
        b"{tasker:billing}:bell",
        b"{tasker:billing}:rung",
        b"{tasker:billing}:ids",
        b"{tasker:billing}:instances",
    )
    assert (keys.meta, keys.ids, keys.instances) == (keys.own[0], keys.own[3], keys.own[4])
    assert keys.row("job 1") == b"{tasker:billing}:s:job 1"
    assert keys.history("job 1") == b"{tasker:billing}:h:job 1"
    assert keys.lock("job 1") == b"{tasker:billing}:l:job 1"
    assert keys.state("job 1") == b"{tasker:billing}:r:job 1"
    assert Keys("").meta == b"{tasker:}:meta"


@pytest.mark.parametrize("namespace", ["a}", "{a", "a:b", "a-b", "1a", "\u00e9", "A" * 64, " "])
def test_a_namespace_that_could_break_the_tag_is_refused(namespace: str) -> None:
    with pytest.raises(ValueError, match="namespace: expected an identifier"):
        Keys(namespace)


@pytest.mark.parametrize("namespace", [None, 5, b"a"])
def test_a_namespace_is_a_string(namespace: Any) -> None:
    with pytest.raises(TypeError, match="namespace: expected a string"):
        Keys(namespace)


def test_an_id_that_is_no_text_is_refused_for_good() -> None:
    with pytest.raises(TaskerError, match=r"without lone surrogates, got 'a.ud800'"):
        Keys("").row("a\ud800")
