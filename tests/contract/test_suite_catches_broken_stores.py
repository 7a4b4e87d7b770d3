"""The contract suites are tested too: what is broken on purpose must fail the promise that it breaks."""

from __future__ import annotations

from unittest import SkipTest

import pytest

from tasker.contract import (
    LeaseStoreContract,
    LockerFactoryContract,
    Promises,
    RepositoryContract,
    StoreContract,
    deviates,
    promises_of,
)
from tasker.store import memory
from tests.contract import broken
from tests.contract.broken import verdict

_STORES = [
    (broken.TwoHolders, "test_a_held_row_is_refused_to_all_its_holder_included"),
    (broken.TwoHolders, "test_one_of_many_gets_a_slot"),
    (broken.TwoHolders, "test_each_slot_succeeds_once_and_runs_never_overlap"),
    (broken.TwoHoldersInARace, "test_one_of_many_gets_a_slot"),
    (broken.TwoHoldersInARace, "test_a_batch_is_shared_out_without_doubles_and_without_deadlock"),
    (broken.EndlessLease, "test_a_lease_that_is_over_is_given_to_another_with_the_same_slot_as_the_next_attempt"),
    (broken.EarlyEnd, "test_a_lease_is_not_given_to_another_before_it_is_over"),
    (broken.LostUpdate, "test_a_request_does_not_disturb_the_run_that_goes_on_and_comes_after_it"),
    (broken.LostUpdate, "test_pausing_lets_a_run_go_on"),
    (broken.SlotTwice, "test_an_ending_decides_its_slot_and_frees_the_row"),
    (broken.SlotTwice, "test_a_slot_that_is_decided_is_refused"),
    (broken.SlotTwice, "test_each_slot_succeeds_once_and_runs_never_overlap"),
    (broken.StaleToken, "test_an_older_token_does_not_count"),
    (broken.StaleToken, "test_the_dead_holder_s_ending_and_renewal_come_too_late"),
    (broken.StaleRenewal, "test_an_older_token_of_the_same_owner_is_not_renewed"),
    (broken.TooEarly, "test_a_slot_in_the_future_is_refused"),
    (broken.Undecided, "test_a_slot_that_is_decided_is_refused"),
    (broken.NoBase, "test_a_base_that_is_not_the_end_of_the_last_run_is_refused"),
    (broken.NoBase, "test_a_base_is_refused_while_no_run_has_ended"),
    (broken.NoCapacity, "test_no_more_is_given_than_there_is_capacity_for"),
    (broken.NoPause, "test_a_paused_row_is_refused"),
    (broken.SkipsWhatWasPaused, "test_what_a_pause_has_taken_during_the_run_is_not_skipped_again"),
    (broken.PausesWhatWasAskedFor, "test_a_manual_run_of_a_paused_row_is_started_again"),
    (broken.TokenWithoutClock, "test_a_token_is_at_least_the_store_s_clock"),
    (broken.TokenWithoutClock, "test_a_token_grows_after_its_row_was_lost"),
    (broken.TokenOfTheClock, "test_a_token_grows_with_each_claim"),
    (broken.TokenOfTheClock, "test_a_token_grows_even_if_the_store_s_clock_went_back"),
    (broken.ForgetsTheDead, "test_the_taker_records_the_dead_attempt_as_a_lost_lease"),
    (broken.ForgetsTheSlot, "test_a_slot_that_had_attempts_before_keeps_them"),
    (broken.ForgetsTheSlot, "test_an_interrupted_run_leaves_its_slot_for_the_next_attempt_at_once"),
    (broken.ForgetsEndings, "test_the_same_ending_again_changes_nothing_and_is_known"),
    (broken.RemembersOneEnding, "test_the_same_ending_again_is_known_after_a_later_run_was_recorded"),
    (broken.RecordsTwice, "test_the_same_ending_again_changes_nothing_and_is_known"),
    (broken.DecidedGoesBack, "test_decided_never_goes_back"),
    (broken.SilentGiveBack, "test_an_interruption_rings_the_bell_for_its_row_alone"),
    (broken.PollMisses, "test_all_rows_rung_since_are_returned_with_their_newest_state"),
    (broken.SkipsWhatRuns, "test_a_row_with_a_slot_is_not_skipped_whoever_holds_it"),
    (broken.SkipsByTheEnd, "test_a_range_of_which_a_part_is_decided_is_not_skipped"),
    (broken.ReleasesWhatRuns, "test_a_release_that_comes_late_frees_nothing_that_was_claimed_since"),
    (broken.CountsReleased, "test_a_released_slot_can_be_claimed_again_as_the_same_attempt"),
    (broken.LosesReleased, "test_a_slot_before_the_end_of_a_pause_stays_in_the_row"),
    (broken.Forgiving, "test_ids_are_told_apart_byte_for_byte"),
    (broken.FirstThousand, "test_more_than_a_thousand_leases_are_renewed_in_one_call"),
    (broken.Downgrades, "test_a_row_of_a_newer_format_is_never_changed"),
    (broken.ResumesWithABurst, "test_a_resumed_schedule_goes_on_with_slots_after_the_pause"),
    (broken.RegistersOnce, "test_a_row_that_was_registered_long_ago_is_registered_anew_and_else_left_as_it_is"),
    (broken.RegistersOnce, "test_a_changed_definition_moves_defined_and_nothing_that_is_decided"),
    (broken.RegistersEachTime, "test_a_row_that_exists_stays_as_it_is"),
    (broken.RegistersEachTime, "test_a_row_that_was_registered_within_the_hour_is_not_registered_anew"),
    (broken.RegistersAsChanged, "test_a_row_that_was_registered_long_ago_is_registered_anew_and_else_left_as_it_is"),
    (broken.RegistersNewer, "test_a_row_of_a_newer_format_is_not_registered_anew"),
    (broken.ForgetsRetries, "test_a_record_says_how_often_the_task_was_run_again_under_its_lease"),
    (broken.CutsErrors, "test_an_error_that_has_no_bytes_is_recorded_all_the_same"),
    (broken.CountsRetries, "test_a_record_says_how_often_the_task_was_run_again_under_its_lease"),
    (broken.PurgesNothing, "test_a_schedule_that_nobody_has_registered_since_is_deleted_with_its_history"),
    (broken.PurgesNothing, "test_what_waits_for_people_or_for_another_attempt_goes_too"),
    (broken.PurgesNothing, "test_whoever_still_runs_what_was_deleted_is_told_that_it_is_lost"),
    (broken.PurgesWhatIsRegistered, "test_a_schedule_that_was_registered_since_is_kept"),
    (broken.PurgesByDefinition, "test_a_schedule_that_was_registered_anew_is_kept_and_the_others_go"),
    (broken.PurgesWhatRuns, "test_what_is_held_under_a_lease_is_kept_and_what_is_over_goes"),
    (broken.PurgesInARace, "test_a_schedule_that_is_claimed_while_others_purge_is_kept"),
    (broken.PurgesInARace, "test_a_schedule_that_is_registered_while_others_purge_is_there"),
    (broken.TellsAllWhoPurge, "test_what_many_purge_at_once_goes_once"),
    (broken.KeepsWhatIsOver, "test_what_is_held_under_a_lease_is_kept_and_what_is_over_goes"),
    (broken.PurgesNewer, "test_a_row_of_a_newer_format_is_never_changed"),
    (broken.PurgesNewer, "test_a_newer_row_and_its_history_are_not_purged_and_the_others_are"),
    (broken.PurgesWithoutEnd, "test_no_more_than_a_thousand_go_at_once_the_first_by_their_ids"),
    (broken.PurgesTheNewest, "test_no_more_than_a_thousand_go_at_once_the_first_by_their_ids"),
    (broken.KeepsHistory, "test_a_schedule_that_nobody_has_registered_since_is_deleted_with_its_history"),
    (broken.KeepsHistory, "test_a_deleted_schedule_begins_anew_when_it_is_registered"),
    (broken.PurgesAllHistory, "test_purging_leaves_instances_and_other_histories_alone"),
    (broken.BeatsAnew, "test_a_later_beat_moves_seen_and_takes_name_and_version_as_they_are_now"),
    (broken.BeatsAnew, "test_a_drained_instance_is_told_so_with_each_beat"),
    (broken.BeatsOnce, "test_a_later_beat_moves_seen_and_takes_name_and_version_as_they_are_now"),
    (broken.BeatsOnce, "test_names_and_versions_come_back_as_they_were_given"),
    (broken.BeatsForAll, "test_a_beat_is_of_one_instance_alone"),
    (broken.BeatsInTheBell, "test_a_beat_and_a_leave_touch_no_schedule"),
    (broken.InTheOrderOfComing, "test_instances_are_ordered_by_owner"),
    (broken.NobodyLeaves, "test_who_leaves_is_forgotten_and_nobody_else"),
    (broken.NobodyLeaves, "test_who_comes_back_is_new"),
    (broken.AllLeave, "test_who_leaves_is_forgotten_and_nobody_else"),
    (broken.AnswersAll, "test_only_who_was_known_is_answered"),
    (broken.AnswersAll, "test_only_who_is_known_is_answered_and_nobody_is_made_up"),
    (broken.ReleasesWhoLeaves, "test_a_beat_and_a_leave_touch_no_schedule"),
    (broken.ReleasesWhoLeaves, "test_no_decision_reads_who_is_there_or_drained"),
    (broken.DrainsUntilTheNextBeat, "test_a_drained_instance_is_told_so_with_each_beat"),
    (broken.DrainsForEver, "test_a_drained_instance_can_be_told_to_go_on"),
    (broken.DrainsAll, "test_a_drained_instance_is_told_so_with_each_beat"),
    (broken.DrainsInSilence, "test_both_ways_ring_the_bell_without_a_row"),
    (broken.DrainsWithRows, "test_both_ways_ring_the_bell_without_a_row"),
    (broken.DrainsAsABeat, "test_draining_changes_nothing_else_of_an_instance"),
    (broken.RefusesTheDrained, "test_no_decision_reads_who_is_there_or_drained"),
]
_LOCKS = [
    (broken.LocksBySight, "test_a_lock_is_extended_and_freed_by_owner_and_token_alone"),
    (broken.LocksTwice, "test_a_taken_lock_is_refused_to_all_its_holder_included"),
    (broken.LocksTwice, "test_one_of_many_gets_a_lock_that_nobody_ever_had"),
    (broken.LocksForEver, "test_a_lock_is_given_to_another_only_once_it_is_over"),
]
_REPOSITORIES = [
    (broken.Unfenced, "test_an_update_under_a_lower_token_is_refused"),
    (broken.Unfenced, "test_the_highest_of_many_tokens_that_write_at_once_is_kept"),
    (broken.Recreates, "test_creating_again_leaves_the_state_as_it_is"),
    (broken.ReadsNewerAsItsOwn, "test_a_state_of_a_newer_format_is_found_and_shown_as_one"),
    (broken.HidesNewer, "test_a_state_of_a_newer_format_is_found_and_shown_as_one"),
]
_LOCKERS = [
    (broken.NobodyIsKeptOut, "test_a_taken_lock_is_not_taken_again"),
    (broken.NobodyIsKeptOut, "test_work_under_a_lock_is_never_done_by_two_at_once"),
    (broken.OneLockForAll, "test_keys_are_locks_of_their_own_told_apart_byte_for_byte"),
    (broken.DeafToTheEnd, "test_a_lock_is_not_taken_under_a_context_that_has_ended"),
    (broken.DeafToTheEnd, "test_the_locked_context_ends_with_its_block"),
    (broken.KeepsAfterFailure, "test_a_lock_is_free_after_a_block_that_failed"),
]


