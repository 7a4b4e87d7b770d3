"""What `Store.beat`, `leave`, `instances` and `drain` promise: who is there, for people, and who starts nothing new."""

from __future__ import annotations

from collections.abc import Callable

from tasker.contract._stores import A, B, StoreSteps, finish, now_of, state_of, take, together, wait_until
from tasker.ports import Answer, Instance, Store

_INSTANCES = 6


def _only(store: Store) -> Instance:
    instances = store.instances()
    assert len(instances) == 1, f"expected one instance, got {instances}"
    return instances[0]


class Beating(StoreSteps):
    """Each instance says now and then that it lives."""

    def test_the_first_beat_makes_an_instance_known(self) -> None:
        store = self.open()
        before = now_of(store)
        reply = store.beat(A, "worker 1", "2.7.1")
        assert before <= reply.now <= now_of(store)
        assert not reply.is_draining
        assert _only(self.open()) == Instance(
            owner=A,
            name="worker 1",
            version="2.7.1",
            started=reply.now,
            seen=reply.now,
        )

    def test_a_later_beat_moves_seen_and_takes_name_and_version_as_they_are_now(self) -> None:
        store = self.open()
        first = store.beat(A, "worker 1", "")
        wait_until(store, first.now + 1)
        second = self.open().beat(A, "worker one", "2.7.2")
        assert second.now > first.now
        assert _only(store) == Instance(
            owner=A,
            name="worker one",
            version="2.7.2",
            started=first.now,
            seen=second.now,
        )

    def test_a_beat_is_of_one_instance_alone(self) -> None:
        store = self.open()
        first = store.beat(A, "one", "1")
        wait_until(store, first.now + 1)
        store.beat(B, "other", "2")
        assert {each.owner: (each.name, each.version) for each in store.instances()} == {
            A: ("one", "1"),
            B: ("other", "2"),
        }
        assert next(each.seen for each in store.instances() if each.owner == A) == first.now

    def test_instances_are_ordered_by_owner(self) -> None:
        store = self.open()
        for owner in ("b", "a", "B", "_", "c d"):
            store.beat(owner, "same", "1")
        assert [each.owner for each in store.instances()] == ["B", "_", "a", "b", "c d"]

    def test_names_and_versions_come_back_as_they_were_given(self) -> None:
        store = self.open()
        for text in (
            "it's",
            'say "1"',
            "100% %s $1 ?",
            "a\\b\\",
            "{a,b}",
            "NULL",
            "",
            "J\u00f6rg \U0001f680",
            "x" * 255,
        ):
            store.beat(A, text, text)
            assert (_only(store).name, _only(store).version) == (text, text)

    def test_where_nobody_said_anything_there_are_no_instances(self) -> None:
        store = self.start()
        take(store)
        assert store.instances() == ()

    def test_a_beat_and_a_leave_touch_no_schedule(self) -> None:
        store = self.start()
        grant = take(store)
        before, reply = state_of(store), store.poll(0)
        store.beat(A, "worker", "1")
        store.leave([A])
        assert state_of(store) == before
        assert store.poll(reply.epoch).states == ()
        assert finish(store, grant) is Answer.RECORDED

    def test_many_beat_at_once(self) -> None:
        owners = [f"owner {number}" for number in range(_INSTANCES)]

        def beater(store: Store, owner: str) -> Callable[[], None]:
            def beat() -> None:
                for _ in range(10):
                    store.beat(owner, "worker", "1")
                    store.beat("shared", "worker", "1")

            return beat

        together([beater(self.open(), owner) for owner in owners])
        assert [each.owner for each in self.open().instances()] == [*owners, "shared"]


class Leaving(StoreSteps):
    """Who leaves is forgotten; who died stays until somebody says so."""

    def test_who_leaves_is_forgotten_and_nobody_else(self) -> None:
        store = self.open()
        store.beat(A, "one", "1")
        store.beat(B, "other", "1")
        assert self.open().leave([A]).ids == {A}
        assert _only(store).owner == B

    def test_only_who_was_known_is_answered(self) -> None:
        store = self.open()
        store.beat(A, "one", "1")
        assert store.leave([]).ids == frozenset()
        assert store.leave([B, A, *(f"unknown {number}" for number in range(1_203))]).ids == {A}
        assert store.leave([A]).ids == frozenset()
        assert store.instances() == ()

    def test_who_comes_back_is_new(self) -> None:
        store = self.open()
        first = store.beat(A, "one", "1")
        store.drain([A], draining=True)
        store.leave([A])
        wait_until(store, first.now + 1)
        second = store.beat(A, "one", "1")
        assert not second.is_draining
        assert (_only(store).started, _only(store).is_draining) == (second.now, False)

    def test_the_clock_is_in_every_reply(self) -> None:
        store = self.open()
        before = now_of(store)
        assert before <= store.leave([A]).now <= store.drain([A], draining=True).now <= now_of(store)


class Draining(StoreSteps):
    """People can ask an instance to start nothing new; it hears of that within a second."""

    def test_a_drained_instance_is_told_so_with_each_beat(self) -> None:
        store = self.open()
        store.beat(A, "one", "1")
        store.beat(B, "other", "1")
        assert self.open().drain([A], draining=True).ids == {A}
        assert [store.beat(A, "one", "1").is_draining for _ in range(2)] == [True, True]
        assert not store.beat(B, "other", "1").is_draining
        assert {each.owner: each.is_draining for each in store.instances()} == {A: True, B: False}

    def test_a_drained_instance_can_be_told_to_go_on(self) -> None:
        store = self.open()
        first = store.beat(A, "one", "1")
        store.drain([A], draining=True)
        assert store.drain([A], draining=False).ids == {A}
        assert not store.beat(A, "one", "1").is_draining
        assert (_only(store).is_draining, _only(store).started) == (False, first.now)

    def test_draining_changes_nothing_else_of_an_instance(self) -> None:
        store = self.open()
        reply = store.beat(A, "one", "1")
        wait_until(store, reply.now + 1)
        store.drain([A], draining=True)
        assert _only(store) == Instance(
            owner=A,
            name="one",
            version="1",
            started=reply.now,
            seen=reply.now,
            is_draining=True,
        )

    def test_both_ways_ring_the_bell_without_a_row(self) -> None:
        store = self.start()
        store.beat(A, "one", "1")
        for draining in (True, False):
            epoch = store.poll(0).epoch
            self.open().drain([A], draining=draining)
            reply = store.poll(epoch)
            assert reply.epoch > epoch
            assert reply.states == ()

    def test_only_who_is_known_is_answered_and_nobody_is_made_up(self) -> None:
        store = self.open()
        store.beat(A, "one", "1")
        assert store.drain([], draining=True).ids == frozenset()
        assert store.drain([B, *(f"unknown {number}" for number in range(1_203))], draining=True).ids == frozenset()
        assert store.drain([B, A], draining=True).ids == {A}
        assert [each.owner for each in store.instances()] == [A]

    def test_no_decision_reads_who_is_there_or_drained(self) -> None:
        store = self.start("a", "b")
        store.beat(A, "one", "1")
        store.drain([A], draining=True)
        grant = take(store, "a", owner=A)
        assert take(store, "b", owner=B).attempt == 1
        store.leave([A])
        assert finish(store, grant) is Answer.RECORDED
