"""The simulator answers recorded exchanges as they stand in pi-web-api.md: `transcripts/`. The comparison itself is tested here too."""

from typing import Any

import pytest

from tests.simulator.transcripts.matching import Kept, differences
from tests.simulator.transcripts.playing import Exchange, Replay, decoded, load
from tests.simulator.world import StartSimulator

EXCHANGES = load()
# No load, no event frames and no history but one value, thirty days old, of each point: what an exchange reads is what it has written.
PLANT: dict[str, Any] = {"points": 100, "special_points": 5, "rate_per_second": 0.0, "compression": False, "event_frames_per_minute": 0.0}


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange.name)
async def test_an_exchange_is_answered_as_recorded(start_simulator: StartSimulator, exchange: Exchange) -> None:
    sim = await start_simulator(**(PLANT | exchange.settings))
    await Replay(sim).run(exchange)


def test_there_are_at_least_forty_exchanges_and_each_has_a_name_of_its_own() -> None:
    assert len(EXCHANGES) >= 40
    assert len({exchange.name for exchange in EXCHANGES}) == len(EXCHANGES)


@pytest.mark.parametrize(
    ("response", "message"),
    [
        ({"status": 201}, "status: 201 was recorded, and it is 200"),
        ({"status": 200, "headers": {"Content-Type": "text/html"}}, "header Content-Type"),
        ({"status": 200, "headers": {"Location": "<url>"}}, "header Location"),
        ({"status": 200, "body": {"Links": {"Self": "<url>"}}}, "body.Links.System was not recorded"),
    ],
)
async def test_an_answer_other_than_the_recorded_one_fails_with_section_and_step(
    start_simulator: StartSimulator, response: dict[str, Any], message: str
) -> None:
    wrong = Exchange("A wrong recording", "1.1", [{"request": "GET /", "response": response}])
    with pytest.raises(AssertionError, match=r'"A wrong recording" \(pi-web-api.md 1.1\), step 1') as failure:
        await Replay(await start_simulator(**PLANT)).run(wrong)
    assert message in str(failure.value)


def test_a_key_that_stands_twice_in_an_answer_is_noticed() -> None:
    assert decoded('{"a": 1, "b": {"a": 1}}') == {"a": 1, "b": {"a": 1}}
    with pytest.raises(ValueError, match="twice"):
        decoded('[{"a": 1, "a": 1}]')


def test_a_step_that_says_nothing_and_a_section_that_is_none_are_refused() -> None:
    with pytest.raises(ValueError, match="exactly one of"):
        Exchange("x", "1.1", [{"response": {"status": 200}}])
    with pytest.raises(ValueError, match="section"):
        Exchange("x", "chapter one", [])


RECORDED = {"Id": "<guid>", "Value": 3.0, "Good": True, "Items": [{"Name": "a"}, {"Name": "b"}], "Links": {}}
ANSWER = {"Id": "85bb49d6-f101-4807-baf9-57c2fbd33000", "Value": 3.0, "Good": True, "Items": [{"Name": "a"}, {"Name": "b"}], "Links": {}}


def test_an_answer_as_recorded_differs_nowhere() -> None:
    assert differences(RECORDED, ANSWER) == []


@pytest.mark.parametrize(
    ("change", "where"),
    [
        pytest.param({"Value": 4.0}, "body.Value: 3.0 was recorded, and it is 4.0", id="a changed value"),
        pytest.param({"Value": 3}, "body.Value: 3.0", id="an integer for a float"),
        pytest.param({"Value": "3.0"}, "body.Value: 3.0", id="a text for a number"),
        pytest.param({"Good": 1}, "body.Good: True", id="a number for a boolean"),
        pytest.param({"Good": None}, "body.Good: True", id="null for a value"),
        pytest.param({"Id": 17}, "body.Id: '<guid>'", id="a number for a GUID"),
        pytest.param({"Id": "85BB49D6-F101-4807-BAF9-57C2FBD33000"}, "body.Id: '<guid>'", id="a GUID in capitals"),
        pytest.param({"Extra": None}, "body.Extra was not recorded", id="an additional key"),
        pytest.param({"Links": {"Next": "x"}}, "body.Links.Next was not recorded", id="an additional key further down"),
        pytest.param({"Links": []}, "body.Links: {}", id="a list for an object"),
        pytest.param({"Items": {"Name": "a"}}, "body.Items: [", id="an object for a list"),
        pytest.param({"Items": [{"Name": "b"}, {"Name": "a"}]}, "body.Items[0].Name: 'a' was recorded, and it is 'b'", id="a wrong order"),
        pytest.param({"Items": [{"Name": "a"}]}, "body.Items has 1 items where 2 were recorded", id="an item too few"),
        pytest.param({"Items": [{"Name": "a"}] * 3}, "body.Items has 3 items where 2 were recorded", id="an item too many"),
        pytest.param({"Items": [{}, {"Name": "b"}]}, "body.Items[0].Name is missing", id="a key missing further down"),
    ],
)
def test_a_difference_is_noticed_and_located(change: dict[str, Any], where: str) -> None:
    [found] = [text for text in differences(RECORDED, ANSWER | change) if text.startswith(where)]
    assert found


def test_a_missing_key_is_noticed() -> None:
    for key in RECORDED:
        assert differences(RECORDED, {name: value for name, value in ANSWER.items() if name != key}) == [f"body.{key} is missing"]


