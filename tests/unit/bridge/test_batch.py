"""Requests of the batch controller, and what their answers say."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import batch, pitime
from bridge.errors import BridgeError, PIRefused, PIUnavailable, PIUnreadable
from bridge.ranges import Page, ticks_of
from tests.unit.bridge.world import MINUTE, SECOND, at, item

BASE = "https://pi.example/piwebapi"
NO_DATA = {"Name": "Keine Daten", "Value": 248, "IsSystem": True}


def answer(*items: object) -> dict[str, Any]:
    return {"Links": {}, "Items": list(items), "UnitsAbbreviation": ""}


def ok(content: object) -> dict[str, Any]:
    return {"Status": 200, "Headers": {}, "Content": content}


def asked(*keys: str) -> dict[str, str]:
    """A request for recorded values under each key."""
    return {key: batch.recorded(BASE, "F1DP" + key, at("09:00"), at("10:00"), 1000) for key in keys}


ASKED_TO = at("12:00")
"""Where a forward read's request ends in these tests."""


def page(content: object, begin: int, end: int | None, max_count: int = 100) -> Page:
    return batch.page_of(content, begin, end, ASKED_TO if end is None else end, max_count, "Float32")[0]


def query(address: str) -> dict[str, list[str]]:
    assert address.startswith(BASE + "/streams/")
    return parse_qs(urlsplit(address).query, strict_parsing=True)


# -- requests


def test_trap_28_times_go_out_as_utc_in_whole_seconds_around_the_range() -> None:
    asked = query(batch.recorded(BASE, "F1DP1", at("09:00:00.5", 1), at("10:00", 1), 1000))
    assert asked["startTime"] == ["2024-01-01T09:00:00.0000000Z"]
    assert asked["endTime"] == ["2024-01-01T10:00:01.0000000Z"]
    assert asked["maxCount"] == ["1000"]
    assert asked["boundaryType"] == ["Inside"]
    assert "Items.Timestamp" in asked["selectedFields"][0].split(";")
    assert "WebException" in asked["selectedFields"][0].split(";")


def test_trap_19_units_are_not_even_asked_for() -> None:
    for address in (batch.recorded(BASE, "F1DP1", 0, SECOND, 10), batch.snapshot(BASE, "F1DP1"), batch.at_or_before(BASE, "F1DP1", 0)):
        assert "Units" not in address


def test_the_value_before_the_start_is_asked_for_at_or_before_it() -> None:
    asked = query(batch.at_or_before(BASE, "F1DP1", at("09:00:00.5")))
    assert (asked["time"], asked["retrievalMode"]) == (["2024-01-01T09:00:00.0000000Z"], ["AtOrBefore"])


def test_trap_1_trap_2_trap_3_the_request_is_one_object_by_key_with_queries_in_the_address() -> None:
    address = batch.recorded(BASE, "F1DP1", at("09:00"), at("10:00"), 1000)
    assert json.loads(batch.body({"a": address, "b": BASE + "/x"})) == {
        "a": {"Method": "GET", "Resource": address},
        "b": {"Method": "GET", "Resource": BASE + "/x"},
    }


@given(st.integers(at("00:00"), at("23:00")), st.integers(1, 10**12))
def test_trap_24_no_range_is_asked_for_backwards(begin: int, length: int) -> None:
    asked = query(batch.recorded(BASE, "F1DP1", begin, begin + length, 1000))
    assert pitime.parse(asked["startTime"][0]) <= begin < begin + length <= pitime.parse(asked["endTime"][0])


# -- answers by key


@given(st.permutations(["0", "1", "2", "10"]))
def test_trap_1_answers_are_found_by_key_whatever_their_order(order: list[str]) -> None:
    document = {key: ok({"Items": [], "of": key}) for key in order}
    contents: dict[str, Any] = batch.contents(document, asked("0", "1", "2", "10"))
    assert {key: content["of"] for key, content in contents.items()} == {key: key for key in order}