@pytest.mark.parametrize(("store", "promise"), _STORES)
def test_a_broken_store_fails_the_promise_it_breaks(store: type[memory.Store], promise: str) -> None:
    assert verdict(broken.suite_for(memory.Store), promise) is None
    assert verdict(broken.suite_for(store), promise) is not None


@pytest.mark.parametrize(("store", "promise"), _LOCKS)
def test_a_broken_lease_store_fails_the_promise_it_breaks(store: type[memory.Store], promise: str) -> None:
    assert verdict(broken.lease_suite_for(memory.Store), promise) is None
    assert verdict(broken.lease_suite_for(store), promise) is not None


@pytest.mark.parametrize(("repository", "promise"), _REPOSITORIES)
def test_a_broken_repository_fails_the_promise_it_breaks(repository: type[memory.Repository], promise: str) -> None:
    assert verdict(broken.repository_suite_for(memory.Repository), promise) is None
    assert verdict(broken.repository_suite_for(repository), promise) is not None


@pytest.mark.parametrize(("factory", "promise"), _LOCKERS)
def test_a_broken_locker_factory_fails_the_promise_it_breaks(factory: type[broken.ThreadLocks], promise: str) -> None:
    assert verdict(broken.locker_suite_for(broken.ThreadLocks), promise) is None
    assert verdict(broken.locker_suite_for(factory), promise) is not None