@pytest.mark.parametrize(
    ("placeholder", "fits", "others"),
    [
        ("<any>", [None, 1, "", {}, []], []),
        ("<boolean>", [True, False], [0, 1, "true", None]),
        ("<integer>", [0, -3, 2**60], [1.0, True, "1", None]),
        ("<float>", [1.0, -0.5], [1, True, "1.0"]),
        ("<number>", [1, 1.5], [True, "1", None, [1]]),
        ("<text>", ["", "x"], [None, 1, ["x"]]),
        ("<nonempty>", ["x"], ["", None, 1]),
        ("<guid>", ["ca2b6a12-db8f-4157-b38a-5c4b5c7df5a6"], ["ca2b6a12db8f4157b38a5c4b5c7df5a6", "", "g" * 36]),
        (
            "<timestamp>",
            ["2014-07-22T14:00:00Z", "2022-12-09T14:06:38.4350128Z", "9999-12-31T23:59:59.9999999Z", "2022-12-09T14:06:38.5Z"],
            [],
        ),
        (
            "<timestamp>",
            [],
            ["2014-07-22T14:00:00", "2022-12-09T14:06:38.50Z", "2022-12-09T14:06:38.43501281Z", "2022-12-09T14:06:38+00:00", 7],
        ),
        ("<webid>", ["I1DS1km7hQHxB0i6-VfC-9MwAA", "F1AbEabc"], ["E0abc", "I2DSabc", "I1DS+/=", ""]),
        ("<marker>", ["0cbbec466f3a42288c8c47112f54b852_0"], ["0cbbec466f3a42288c8c47112f54b852", "x_0"]),
        ("<version>", ["1.19.1.64", "3.4"], ["1", "v1.2", 1.2]),
        ("<url>", ["https://h/piwebapi/", "http://127.0.0.1:80/piwebapi/points/F1"], ["/points", "https://h/other", "ftp://h/piwebapi"]),
        ("<html>", ["<!DOCTYPE HTML><html>x", "<HTML></HTML>"], ["{}", "", {"Errors": []}]),
        ("<begins Basic>", ['Basic realm="x"', "Basic"], ["basic", "", None]),
    ],
)
def test_a_placeholder_takes_its_kind_and_nothing_else(placeholder: str, fits: list[Any], others: list[Any]) -> None:
    assert [differences(placeholder, item) for item in fits] == [[]] * len(fits)
    assert [item for item in others if not differences(placeholder, item)] == []


def test_other_keys_are_allowed_where_more_says_what_they_hold() -> None:
    recorded = {"Self": "<url>", "<more>": "<url>"}
    link = "https://h/piwebapi/points"
    assert differences(recorded, {"Self": link}) == []
    assert differences(recorded, {"Self": link, "Parent": link}) == []
    assert differences(recorded, {"Self": link, "Parent": 7}) == ["body.Parent: '<url>' was recorded, and it is 7"]
    assert differences(recorded, {"Parent": link}) == ["body.Self is missing"]


def test_what_a_placeholder_keeps_must_be_met_again() -> None:
    kept: Kept = {}
    assert differences(["<marker as mine>", "<marker as mine>"], ["a" * 32 + "_1"] * 2, kept) == []
    assert kept == {"mine": "a" * 32 + "_1"}
    assert differences("<marker as mine>", "a" * 32 + "_2", kept) == [f"body: mine was '{'a' * 32}_1' before, and is '{'a' * 32}_2'"]


@pytest.mark.parametrize(
    ("recorded", "actual", "agree"),
    [
        ({"<unordered>": [1, "<integer>", "x"]}, ["x", 7, 1], True),
        ({"<unordered>": ["<integer>", 1]}, [1, 2], True),
        ({"<unordered>": [1, 2]}, [1, 2, 3], False),
        ({"<unordered>": [1, 2]}, [1, 1], False),
        ({"<unordered>": []}, [1], False),
        ({"<unordered>": ["<integer as n>", {"n": "<integer as n>"}]}, [{"n": 5}, 5], True),
        ({"<unordered>": ["<integer as n>", {"n": "<integer as n>"}]}, [{"n": 5}, 6], False),
        ({"<each>": {"Name": "<text>"}}, [{"Name": "a"}, {"Name": "b"}], True),
        ({"<each>": {"Name": "<text>"}}, [{"Name": "a"}, {"Name": 1}], False),
        ({"<each>": {"Name": "<text>"}}, [], False),
        ({"<contains>": [2, 3]}, [3, 1, 2], True),
        ({"<contains>": [2, 2]}, [3, 1, 2], False),
        ({"<each>": "<integer>", "<contains>": [9]}, [3, 1, 2], False),
        ({"<contains>": [2]}, {"2": 2}, False),
    ],
)
def test_the_words_of_lists_mean_what_they_say(recorded: Any, actual: Any, agree: bool) -> None:
    assert (differences(recorded, actual) == []) is agree


@pytest.mark.parametrize("recorded", ["<webld>", {"<each>": "<any>", "Name": "a"}])
def test_a_recording_that_means_nothing_is_refused(recorded: Any) -> None:
    with pytest.raises(ValueError, match=r"placeholder|beside"):
        differences(recorded, ["a"])
