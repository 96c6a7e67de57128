"""Trap 27: what PI will not give in one answer is asked for in smaller parts, and never given up for that."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bridge import batch
from bridge.errors import BridgeError, PIRefused, PITooLarge, PIUnavailable
from bridge.incarnation import Incarnation
from bridge.reads import Batch
from tests.unit.bridge.test_reads import NOW, answer, ask, ready, statements
from tests.unit.bridge.world import at, incarnation, item, moment

LIMIT = PIRefused("request 0: status 400, ['Parameter (maxCount) is greater than the maximum allowed (150000).']", 400)
ITEMS = [item(at("07:00", n * 600_000_000), float(n)) for n in range(50)]


def asked_values(asked: Batch) -> list[int]:
    """`maxCount` of each request for a range."""
    queries = [parse_qs(urlsplit(address).query) for address in asked.addresses.values() if "/recorded?" in address]
    return [int(query["maxCount"][0]) for query in queries]


def pi_with_a_limit(owner: Incarnation, limit: int, requests: int = 200) -> list[int]:
    """Answers all that is asked as a PI that refuses more than `limit` values a call; the sizes of the pages asked for."""
    sizes: list[int] = []
    for _ in range(requests):
        asked = owner.reads.next(NOW)
        if asked is None:
            return sizes
        sizes += asked_values(asked)
        answer(owner, asked, *[_limited(address, limit) for address in asked.addresses.values()])
    raise AssertionError("the reads do not come to an end")


def _limited(address: str, limit: int) -> Any:
    query = parse_qs(urlsplit(address).query)
    if int(query["maxCount"][0]) > limit:
        return LIMIT
    first, last = query["startTime"][0], query["endTime"][0]
    return {"Items": [one for one in ITEMS if first <= one["Timestamp"] <= last][: int(query["maxCount"][0])]}


def counted(owner: Incarnation) -> int:
    return sum(statement["count"] for statement in statements(owner))


def notes(owner: Incarnation) -> list[str]:
    return [note.event for note in owner.take_notes()]


def test_trap_27_a_page_that_pi_refuses_is_halved_until_pi_gives_it_and_the_range_is_stated_whole() -> None:
    owner = ready(1, page_values=100)
    assert pi_with_a_limit(owner, 20)[:4] == [100, 50, 25, 12]
    stated = statements(owner)
    assert sum(statement["count"] for statement in stated) == len(ITEMS)
    assert (min(s["from_time"] for s in stated) * 10, max(s["to_time"] for s in stated) * 10) == (at("07:00"), at("08:00"))
    assert not owner.coverage["main:1"].dirty
    assert notes(owner) == []


@pytest.mark.parametrize("limit", [2, 3, 7, 49, 50, 51, 99, 100])
def test_trap_27_whatever_the_limit_every_value_is_stated_once(limit: int) -> None:
    owner = ready(1, page_values=100)
    pi_with_a_limit(owner, limit)
    assert counted(owner) == len(ITEMS)


def test_trap_27_the_next_read_of_the_point_begins_with_what_pi_gave_before() -> None:
    owner = ready(1, page_values=100)
    pi_with_a_limit(owner, 20)
    owner.coverage["main:1"].as_of = 0  # a forward read is due
    owner.changed("main:1")
    assert asked_values(ask(owner)) == [12]


def test_trap_27_a_400_for_another_reason_ends_as_a_failed_read_that_is_shown_and_is_retried_later() -> None:
    owner = ready(1, 2, page_values=100)
    owner.coverage["main:2"].dirty.clear()
    sizes = pi_with_a_limit(owner, 1)
    assert sizes == [100, 50, 25, 12, 6, 3, 2]
    assert notes(owner) == ["read failed"]
    assert counted(owner) == 0
    assert owner.coverage["main:1"].dirty
    assert owner.coverage["main:1"].in_flight is None
    assert owner.reads.next(NOW) is None
    assert asked_values(ask(owner, moment("10:31"))) == [100], "the size was not the reason, so it is not remembered"


def test_trap_27_an_instant_with_more_values_than_pi_gives_is_a_failed_read_and_not_an_endless_one() -> None:
    owner = ready(1, page_values=8)
    for _ in range(20):
        asked = owner.reads.next(NOW)
        if asked is None:
            break
        (size,) = asked_values(asked)
        answer(owner, asked, LIMIT if size > 4 else {"Items": [item(at("07:00"), n) for n in range(size)]})
    else:
        raise AssertionError("the read does not come to an end")
    assert notes(owner) == ["read failed"]
    assert counted(owner) == 0
    assert owner.coverage["main:1"].dirty


@pytest.mark.parametrize("status", [401, 403, 404, 409])
def test_trap_27_a_refusal_that_has_nothing_to_do_with_size_is_not_halved(status: int) -> None:
    owner = ready(1, page_values=100)
    answer(owner, ask(owner), PIRefused("no", status))
    assert notes(owner) == ["read failed"]
    assert owner.reads.next(NOW) is None


def test_trap_27_a_refusal_of_the_event_that_only_vouches_for_emptiness_halves_nothing() -> None:
    owner = ready(1, page_values=100)
    answer(owner, ask(owner), {"Items": []})
    answer(owner, ask(owner), {"Items": []}, LIMIT)
    assert notes(owner) == ["read failed"]
    assert owner.reads.next(NOW) is None


def test_trap_27_a_refused_first_look_is_a_failed_read() -> None:
    owner = incarnation(1)
    answer(owner, ask(owner), LIMIT, LIMIT, LIMIT)
    assert notes(owner) == ["read failed"]
    assert owner.reads.next(moment("10:00")) is None


# -- answers larger than the bridge takes


def taken(owner: Incarnation, most_values: int) -> list[list[int]]:
    """Answers all that is asked; an answer that would hold more than so many values is too large. The batches that were asked for."""
    batches: list[list[int]] = []
    for _ in range(200):
        asked = owner.reads.next(NOW)
        if asked is None:
            return batches
        batches.append(asked_values(asked))
        contents = [_limited(address, 1_000_000) for address in asked.addresses.values()]
        if sum(len(content["Items"]) for content in contents) > most_values:
            owner.reads.too_large(asked, "an answer of more than 1000 bytes", NOW)
        else:
            answer(owner, asked, *contents)
    raise AssertionError("the reads do not come to an end")


def test_trap_27_a_batch_whose_answer_is_too_large_is_split_and_every_point_is_read() -> None:
    owner = ready(*range(8), page_values=100)
    batches = taken(owner, 120)
    assert [len(batch) for batch in batches[:3]] == [8, 4, 2]
    assert counted(owner) == 8 * len(ITEMS)
    assert notes(owner) == []


def test_trap_27_batches_grow_again_after_those_that_were_taken() -> None:
    owner = ready(*range(20), page_values=100)
    sizes = [len(batch) for batch in taken(owner, 220)]
    assert sizes[:3] == [10, 5, 2]
    assert 4 in sizes[3:]


def test_trap_27_a_single_read_whose_answer_is_too_large_asks_for_smaller_pages() -> None:
    owner = ready(1, page_values=100)
    assert taken(owner, 30)[:3] == [[100], [50], [25]]
    assert counted(owner) == len(ITEMS)


def test_trap_27_a_read_that_is_too_large_in_the_smallest_page_is_shown_and_retried_later() -> None:
    owner = ready(1, page_values=100)
    assert taken(owner, 1)[-1] == [2]
    assert notes(owner) == ["batch failed"]
    assert owner.coverage["main:1"].dirty
    assert owner.reads.next(NOW) is None
    assert owner.reads.next(moment("10:31")) is not None


def test_trap_27_a_first_look_that_is_too_large_alone_is_shown() -> None:
    owner = incarnation(1)
    owner.reads.too_large(ask(owner), "too large", moment("10:00"))
    assert notes(owner) == ["batch failed"]
    assert owner.coverage["main:1"].in_flight is None


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (batch.failure_of(400, {"Errors": ["Die Grenze ist erreicht."]}, "request 1"), True),
        (batch.failure_of(200, {"WebException": {"StatusCode": 400}}, "request 1"), True),
        (batch.failure_of(413, "<html>", "POST /batch"), True),
        (PITooLarge("too large"), True),
        (batch.failure_of(404, {}, "request 1"), False),
        (batch.failure_of(500, {}, "request 1"), False),
        (PIUnavailable("cut"), False),
    ],
)
def test_trap_27_the_status_tells_what_may_be_a_matter_of_size_and_never_the_text(failure: BridgeError, expected: bool) -> None:
    assert batch.may_be_too_many(failure) is expected
