"""V5: sequences, epochs and clocks of the committed frames. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from verifier.findings import Findings
from verifier.frames import CLOCK_BITS, Frame, Place, Records
from verifier.ledger import Claim
from verifier.shards import shard_of


def check_order(records: Records, claims: Mapping[str, list[Claim]], findings: Findings) -> None:
    """Checks all frames; where the oldest are gone, from the first one on."""
    topics: dict[tuple[str, int], list[Frame]] = defaultdict(list)
    for frame in records.frames:
        topics[frame.dataset, frame.partition].append(frame)
        _owner(frame, records.partitions, findings)
    repeated: set[Place] = set()
    for topic in sorted(topics.keys() | records.next_sequences.keys()):
        repeated |= _dense(topic, topics.get(topic, []), records, findings)
    # A frame that is there again would break every further rule as well; it is counted once.
    once = {topic: [frame for frame in frames if frame.place not in repeated] for topic, frames in topics.items()}
    clocks = _clocks(once, findings)
    _requests({key: [claim for claim in stated if claim.place not in repeated] for key, stated in claims.items()}, clocks, findings)


def _owner(frame: Frame, partitions: int, findings: Findings) -> None:
    """The partition is the shard, and the shard owns each point of the frame."""
    order = (frame.dataset, frame.sequence)
    if frame.shard != frame.partition:
        findings.fail("V5", f"{frame.text}: a frame of shard {frame.shard}", 1, order)
    if frame.clock >> CLOCK_BITS != frame.epoch:
        findings.fail("V5", f"{frame.text}: clock {frame.clock} is not of epoch {frame.epoch}", 1, order)
    for key in {series.point_key for series in frame.series}:
        if (owner := shard_of(key, partitions)) != frame.partition:
            findings.fail("V5", f"{frame.text}: point {key} belongs to shard {owner}", 1, order)


def _dense(topic: tuple[str, int], frames: list[Frame], records: Records, findings: Findings) -> set[Place]:
    """Each sequence once, without a hole from 0 (or from what Kafka still has) to what progress says; epochs never go back.

    Answers the places of frames whose sequence was there before.
    """
    name, repeated = f"{topic[0]}/{topic[1]}", set[Place]()
    seen: set[int] = set()
    highest, epoch = -1, -1
    for frame in frames:
        order = (name, frame.sequence)
        if frame.sequence in seen:
            findings.fail("V5", f"{frame.text}: sequence {frame.sequence} (epoch {frame.epoch}) is there twice", 1, order)
            repeated.add(frame.place)
            continue
        if frame.sequence < highest:
            findings.fail("V5", f"{frame.text}: sequence {frame.sequence} comes after {highest}", 1, order)
        if frame.epoch < epoch:
            findings.fail("V5", f"{frame.text}: epoch {frame.epoch} comes after {epoch}", 1, order)
        seen.add(frame.sequence)
        highest, epoch = max(highest, frame.sequence), max(epoch, frame.epoch)
    whole = not records.begins.get(topic, 0)
    first = 0 if whole else min(seen, default=0)
    stop = max(highest + 1, records.next_sequences.get(topic, 0))
    if not whole and not seen:
        return repeated
    for begin, end in _holes(seen, first, stop):
        text = f"{name}: no frame has sequence {begin}" + (f" to {end - 1}" if end - begin > 1 else "")
        findings.fail("V5", text, end - begin, (name, begin))
    return repeated


def _holes(seen: set[int], first: int, stop: int) -> Iterator[tuple[int, int]]:
    """The stretches of [first, stop) that are not seen."""
    at = first
    for sequence in sorted(seen):
        if at < sequence:
            yield at, sequence
        at = max(at, sequence + 1)
    if at < stop:
        yield at, stop


def _clocks(topics: Mapping[tuple[str, int], list[Frame]], findings: Findings) -> dict[int, dict[int, Frame]]:
    """Every clock of a shard once, growing on each topic. Answers the frames by shard and clock."""
    clocks: dict[int, dict[int, Frame]] = defaultdict(dict)
    for frames in topics.values():
        last = -1
        for frame in frames:
            order = (frame.dataset, frame.sequence)
            twin = clocks[frame.shard].setdefault(frame.clock, frame)
            if twin is not frame:
                findings.fail("V5", f"{frame.text}: clock {frame.clock} is that of {twin.text} too", 1, order)
            elif frame.clock < last:
                findings.fail("V5", f"{frame.text}: clock {frame.clock} comes after {last}", 1, order)
            last = max(last, frame.clock)
    return clocks


def _requests(claims: Mapping[str, list[Claim]], clocks: Mapping[int, Mapping[int, Frame]], findings: Findings) -> None:
    """A request's clock is its own: no frame has it, it belongs to one moment, and one point was asked once for an instant."""
    moments: dict[tuple[int, int], Counter[int]] = defaultdict(Counter)
    taken: set[tuple[int, int]] = set()
    for key, stated in sorted(claims.items()):
        for claim in stated:
            shard, clock = claim.place[1], claim.statement.as_of_clock
            moments[shard, clock][claim.statement.as_of] += 1
            if clock in clocks.get(shard, {}):
                taken.add((shard, clock))
            if clock >= claim.clock:
                findings.fail("V5", f"{key} {claim.text}: as_of_clock {clock} is not before the frame's clock", 1, (key, clock))
        for earlier, later in _overlapping(stated):
            text = f"{key}: {earlier.text} and {later.text} overlap and share the as_of_clock {later.statement.as_of_clock}"
            findings.fail("V5", text, 1, (key, later.statement.begin))
    for shard, clock in sorted(taken):
        findings.fail("V5", f"shard {shard}: as_of_clock {clock} is the clock of {clocks[shard][clock].text} too", 1, (str(shard), clock))
    for (shard, clock), times in sorted(moments.items()):
        if len(times) > 1:
            text = f"shard {shard}: as_of_clock {clock} stands for {len(times)} moments, so more than one request took it"
            findings.fail("V5", text, len(times) - 1, (str(shard), clock))


def _overlapping(claims: Iterable[Claim]) -> Iterator[tuple[Claim, Claim]]:
    by_clock: dict[int, list[Claim]] = defaultdict(list)
    for claim in claims:
        by_clock[claim.statement.as_of_clock].append(claim)
    for sharing in by_clock.values():
        widest: Claim | None = None
        for claim in sorted(sharing, key=lambda c: c.statement.begin):
            if claim.statement.begin == claim.statement.end:
                continue
            if widest is not None and claim.statement.begin < widest.statement.end and claim.statement.as_of == widest.statement.as_of:
                yield widest, claim
            if widest is None or claim.statement.end > widest.statement.end:
                widest = claim
