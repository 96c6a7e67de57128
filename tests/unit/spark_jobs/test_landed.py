import random
from dataclasses import replace

import pytest

from spark_jobs.incidents import losses
from spark_jobs.landed import BatchRecord, CheckpointState, Found, Landed, Verdict, app_id, expected_at, judge, parsed, raised, reached
from spark_jobs.sequences import Expected

NAMES = ("dead", "samples", "ledger")


def record(batch_id: int, tables: tuple[str, ...] = NAMES, before: dict[str, int] | None = None) -> BatchRecord:
    known = dict.fromkeys(NAMES, batch_id - 1) if before is None else before
    offsets = {"t": {"0": batch_id}}
    return BatchRecord("q", batch_id, tables, known, offsets, {"t": {"0": batch_id + 1}}, {"t": "id"}, {("t", 0): Expected(batch_id)})


def table(name: str, of: BatchRecord | None, rows: bool = True) -> Found:
    return Found(name, f"/w/{name}", True, rows, None if of is None else name, of)


def whole(of: BatchRecord) -> dict[str, Found]:
    return {name: table(name, of) for name in NAMES}


def checkpoint(planned: int, committed: int, query_id: str = "q", damage: str | None = None) -> CheckpointState:
    return CheckpointState(True, query_id, planned, committed, damage)


def test_a_record_survives_as_the_text_of_a_commit_and_what_others_write_is_none_of_ours() -> None:
    assert parsed(record(7).text("ledger")) == ("ledger", record(7))
    assert [parsed(text) for text in (None, "", "x", "[]", "7", '{"pibridge": 2}', '{"a": 1}')] == [None] * 7


@pytest.mark.parametrize(("planned", "committed"), [(3, 3), (3, 2), (4, 3)])
def test_a_checkpoint_that_agrees_is_left_alone(planned: int, committed: int) -> None:
    assert judge(whole(record(3)), checkpoint(planned, committed)).rebuild is None


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (CheckpointState(False), "not there"),
        (checkpoint(3, 3, damage="offsets/3 is cut off"), "offsets/3 is cut off"),
        (checkpoint(3, 3, query_id="other"), "another query"),
        (checkpoint(2, 2), "ends at batch 2, and the tables have batch 3"),
        (checkpoint(4, 4), "says that batch 4 was landed"),
        (checkpoint(9, 8), "says that batch 8 was landed"),
    ],
)
def test_a_checkpoint_that_says_something_else_is_made_again(state: CheckpointState, told: str) -> None:
    verdict = judge(whole(record(3)), state)
    assert verdict.refused is None
    assert told in (verdict.rebuild or "")


def test_a_batch_that_some_tables_lack_is_repeated_whatever_the_checkpoint_says() -> None:
    found = whole(record(3)) | {"ledger": table("ledger", record(2))}
    assert judge(found, checkpoint(3, 2)).rebuild is None
    for state in (CheckpointState(False), checkpoint(3, 3), checkpoint(4, 3)):
        verdict = judge(found, state)
        assert verdict.landed == Landed(record(3), ("ledger",))
        assert verdict.rebuild is not None


def test_a_table_that_had_nothing_to_add_lags_behind_with_right() -> None:
    newest = record(5, ("samples",), {"dead": 1, "samples": 4, "ledger": 3})
    found = {"dead": table("dead", record(1)), "samples": table("samples", newest), "ledger": table("ledger", record(3))}
    assert judge(found, checkpoint(5, 5)).landed == Landed(newest, ())
    assert judge(found, checkpoint(5, 5)).refused is None


def test_a_writer_is_named_by_query_and_table() -> None:
    assert app_id("q", "pi_coverage") == "bronze:q:pi_coverage"