def test_trap_4_a_failed_sub_request_is_a_value_and_does_not_touch_the_others() -> None:
    document = {
        "good": ok(answer()),
        "gone": {"Status": 404, "Headers": {}, "Content": {"Errors": ["not found"]}},
        "text": {"Status": 500, "Headers": {}, "Content": "a bare string"},
        "message": {"Status": 401, "Headers": {}, "Content": {"Message": "Authorization has been denied for this request."}},
        "shape": {"Headers": {}, "Content": {}},
    }
    contents = batch.contents(document, asked("good", "gone", "text", "message", "shape", "absent"))
    assert contents["good"] == answer()
    assert isinstance(contents["gone"], PIRefused)
    assert contents["gone"].status == 404
    assert isinstance(contents["text"], PIUnavailable)
    assert isinstance(contents["message"], PIRefused)
    assert isinstance(contents["shape"], PIUnavailable)
    assert isinstance(contents["absent"], PIUnavailable)
    assert "a bare string" in str(contents["text"])


@pytest.mark.parametrize("document", [None, [], [ok(answer())], "text", 5])
def test_trap_1_an_answer_that_is_no_object_is_no_answer(document: object) -> None:
    with pytest.raises(PIUnavailable):
        batch.contents(document, asked("0"))


@pytest.mark.parametrize("name", ["WebException", "Errors"])
@pytest.mark.parametrize("value", [{"Status": 200, "Content": {}}, ["no"], {"StatusCode": 503}])
def test_trap_6_a_batch_answer_that_is_an_error_itself_is_a_failure_whatever_shape_it_has(name: str, value: object) -> None:
    document = batch.parse(json.dumps({"0": ok(answer()), name: value}).encode())
    assert type(batch.failure_of(200, document, "batch")) is PIUnavailable


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (200, {"WebException": {"Errors": ["Error occurred during writing of the output stream."], "StatusCode": 500}}, PIUnavailable),
        (200, {"WebException": {"Errors": ["no"], "StatusCode": 403}}, PIRefused),
        (200, {"WebException": {"StatusCode": 200}, "Items": []}, PIUnavailable),
        (200, {"WebException": {}, "Items": []}, PIUnavailable),
        (200, {"Errors": ["no"], "Items": []}, PIUnavailable),
        (200, "<html>", PIUnavailable),
        (200, None, PIUnavailable),
        (200, [], PIUnavailable),
        (304, {}, PIUnavailable),
        (400, {"Errors": ["too many"]}, PIRefused),
        (401, None, PIRefused),
        (403, {}, PIRefused),
        (404, {}, PIRefused),
        (409, {}, PIRefused),
        (408, {}, PIUnavailable),
        (429, {}, PIUnavailable),
        (500, {}, PIUnavailable),
        (502, "<html>", PIUnavailable),
        (503, None, PIUnavailable),
    ],
)
def test_trap_6_trap_8_each_failure_says_whether_asking_again_helps(status: int, content: object, kind: type[BridgeError]) -> None:
    failure = batch.failure_of(status, content, "request 1")
    assert type(failure) is kind
    assert "request 1" in str(failure)


@pytest.mark.parametrize("content", [{"Items": []}, {"Items": [], "WebException": None}, {"Items": [], "Errors": None}, {}])
def test_a_body_without_an_error_in_it_is_a_success(content: object) -> None:
    assert batch.failure_of(200, content, "request 1") is None


def test_pis_own_wish_when_to_come_again_is_passed_on() -> None:
    failure = batch.failure_of(429, {}, "request 1", 7.0)
    assert isinstance(failure, PIUnavailable)
    assert failure.retry_after_seconds == 7.0


def test_a_long_answer_does_not_make_a_long_message() -> None:
    assert len(str(batch.failure_of(500, "x" * 10**6, "request 1"))) < 1000


# -- pages


