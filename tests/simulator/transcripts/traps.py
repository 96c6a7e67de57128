"""The traps of pi-web-api.md 11: the tests that are named after those a server sets, and why no server can set the others."""

import re

COUNT = 48
_NAME = re.compile(r"trap[_ ](\d+)")

NAMED: dict[int, tuple[str, ...]] = {
    1: (
        "test_trap_1_keys_come_back_shuffled",
        "test_trap_1_a_list_is_refused",
        "trap 1: A batch is one object, and a list or broken JSON is 400 as a whole",
    ),
    2: ("trap 2: Parameters as a dictionary", "trap 2, trap 3: Parameters are no dictionary and Content is no object"),
    3: ("trap 3: Content as an object", "trap 2, trap 3: Parameters are no dictionary and Content is no object"),
    4: (
        "test_trap_4_a_failed_sub_request_does_not_change_the_outer_207",
        "test_trap_4_single_entries_of_a_batch_fail_inside_207",
        "trap 4: Sub-requests fail one by one inside a 207, and the child of a failed parent is not run",
    ),
    5: (
        "test_trap_5_a_batch_without_x_requested_with_is_403",
        "test_trap_5_registering_without_x_requested_with_is_403",
        "test_section_7_3_trap_5_writing_verbs_without_x_requested_with_are_403_even_on_unknown_routes",
        "trap 5: Every writing verb needs a header named X-Requested-With, though it only reads",
    ),
    6: (
        "test_trap_6_a_web_exception_inside_200",
        "test_trap_6_a_web_exception_in_the_content_of_a_batch_entry",
        "trap 6: A 200 may hold nothing but a WebException with the real status",
    ),
    7: (
        "test_trap_7_windows_of_refusals_in_json_html_or_nothing",
        "trap 7: What stands before the server answers in HTML or with nothing",
    ),
    8: ("test_trap_8_more_than_so_many_requests_in_a_second_are_429", "trap 8: More requests than the limit allows are 429"),
    9: (
        "test_trap_9_points_are_paged_by_links_next_until_it_is_absent",
        "test_trap_9_selected_fields_without_links_next_lose_the_paging",
        "trap 9: A walk over the points follows Links.Next until there is none",
        "trap 9: selectedFields without Links.Next removes the paging silently",
    ),
    10: (
        "test_trap_10_a_server_by_name_or_path_is_one_object_not_items",
        "trap 10: A data server by name, by path or by WebID is one object and not Items",
        "trap 10: A point by path or by WebID is one object and its Id is an integer",
    ),
    11: (
        "test_trap_11_a_long_url_is_414_with_a_body_that_is_no_json",
        "test_trap_11_a_channel_url_of_five_hundred_full_web_ids_is_refused_in_html",
        "test_trap_11_the_full_web_id_of_a_deep_attribute_is_too_long_for_a_path",
        "trap 11: A request line beyond 16 KiB is refused in HTML",
        "trap 11: A path segment beyond 260 characters is refused in HTML",
    ),
    12: ("trap 12: A system state stands in place of the number of a Float32 point",),
    13: (
        "test_trap_13_state_248_of_the_system_set_is_no_data",
        "test_trap_13_selected_fields_reach_into_values",
        "trap 13: A digital state is an object, and state 0 of a user's set is good",
    ),
    15: ("trap 15: A value may be good and questionable, an edited one is substituted",),
    16: (
        "test_trap_16_trailing_zeros_are_trimmed_and_seven_digits_kept",
        "trap 16: Timestamps have no, few or seven digits, and two ticks apart are two times",
    ),
    17: (
        "test_trap_17_an_open_event_frame_ends_in_the_year_9999",
        "trap 17: An open event frame ends in the year 9999 and has exactly these properties",
    ),
    18: ("test_trap_18_not_a_number_is_a_string", "trap 18: What is no number in JSON is one of three strings"),
    19: ("trap 19: The unit of a point stands on the point and never on its values",),
    20: (
        "test_trap_20_events_of_one_instant_stand_together_in_the_order_of_their_insertion",
        "test_trap_20_two_events_at_one_instant_are_both_kept_in_order",
    ),
    21: ("test_trap_21_web_id_type_picks_the_form_of_the_answer", "trap 21: Each of the five forms of a WebID leads to the same point"),
    22: ("test_trap_22_full_page_is_cut_silently", "trap 22: maxCount cuts without an error, a flag or a link"),
    23: ("test_trap_23_a_page_walk_from_the_last_time_inclusive_finds_every_event",),
    24: (
        "test_trap_24_a_reversed_range_is_answered_newest_first",
        "trap 24: An end before the start is legal and is answered newest first",
    ),
    26: (
        "test_trap_26_the_snapshot_ends_a_range_and_compression_may_remove_it_later",
        "trap 26: A range that covers the snapshot includes it, and compression may remove it from a later answer",
    ),
    27: (
        "test_trap_27_more_than_the_limit_is_400_not_a_short_page",
        "trap 27: More than 150,000 values in one call are 400 and not a short page",
    ),
    28: (
        "test_trap_28_a_plus_sent_raw_is_a_space_and_no_time",
        "test_trap_28_a_time_without_zone_is_read_in_the_servers_zone",
        "test_trap_28_what_is_no_time_is_refused",
        "trap 28: A plus must be sent as %2B, raw it is a space and no time",
        "trap 28: A time without a zone is read in the zone of the server unless timeZone says another",
    ),
    29: ("test_trap_29_no_data_in_range_is_200_with_no_items", "trap 29: No data in the range is 200 with no items"),
    30: ("trap 30, trap 31: A channel replays nothing that was written before it opened or while it was closed",),
    31: ("trap 30, trap 31: A channel replays nothing that was written before it opened or while it was closed",),
    32: ("test_trap_32_initial_values_are_an_ordinary_message", "trap 32: Initial values are an ordinary message with the snapshots"),
    33: (
        "test_trap_33_a_heartbeat_is_an_empty_message_after_so_many_silent_ticks",
        "test_trap_33_a_half_open_channel_is_silent_even_to_pings_and_never_comes_back",
        "trap 33: A heartbeat is a message without items after so many silent polls",
    ),
    34: (
        "test_trap_34_one_message_carries_several_values_per_stream_in_no_order_of_streams",
        "trap 34: A message has only the streams that changed, each with all its values since the last one",
    ),
    35: ("test_trap_35_one_bad_web_id_refuses_the_whole_handshake", "trap 35: One bad WebID refuses the handshake of the whole channel"),
    36: (
        "test_trap_36_a_client_which_never_reads_is_dropped_before_it_takes_the_memory",
        "test_trap_36_an_oversize_frame_is_right_behind_its_blanks",
    ),
    38: (
        "test_trap_38_an_edit_changes_value_and_substituted_and_is_on_the_channel",
        "test_trap_38_a_late_value_is_archived_and_on_the_channel",
        "trap 38: An edit and a late value look like news but for the time and Substituted",
    ),
    39: (
        "test_trap_39_a_marker_expires_after_fifteen_idle_minutes_or_is_lost",
        "trap 39: A marker of a cache that is gone is 404, and one that was passed is 409",
    ),
    40: (
        "test_trap_40_twice_registered_is_already_registered_with_the_latest_marker",
        "trap 40: A stream registered twice is AlreadyRegistered and goes on",
    ),
    41: (
        "test_trap_41_without_search_full_hierarchy_only_direct_children_are_found",
        "test_trap_41_child_attributes_are_below_their_parent",
        "test_trap_41_child_event_frames_are_found_only_with_search_full_hierarchy",
        "trap 41: Elements are the direct children unless the full hierarchy is asked for",
        "trap 41: Child frames are found only with the full hierarchy or below their parent",
    ),
    42: (
        "test_trap_42_the_default_window_is_eight_hours_and_not_a_day",
        "test_trap_42_end_and_order_are_refused_with_backward_and_forward",
        "trap 42: A search looks back eight hours unless it says more, and a forward one takes no end",
    ),
    43: (
        "test_trap_43_a_frame_is_closed_acknowledged_and_judged_anew_long_after_it_was_first_seen",
        "trap 43: An event frame changes after it was read: severity, end and acknowledgement",
    ),
    44: (
        "test_trap_44_an_element_under_two_parents_has_one_id_and_two_paths",
        "test_trap_44_a_weak_reference_leads_round_in_a_circle",
        "trap 44: An element under two parents is one Id with several paths",
    ),
    45: (
        "test_trap_45_a_static_attribute_has_a_value_and_no_history",
        "trap 45: A static attribute has a value, and its history and updates are refused with 409",
    ),
    46: (
        "test_trap_46_a_created_element_is_not_found_until_the_cache_is_refreshed",
        "test_trap_46_a_request_with_no_cache_refreshes_it_for_everybody",
        "trap 46: A new element is invisible while the cache is old, and no-cache refreshes it",
    ),
    47: ("test_trap_47_a_token_expires_and_an_open_channel_outlives_it",),
    48: (
        "test_trap_48_a_future_point_takes_values_days_ahead_and_value_is_not_end",
        "trap 48: The end of a future point lies ahead of its value",
    ),
}
"""The tests of each trap, by the name of their function or of their parameter. A test for a trap says its number."""

CLIENT_ONLY: dict[int, str] = {
    14: "A server sends number and text of a state side by side; which of them is matched is the client's choice.",
    25: "No server sees a checkpoint. That late values appear behind what was read is tested as section 8.2.",
    37: "When to open channels again after a restart is decided by clients alone.",
}
"""Why a trap has no test here: nothing that a server answers makes it appear or disappear."""


def traps_in(name: str) -> set[int]:
    """The numbers of the traps that a test is named after, in its own name or in that of its parameter."""
    return {int(number) for number in _NAME.findall(name)}