@pytest.mark.parametrize("state", [checkpoint(5, 5), CheckpointState(False)])
def test_a_table_whose_commits_were_cleared_away_is_known_by_delta_s_list_of_writers(state: CheckpointState) -> None:
    newest = record(5, ("samples",), {"dead": 1, "samples": 4, "ledger": 3})

    def found(**writers: int) -> dict[str, Found]:
        cut = replace(table("dead", None), writers={f"bronze:{name}": batch for name, batch in writers.items()})
        return {"dead": cut, "samples": table("samples", newest), "ledger": table("ledger", record(3))}

    good = judge(found(**{"q:dead": 1, "p:dead": 7}), state)
    assert (good.landed, good.refused) == (Landed(newest, ()), None)
    assert "dead at /w/dead (batch 0 in place of 1) is an older copy" in (judge(found(**{"q:dead": 0}), state).refused or "")
    for others in ({}, {"p:dead": 1}, {"q:ledger": 1}):
        assert "does not say which of Kafka's records" in (judge(found(**others), state).refused or "")


def test_a_repeated_batch_that_went_to_other_tables_the_second_time_is_whole() -> None:
    first, second = record(3, ("dead",), {}), record(3, ("samples", "ledger"), {})
    found = {"dead": table("dead", first), "samples": table("samples", second), "ledger": table("ledger", second)}
    verdict = judge(found, checkpoint(3, 3))
    assert (verdict.refused, verdict.rebuild) == (None, None)
    assert verdict.landed is not None
    assert verdict.landed.lacking == ()


@pytest.mark.parametrize("appended", [(), ("samples",), ("samples", "ledger")])
def test_a_repetition_keeps_the_tables_that_have_the_batch_and_forgets_those_that_it_does_not_go_to(appended: tuple[str, ...]) -> None:
    """The first time it went to dead letters, and should have gone to a table that it does not go to now."""
    before = {"dead": 1, "other": 2}
    first = record(3, ("dead", "other"), before)
    landed = Landed(first, ("other",)).repeated(("samples", "ledger"))
    assert (landed.record.tables, landed.lacking) == (("dead", "samples", "ledger"), ("samples", "ledger"))
    for name in appended:
        landed = landed.appended(name)
    assert landed.lacking == ("samples", "ledger")[len(appended) :]
    following = record(4, ("ledger",), landed.record.newest())
    found = {"dead": table("dead", first), "other": table("other", record(2, ("other",), {}))}
    found |= {"samples": table("samples", landed.record), "ledger": table("ledger", following)}
    assert judge(found, checkpoint(4, 4)) == Verdict(Landed(following, ()))


@pytest.mark.parametrize("state", [checkpoint(3, 3), CheckpointState(False)])
def test_tables_that_would_lack_rows_are_refused(state: CheckpointState) -> None:
    found = whole(record(3))
    gone = judge(found | {"ledger": Found("ledger", "/w/ledger", False, False)}, state)
    assert "ledger is gone" in (gone.refused or "")
    assert gone.refill == ("ledger",)
    assert (gone.rebuild is None) is state.begun, "a query that begins anew would use the numbers of batches that are landed"
    emptied = judge(found | {"ledger": table("ledger", None, rows=False)}, state)
    assert emptied.refill == ("ledger",)
    copy = judge(found | {"ledger": table("ledger", record(1))}, state)
    assert "ledger at /w/ledger (batch 1 in place of 3) is an older copy" in (copy.refused or "")
    another = judge(found | {"ledger": replace(table("ledger", record(3)), written_as="samples")}, state)
    assert "is another one" in (another.refused or "")
    unknown = judge(found | {"ledger": table("ledger", None)}, state)
    assert "does not say which of Kafka's records" in (unknown.refused or "")
    life = judge(found | {"ledger": table("ledger", replace(record(3), query_id="p"))}, state)
    assert "not of one life" in (life.refused or "")


def test_the_first_start_and_a_first_batch_that_was_killed_go_on() -> None:
    empty = {name: Found(name, "", False, False) for name in NAMES}
    for state in (CheckpointState(False), checkpoint(-1, -1), checkpoint(0, -1)):
        verdict = judge(empty, state)
        assert (verdict.refused, verdict.rebuild, verdict.landed) == (None, None, None)
    gone = judge(empty, checkpoint(3, 3))
    assert gone.begin_anew
    assert "the tables are gone" in (gone.refused or "")