def test_an_answer_is_cut_to_the_range_that_was_meant() -> None:
    times = [at("09:00", -1), at("09:00"), at("09:59:59"), at("10:00", -1), at("10:00")]
    found = page(answer(*map(item, times)), at("09:00"), at("10:00"))
    assert [ticks_of(s) for s in found.samples] == times[1:4]
    assert not found.cut


def test_trap_24_values_that_come_newest_first_are_put_in_order() -> None:
    times = [at("09:03"), at("09:02"), at("09:01")]
    assert [ticks_of(s) for s in page(answer(*map(item, times)), at("09:00"), at("10:00")).samples] == times[::-1]


def test_trap_29_no_items_are_an_empty_page() -> None:
    assert page(answer(), at("09:00"), at("10:00")) == ([], [], False)


@pytest.mark.parametrize("content", [{}, {"Items": None}, {"Items": {}}, {"Value": 1}])
def test_an_answer_without_a_list_is_no_answer(content: object) -> None:
    with pytest.raises(PIUnavailable, match="without a list"):
        page(content, at("09:00"), None)


def test_trap_22_a_full_page_may_be_cut() -> None:
    items = [item(at("09:00", n * SECOND)) for n in range(5)]
    assert page(answer(*items), at("09:00"), at("10:00"), max_count=6).cut is False
    assert page(answer(*items), at("09:00"), at("10:00"), max_count=5).cut is True
    assert page(answer(*items), at("09:00"), None, max_count=5).cut is True


def test_a_full_page_that_reaches_the_end_of_the_range_is_whole() -> None:
    items = [item(at("09:59:58")), item(at("09:59:59")), item(at("10:00"))]
    found = page(answer(*items), at("09:00"), at("10:00"), max_count=3)
    assert (found.cut, len(found.samples)) == (False, 2)


def test_a_full_page_that_ends_below_the_end_of_the_range_is_cut() -> None:
    items = [item(at("09:59:58")), item(at("09:59:59")), item(at("10:00", -1))]
    assert page(answer(*items), at("09:00"), at("10:00"), max_count=3).cut is True


def test_trap_23_a_page_filled_by_one_instant_is_cut_and_ends_where_it_began() -> None:
    found = page(answer(*[item(at("09:00"), n) for n in range(4)]), at("09:00"), at("10:00"), max_count=4)
    assert found.cut
    assert {ticks_of(s) for s in found.samples} == {at("09:00")}
    assert [s.ordinal for s in found.samples] == [0, 1, 2, 3]


def test_a_page_filled_by_values_before_the_range_in_the_same_second_is_cut() -> None:
    """Requests are in whole seconds: what lies before the range fills the page too."""
    found = page(answer(*[item(at("09:00:00.1"), n) for n in range(4)]), at("09:00:00.5"), at("10:00"), max_count=4)
    assert found == ([], [], True)


def test_an_unreadable_item_is_a_hole_at_its_instant_and_a_dead_letter() -> None:
    found, letters = batch.page_of(
        answer(item(at("09:01")), item(at("09:02"), True), item(at("09:03"))), at("09:00"), None, ASKED_TO, 100, "Float32"
    )
    assert (found.unreadable, [ticks_of(s) for s in found.samples]) == ([at("09:02")], [at("09:01"), at("09:03")])
    assert [letter.ticks for letter in letters] == [at("09:02")]


def test_an_unreadable_item_outside_the_range_is_no_hole() -> None:
    found, letters = batch.page_of(answer(item(at("09:00", -1), True)), at("09:00"), at("10:00"), at("10:00"), 100, "Float32")
    assert found.unreadable == []
    assert len(letters) == 1


def test_an_unreadable_item_counts_when_the_page_is_full() -> None:
    assert page(answer(item(at("09:01")), item(at("09:02"), True)), at("09:00"), at("10:00"), max_count=2).cut


def test_an_item_without_a_readable_time_makes_the_answer_unusable() -> None:
    with pytest.raises(PIUnreadable):
        page(answer(item(at("09:01")), item("yesterday")), at("09:00"), None)


