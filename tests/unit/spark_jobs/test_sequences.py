from schemas.oddities import Oddity
from spark_jobs.sequences import Expected, as_json, follow, from_json

PLACE = ("pi.p.live", 3)
FIVE = Expected(5)


def odd(records: list[tuple[int, int | None]], expected: Expected | None = FIVE) -> tuple[list[tuple[int, int, int]], Expected | None]:
    """Oddities as (offset, expected, found), and what comes next."""
    followed = follow({} if expected is None else {PLACE: expected}, {PLACE: records})
    return [(one.offset, one.expected, one.found) for one in followed.oddities], followed.expected.get(PLACE)


def test_dense_sequences_are_followed_whatever_order_they_are_given_in() -> None:
    assert odd([(12, 6), (10, 5), (17, 7)]) == ([], Expected(8))


def test_a_hole_a_repeat_and_a_step_back_are_found_and_gone_on_from() -> None:
    assert odd([(10, 7), (11, 8)]) == ([(10, 5, 7)], Expected(9))
    assert odd([(10, 5), (11, 5), (12, 6)]) == ([(11, 6, 5)], Expected(7))
    assert odd([(10, 0), (11, 1)]) == ([(10, 5, 0)], Expected(2))


def test_two_defects_that_make_good_their_number_are_both_found() -> None:
    assert odd([(10, 5), (11, 5), (12, 7)])[0] == [(11, 6, 5), (12, 6, 7)]


def test_a_partition_that_nothing_is_known_of_begins_with_what_comes() -> None:
    assert odd([(100, 40), (101, 41)], None) == ([], Expected(42))
    assert odd([], None) == ([], None)
    assert odd([(100, None)], None) == ([], None)


def test_records_that_could_not_be_read_explain_as_many_missing_frames() -> None:
    assert odd([(10, None), (11, 6)]) == ([], Expected(7))
    assert odd([(10, None), (11, 7)]) == ([(11, 5, 7)], Expected(8))
    assert odd([(11, 6)], Expected(5, unreadable=1)) == ([], Expected(7))
    assert odd([(10, None)]) == ([], Expected(5, unreadable=1))
    assert odd([(10, None), (11, 5), (12, 7)])[0] == [(12, 6, 7)]
    assert odd([(10, None), (11, 4)])[0] == [(11, 5, 4)]
    (explained,) = follow({PLACE: Expected(5)}, {PLACE: [(10, None), (11, 6)]}).explained
    assert (explained.expected, explained.found) == (5, 6)


def test_an_oddity_has_one_name_and_a_sentence() -> None:
    hole = Oddity(*PLACE, 10, 5, 7)
    assert (hole.kind, hole.incident_id) == ("SEQUENCE_HOLE", "hole-pi.p.live-3-10-5-7")
    assert hole.text == "pi.p.live partition 3 lacks sequences 5 to 6 before offset 10"
    assert Oddity(*PLACE, 10, 5, 6).text == "pi.p.live partition 3 lacks sequence 5 before offset 10"
    repeated = Oddity(*PLACE, 10, 5, 4)
    assert (repeated.kind, repeated.incident_id) == ("SEQUENCE_REPEATED", "repeated-pi.p.live-3-10-5-4")
    assert repeated.text == "pi.p.live partition 3 has sequence 4 at offset 10, where 5 was to come"


def test_what_is_expected_survives_as_text() -> None:
    known = {PLACE: Expected(5), ("pi.p.live", 10): Expected(1 << 40, 3)}
    assert from_json(as_json(known)) == known
