"""An incident is opened, repaired when its points are heard again, and closed when nothing is owed to it."""

from typing import Any, cast

from bridge.incidents import MAX_KEYS, Incidents
from schemas import wire
from schemas.records import Incident, OpenIncident


class Debts:
    """Which points still owe something to which incident."""

    def __init__(self, *owing: tuple[str, str]) -> None:
        self.owing = set(owing)

    def __call__(self, point: str, incident: str) -> bool:
        return (point, incident) in self.owing


def incidents(**inherited: OpenIncident) -> Incidents:
    return Incidents("plant1", 5, inherited)


BOTH = {"a", "b"}


def lost(of: Incidents, *points: str, incident_id: str = "lost") -> None:
    of.open("CHANNEL_LOST", incident_id, points, 100, 110, "a channel ended")


def versions(of: Incidents) -> list[tuple[str, str, int | None, int | None]]:
    """Id, state, end and closing time of the versions to publish."""
    return [(i["incident_id"], i["state"], i["to_time"], i["closed_time"]) for i in of.take_changed()]


def test_an_incident_goes_from_opened_over_repaired_to_closed() -> None:
    found, debts = incidents(), Debts(("a", "lost"), ("b", "lost"))
    lost(found, "b", "a")
    assert versions(found) == [("lost", "OPENED", None, None)]
    found.heard("lost", ["a"], 120)
    found.settle(BOTH, debts, 121)
    assert versions(found) == []
    found.heard("lost", ["b"], 130)
    assert versions(found) == [("lost", "REPAIRED", 130, None)]
    found.settle(BOTH, debts, 131)
    debts.owing.remove(("a", "lost"))
    found.settle(BOTH, debts, 132)
    assert versions(found) == []
    debts.owing.clear()
    found.settle(BOTH, debts, 140)
    assert versions(found) == [("lost", "CLOSED", 130, 140)]
    assert found.records == {}


def test_it_is_not_closed_while_a_point_was_not_heard_again_even_if_nothing_is_owed() -> None:
    found = incidents()
    lost(found, "a", "b")
    found.heard("lost", ["a"], 120)
    found.settle(BOTH, Debts(), 121)
    assert [state for _, state, _, _ in versions(found)] == ["OPENED"]
    assert list(found.records) == ["lost"]


def test_being_heard_twice_repairs_once() -> None:
    found = incidents()
    lost(found, "a")
    found.heard("lost", ["a"], 120)
    found.heard("lost", ["a"], 125)
    assert [state for _, state, _, _ in versions(found)] == ["OPENED", "REPAIRED"]


def test_being_heard_of_an_unknown_incident_is_nothing() -> None:
    found = incidents()
    found.heard("other", ["a"], 120)
    assert versions(found) == []


def test_an_incident_about_no_points_closes_at_once() -> None:
    found = incidents()
    lost(found)
    found.settle(BOTH, Debts(), 120)
    assert versions(found) == [("lost", "OPENED", None, None), ("lost", "CLOSED", 120, 120)]


def test_what_nothing_can_mend_is_opened_and_closed_in_one() -> None:
    found = incidents()
    found.event("VALUE_TOO_LARGE", "too-large", "a", 100, 110, "an instant of 2 MB")
    assert versions(found) == [("too-large", "OPENED", None, None), ("too-large", "CLOSED", 100, 110)]
    assert found.records == {}


def test_a_point_out_of_scope_is_waited_for_no_longer() -> None:
    found = incidents()
    lost(found, "a", "b")
    found.heard("lost", ["a"], 120)
    found.forget("b")
    found.settle(BOTH, Debts(("b", "lost")), 130)
    assert versions(found)[-1] == ("lost", "CLOSED", 130, 130)


def test_all_points_are_counted_and_the_first_hundred_are_named() -> None:
    found = incidents()
    lost(found, *(f"main:{n:03}" for n in range(250)))
    (opened,) = found.take_changed()
    assert (opened["points"], len(opened["point_keys"]), opened["point_keys"][0]) == (250, MAX_KEYS, "main:000")
    found.heard("lost", [f"main:{n:03}" for n in range(249)], 120)
    assert found.take_changed() == []
    found.heard("lost", ["main:249"], 121)
    assert [i["state"] for i in found.take_changed()] == ["REPAIRED"]


def test_an_inherited_incident_waits_for_what_the_hand_over_waits_for() -> None:
    before = incidents()
    lost(before, "a")
    after = incidents(**before.records)
    lost(after, "a", "b", incident_id="takeover")
    after.inherit("lost", ["a", "b"], "takeover")
    debts = Debts(("b", "lost"), ("a", "takeover"))
    after.heard("takeover", ["a", "b"], 150)
    after.settle(BOTH, debts, 151)
    assert set(after.records) == {"lost", "takeover"}
    debts.owing.clear()
    after.settle(BOTH, debts, 160)
    after.settle(set(), debts, 161)
    closed = [(i["incident_id"], i["from_time"], i["to_time"]) for i in after.take_changed() if i["state"] == "CLOSED"]
    assert closed == [("takeover", 100, 150), ("lost", 100, 161)]


def test_only_points_that_changed_are_asked_about_again() -> None:
    found, asked = incidents(), list[str]()

    def owes(point: str, _: str) -> bool:
        asked.append(point)
        return True

    lost(found, "a", "b", "c")
    found.heard("lost", ["a", "b", "c"], 120)
    found.settle({"a"}, owes, 130)
    assert sorted(asked) == ["a", "b", "c"], "the first time all are"
    asked.clear()
    found.settle({"b", "stranger"}, owes, 131)
    found.settle(set(), owes, 132)
    assert asked == ["b"]


def test_a_debt_that_was_paid_while_points_were_not_heard_is_seen_when_they_are() -> None:
    found, debts = incidents(), Debts(("a", "lost"))
    lost(found, "a", "b")
    found.heard("lost", ["a"], 120)
    found.settle(set(), debts, 121)
    debts.owing.clear()
    found.settle({"a"}, debts, 122)
    found.heard("lost", ["b"], 123)
    found.settle(set(), debts, 124)
    assert versions(found)[-1] == ("lost", "CLOSED", 123, 124)


def test_a_published_version_does_not_change_afterwards() -> None:
    found = incidents()
    lost(found, "a")
    (opened,) = found.take_changed()
    found.heard("lost", ["a"], 120)
    assert opened["to_time"] is None


def test_every_version_is_what_the_schema_takes() -> None:
    found = incidents()
    lost(found, "a")
    found.heard("lost", ["a"], 120)
    found.settle(BOTH, Debts(), 130)
    published: list[Incident] = found.take_changed()
    assert len(published) == 3
    for version in published:
        _, body = wire.split(wire.encode(1, wire.schema("incident"), cast(dict[str, Any], version)))
        assert wire.decode(body, wire.schema("incident")) == version


def test_an_incident_whose_debts_a_later_one_took_over_closes_after_it() -> None:
    found, debts = incidents(), Debts(("a", "second"))
    lost(found, "a", incident_id="first")
    lost(found, "a", incident_id="second")
    found.heard("first", ["a"], 120)
    found.heard("second", ["a"], 130)
    found.follow({"first"}, "second")
    versions(found)
    found.settle(BOTH, debts, 140)
    assert versions(found) == []
    debts.owing.clear()
    found.settle(BOTH, debts, 150)
    found.settle(BOTH, debts, 160)
    assert [(incident_id, state) for incident_id, state, _, _ in versions(found)] == [("second", "CLOSED"), ("first", "CLOSED")]