def test_whatever_is_killed_or_lost_the_tables_say_which_batch_comes_next() -> None:
    """Random lives: batches to random tables, killed between commits, checkpoints lost; each record lands once in each of its tables."""
    rng = random.Random(4)
    for _ in range(300):
        logs: dict[str, list[int]] = {name: [] for name in NAMES}
        newest: dict[str, BatchRecord] = {}
        wanted: dict[int, set[str]] = {}
        state = CheckpointState(False)
        landed: Landed | None = None
        batch, done = 0, False
        for _ in range(12):
            if done and rng.random() < 0.5:  # the same process goes on
                batch += 1
            else:
                verdict = judge({name: table(name, newest.get(name), rows=name in newest) for name in NAMES}, state)
                assert verdict.refused is None, verdict
                landed = verdict.landed
                if landed is None:
                    batch = 0
                elif verdict.rebuild is None:
                    batch = state.committed + 1
                else:
                    batch = landed.record.batch_id + (not landed.lacking)
            chosen = tuple(name for name in NAMES if rng.random() < 0.6) or ("ledger",)  # a schema may be known by now that was not before
            if landed is not None and batch == landed.record.batch_id:
                landed = landed.repeated(chosen)
            else:
                landed = Landed(record(batch, chosen, {} if landed is None else landed.record.newest()), chosen)
            kept = rng.randrange(len(chosen) + 1)
            for name in chosen[:kept]:
                if batch not in logs[name]:  # what Delta does
                    logs[name].append(batch)
                    newest[name] = landed.record
                landed = landed.appended(name)
            if kept == len(chosen):
                wanted.setdefault(batch, set()).update(chosen)
            done = kept == len(chosen) and rng.random() < 0.8
            state = CheckpointState(False) if rng.random() < 0.3 else checkpoint(batch, batch if done else batch - 1)
            if not newest:
                state = checkpoint(0, -1)
        last = max((log[-1] for log in logs.values() if log), default=-1)
        assert wanted.keys() >= set(range(last)), "a batch was left before all of it was there"
        for name, log in logs.items():
            assert log == sorted(set(log))
            assert set(log) >= {batch for batch, chosen in wanted.items() if name in chosen}


def test_a_table_has_reached_what_the_newest_batch_says_once_its_own_part_is_there() -> None:
    newest = record(5, ("samples", "ledger"), {"dead": 1, "samples": 4, "ledger": 3})
    found = [table("samples", newest), table("ledger", record(3))]
    assert reached(found, "ledger") == newest.starts
    assert reached([*found[:1], table("ledger", newest)], "ledger") == newest.ends
    assert reached(found, "dead") == newest.ends, "nothing of this batch goes there"
    assert reached([table("samples", None, rows=False)], "ledger") == {}


def test_offsets_are_raised_and_never_lowered() -> None:
    assert raised({"t": {"0": 5, "1": 9}}, {("t", 0): 7, ("t", 1): 3, ("u", 0): 8}) == {"t": {"0": 7, "1": 9}}


def test_what_is_lost_is_what_lies_between_landing_and_kafka() -> None:
    (loss,) = losses({"t": {"0": 5, "1": 9}}, {("t", 0): 7, ("t", 1): 9})
    assert (loss.topic, loss.partition, loss.from_offset, loss.to_offset, loss.incident_id) == ("t", 0, 5, 7, "lost-t-0-5")
    assert loss.text == "Kafka dropped offsets 5 to 6 of t partition 0 before they were landed"


def test_behind_dropped_records_nothing_is_expected_and_at_the_very_beginning_0() -> None:
    last = replace(record(3), ends={"t": {"0": 4, "1": 8}}, expected={("t", 0): Expected(9), ("t", 1): Expected(2)})
    assert expected_at(last, {"t": {"0": 4, "1": 11}}) == {("t", 0): Expected(9)}
    assert expected_at(None, {"t": {"0": 0, "1": 7}}) == {("t", 0): Expected(0)}
