"""The traps of pi-web-api.md 11: which tests of the bridge are named after each, and why some do not concern it (yet)."""

import re

COUNT = 48
_NAME = re.compile(r"trap_(\d+)")

NAMED: dict[int, tuple[str, ...]] = {
    1: (
        "test_trap_1_trap_2_trap_3_the_request_is_one_object_by_key_with_queries_in_the_address",
        "test_trap_1_answers_are_found_by_key_whatever_their_order",
        "test_trap_1_trap_4_every_answer_of_a_shuffled_batch_is_its_points_and_one_bad_web_id_costs_only_itself",
    ),
    2: ("test_trap_1_trap_2_trap_3_the_request_is_one_object_by_key_with_queries_in_the_address",),
    3: ("test_trap_1_trap_2_trap_3_the_request_is_one_object_by_key_with_queries_in_the_address",),
    4: ("test_trap_4_a_failed_sub_request_is_a_value_and_does_not_touch_the_others",),
    5: ("test_trap_5_the_batch_carries_the_header_without_which_pi_refuses_it", "test_trap_5_a_403_is_asked_once"),
    6: (
        "test_trap_6_trap_8_each_failure_says_whether_asking_again_helps",
        "test_trap_6_a_web_exception_inside_200_is_a_failure_of_one_answer_and_of_a_batch",
    ),
    7: (
        "test_trap_7_what_is_no_json_is_unreadable",
        "test_trap_7_an_error_of_a_proxy_in_html_or_without_a_body_is_judged_by_its_status",
        "test_trap_7_an_answer_that_breaks_off_is_asked_for_again_later",
    ),
    8: (
        "test_trap_8_failures_back_off_up_to_a_limit_and_a_success_ends_that",
        "test_trap_8_pi_is_left_alone_when_it_asks_for_that",
        "test_trap_8_those_who_were_sent_away_together_do_not_come_back_together_and_none_too_early",
        "test_trap_8_no_later_answer_shortens_a_pause_that_pi_asked_for",
        "test_trap_8_trap_47_when_pi_sends_one_request_away_no_other_goes_out_before_the_pause_is_over",
    ),
    9: ("test_trap_9_all_pages_of_the_inventory_are_walked", "test_trap_9_a_link_to_another_host_is_not_followed"),
    10: ("test_trap_10_one_object_is_not_read_as_a_list_of_items",),
    11: (
        "test_trap_11_no_address_is_longer_than_the_limit_and_every_stream_is_on_one_channel",
        "test_trap_11_every_channel_of_many_points_is_one_that_pi_opens",
    ),
    12: ("test_trap_12_a_system_state_on_a_float_point_is_no_value_and_no_zero",),
    13: ("test_trap_13_digital_state_248_of_a_users_set_is_not_no_data",),
    14: ("test_trap_14_a_translated_state_is_known_by_its_code",),
    15: ("test_trap_15_flags_are_kept_verbatim",),
    16: (
        "test_trap_16_zero_to_seven_fractional_digits_are_read_exactly",
        "test_trap_16_two_stamps_100_ns_apart_are_two_instants",
    ),
    17: (
        "test_trap_17_the_end_of_the_year_9999_does_not_overflow",
        "test_trap_17_a_clock_that_cannot_be_right_is_not_believed",
    ),
    18: (
        "test_trap_18_integers_above_2_to_the_53_stay_exact",
        "test_trap_18_not_a_number_and_infinity_come_as_words_or_bare",
        "test_trap_18_a_missing_annotated_flag_is_false",
    ),
    19: ("test_trap_19_units_are_not_even_asked_for", "test_trap_19_no_unit_is_taken_from_a_value"),
    20: ("test_trap_20_two_values_at_one_instant_are_both_kept",),
    21: ("test_trap_21_a_point_that_two_selections_find_is_one_point",),
    22: ("test_trap_22_a_full_page_may_be_cut",),
    23: ("test_trap_23_a_page_filled_by_one_instant_is_cut_and_ends_where_it_began",),
    24: ("test_trap_24_no_range_is_asked_for_backwards", "test_trap_24_values_that_come_newest_first_are_put_in_order"),
    25: ("test_trap_25_the_end_is_the_newest_item_and_not_the_time_of_the_request",),
    26: ("test_trap_26_the_snapshot_at_the_end_of_an_answer_is_never_stated",),
    27: (
        "test_trap_27_a_page_that_pi_refuses_is_halved_until_pi_gives_it_and_the_range_is_stated_whole",
        "test_trap_27_whatever_the_limit_every_value_is_stated_once",
        "test_trap_27_a_batch_whose_answer_is_too_large_is_split_and_every_point_is_read",
        "test_trap_27_a_single_read_whose_answer_is_too_large_asks_for_smaller_pages",
        "test_trap_27_a_400_for_another_reason_ends_as_a_failed_read_that_is_shown_and_is_retried_later",
        "test_trap_27_reads_whose_answers_are_larger_than_the_limit_cover_every_point_all_the_same",
        "test_trap_27_pis_own_refusal_of_too_many_values_is_known_as_one_that_may_be_about_the_size",
    ),
    28: (
        "test_trap_28_times_go_out_as_utc_in_whole_seconds_around_the_range",
        "test_trap_28_anything_but_utc_as_pi_prints_it_is_unreadable",
    ),
    29: ("test_trap_29_no_items_are_an_empty_page", "test_trap_29_an_empty_answer_moves_nothing_and_is_no_error"),
    30: ("test_trap_30_what_came_before_a_channel_was_opened_is_read_again_although_the_first_read_came_later",),
    31: (
        "test_trap_31_after_a_blind_interval_the_archive_is_read_from_the_covered_end_settle_later",
        "test_trap_31_the_blind_interval_begins_with_the_last_message_and_not_when_the_loss_was_noticed",
    ),
    32: ("test_trap_33_a_heartbeat_is_asked_for_in_polls_and_trap_32_initial_values_are_not",),
    33: (
        "test_trap_33_a_heartbeat_holds_no_streams",
        "test_trap_33_silence_is_reckoned_from_the_last_message_heartbeats_included",
        "test_trap_31_trap_33_a_channel_that_falls_silent_without_a_close_is_lost_and_its_points_were_blind_since_the_last_message",
    ),
    34: (
        "test_trap_34_values_are_sorted_by_time_and_each_instant_keeps_the_order_given",
        "test_trap_34_a_stream_may_bring_several_values_in_one_message",
        "test_trap_34_an_older_value_does_not_become_the_newest_preview",
    ),
    35: (
        "test_trap_35_one_bad_stream_of_four_hundred_is_isolated_by_halving",
        "test_trap_35_a_bad_stream_that_ends_the_channel_after_the_handshake_is_isolated_too",
        "test_trap_35_pi_refuses_a_channel_for_one_bad_web_id_and_all_others_are_heard",
    ),
    36: (
        "test_trap_36_a_message_larger_than_the_limit_ends_the_channel_and_it_comes_back",
        "test_trap_36_a_channel_that_is_closed_as_soon_as_it_opens_is_tried_later_and_later",
    ),
    37: (
        "test_trap_37_channels_that_were_lost_together_do_not_come_back_together",
        "test_trap_37_channels_that_were_lost_together_are_opened_again_one_after_the_other",
        "test_trap_37_a_handshake_that_pi_sends_away_for_a_while_is_not_repeated_before",
        "test_trap_37_when_kafka_takes_frames_again_the_channels_come_back_one_after_the_other",
    ),
    38: ("test_trap_38_an_edit_of_an_old_value_is_not_dropped_as_a_late_duplicate",),
    45: ("test_trap_45_a_point_whose_history_pi_does_not_serve_does_not_stop_the_others",),
    47: (
        "test_trap_47_credentials_that_expire_in_the_middle_of_a_back_fill_only_delay_it",
        "test_trap_8_trap_47_when_pi_sends_one_request_away_no_other_goes_out_before_the_pause_is_over",
    ),
    48: ("test_trap_48_a_future_value_cannot_push_the_end_beyond_pis_now",),
}
"""The tests of each trap. A test for a trap says its number."""

NOT_OURS: dict[int, str] = {
    39: "Stream updates are not used yet: the bridge keeps no marker.",
    40: "Stream updates are not used yet: nothing is registered.",
    41: "Elements and event frames are not read yet.",
    42: "Event frames are not read yet.",
    43: "Event frames are not read yet.",
    44: "Elements are not read yet.",
    46: "Elements are not read yet; points come from the data server, which is no AF cache.",
}
"""Why a trap does not concern the bridge. What writes to PI concerns it never: it only reads."""


def traps_in(name: str) -> set[int]:
    """The numbers of the traps that a test is named after."""
    return {int(number) for number in _NAME.findall(name)}