@pytest.mark.parametrize(("where", "ticks"), [(0, at("09:00")), (2, at("10:00"))])
def test_no_data_just_where_the_request_began_or_ended_is_no_answer(where: int, ticks: int) -> None:
    items = [item(at("09:01")), item(at("09:02")), item(at("09:03"))]
    items[where] = item(ticks, NO_DATA, Good=False)
    with pytest.raises(PIUnavailable, match="No Data"):
        page(answer(*items), at("09:00", 5), at("10:00"))


def test_a_snapshot_that_is_no_data_is_an_event() -> None:
    found = page(answer(item(at("09:01")), item(at("09:03"), NO_DATA, Good=False)), at("09:00"), None)
    assert [s.shape.system_state for s in found.samples] == [None, 248]


def test_no_data_in_the_middle_is_an_event_and_so_is_a_digital_state_of_that_number() -> None:
    items = [item(at("09:01")), item(at("09:02"), NO_DATA), item(at("09:03"))]
    assert [s.shape.system_state for s in page(answer(*items), at("09:00"), None).samples] == [None, 248, None]
    assert len(page(answer(item(at("09:01"), NO_DATA | {"IsSystem": False})), at("09:00"), None).samples) == 1


# -- single values


def test_a_single_value_tells_its_instant() -> None:
    assert batch.single_time(item(at("09:00", 7)), "Float32") == at("09:00", 7)


def test_no_data_is_no_event() -> None:
    assert batch.single_time(item(at("09:00"), NO_DATA, Good=False), "Float32") is None


def test_a_value_that_cannot_be_read_still_tells_its_instant() -> None:
    assert batch.single_time(item(at("09:00"), True), "Float32") == at("09:00")


def test_a_value_without_a_readable_time_is_unreadable() -> None:
    with pytest.raises(PIUnreadable):
        batch.single_time(item("*"), "Float32")


def test_forward_reads_reach_beyond_pis_now() -> None:
    assert batch.AHEAD == 10 * MINUTE


def test_values_that_failed_in_place_of_a_streams_values_are_no_answer_wherever_they_are_stamped() -> None:
    failed = item("2024-01-01T12:00:00Z", None, Errors=[{"FieldName": "Value", "Message": ["The archive cannot be read."]}])
    with pytest.raises(PIUnavailable, match="in place of values"):
        batch.page_of({"Items": [failed]}, at("09:00"), at("10:00"), at("10:00"), 1000, "Float64")


def test_a_value_that_failed_among_others_is_set_aside_alone() -> None:
    failed = item(at("09:20"), None, Errors=[{"FieldName": "Value", "Message": ["?"]}])
    page, unreadable = batch.page_of({"Items": [item(at("09:10")), failed]}, at("09:00"), at("10:00"), at("10:00"), 1000, "Float64")
    assert (len(page.samples), page.unreadable, len(unreadable)) == (1, [at("09:20")], 1)


def test_only_an_answer_without_any_item_is_empty() -> None:
    assert batch.empty({"Items": []})
    assert not batch.empty({"Items": [item(at("09:10"))]})
    assert not batch.empty({"Message": "?"})


@pytest.mark.parametrize(
    ("items", "shown"),
    [
        ([item(at("09:10"))], True),
        ([item(at("09:10"), None, Errors=["?"]), item(at("09:10"))], True),
        ([item(at("09:10"), {"Name": "I/O Timeout", "Value": 246, "IsSystem": True})], True),
        ([item(at("09:10"), {"Name": "open", "Value": 248, "IsSystem": False})], True),
        ([], False),
        ([item(at("09:10"), None, Errors=["?"])], False),
        ([item(at("09:10"), {"Name": "No Data", "Value": 248, "IsSystem": True})], False),
        (None, False),
    ],
)
def test_an_answer_shows_a_value_unless_all_it_has_failed_or_says_no_data(items: Any, shown: bool) -> None:
    assert batch.shows_a_value({"Items": items}) is shown