def test_a_repository_that_accepts_a_lower_token_is_called_not_fenced() -> None:
    failure = verdict(broken.repository_suite_for(broken.Unfenced), "test_an_update_under_a_lower_token_is_refused")
    assert str(failure).startswith("not fenced")


def test_locks_without_tokens_are_called_not_fenced() -> None:
    test = broken.locker_suite_for(broken.ThreadLocks)()
    test.setup_method()
    with pytest.raises(SkipTest, match=r"^not fenced"):
        test.test_fencing_tokens_grow_with_each_acquisition()


@pytest.mark.parametrize("hook", ["make_newer", "make_unreadable", "delete_row"])
def test_a_hook_that_is_missing_skips_its_promises(hook: str) -> None:
    with pytest.raises(SkipTest, match="StoreContract has no hook"):
        getattr(StoreContract(), hook)("job")


def test_what_else_cannot_be_reached_skips_its_promises() -> None:
    with pytest.raises(SkipTest, match="StoreContract has no hook"):
        StoreContract().set_registered("job", 1)
    with pytest.raises(SkipTest, match="RepositoryContract has no hook"):
        RepositoryContract().make_unreadable("job")


def test_a_token_or_a_lock_that_cannot_be_changed_skips_its_promises() -> None:
    with pytest.raises(SkipTest, match="StoreContract has no hook"):
        StoreContract().set_token("job", 1)
    with pytest.raises(SkipTest, match="LockerFactoryContract has no hook"):
        LockerFactoryContract().lose_lock("key")


def test_a_suite_without_its_one_hook_does_not_run() -> None:
    for make in (
        StoreContract().make_store,
        LeaseStoreContract().make_store,
        RepositoryContract().make_repository,
        LockerFactoryContract().make_locker_factory,
    ):
        with pytest.raises(NotImplementedError):
            make()


def test_a_promise_cannot_be_replaced_in_silence() -> None:
    with pytest.raises(TypeError, match=r"test_a_paused_row_is_refused replaces a promise"):

        class _Quiet(StoreContract):
            def test_a_paused_row_is_refused(self) -> None:
                pass


def test_a_promise_can_be_replaced_with_a_reason() -> None:
    class Loud(StoreContract):
        @deviates("this store has no pause")
        def test_a_paused_row_is_refused(self) -> None:
            pass

    assert verdict(Loud, "test_a_paused_row_is_refused") is None
    with pytest.raises(ValueError, match="expected a sentence"):
        deviates("")


def test_a_suite_may_have_tests_of_its_own() -> None:
    class Own(Promises):
        def test_something_else(self) -> None:
            pass

    assert promises_of(Own) == ("test_something_else",)
