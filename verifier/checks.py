"""V1 to V10: the journal against Kafka and Delta. Pure: what was read comes in as plain data, rows as iterators."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from verifier.disconnects import check_disconnects
from verifier.findings import Findings
from verifier.frames import Records
from verifier.landing import CoverageRow, Landing, SampleRow
from verifier.ledger import Claim, claims_of
from verifier.names import Names
from verifier.order import check_order
from verifier.overruling import check_overruling
from verifier.previews import check_previews
from verifier.silver import Rows, check_cleaned, check_open
from verifier.statements import check_series, check_statements
from verifier.truth import Truth


@dataclass
class Tables:
    """Rows of the lakehouse; None where a table does not exist."""

    samples: Iterable[SampleRow]
    coverage: Iterable[CoverageRow]
    cleaned: Rows | None = None
    previews_open: Rows | None = None


@dataclass
class Evidence:
    """All that is compared."""

    truth: Truth
    records: Records
    tables: Tables | None = None
    """None: Kafka alone is compared with the journal."""
    aliases: Mapping[str, str] = field(default_factory=dict)


def verify(evidence: Evidence, settled: bool = False, progress: Callable[[str], None] = lambda _: None) -> Findings:
    """Makes all checks. `settled`: nothing may be outstanding, since PI and the bridge have been at rest for long enough."""
    findings, records, tables = Findings(settled), evidence.records, evidence.tables
    names = Names(evidence.truth, evidence.aliases)
    for text in records.unreadable:
        findings.fail("V2", text)
    landing = None
    if tables is None:
        for check in ("V6", "V7"):
            findings.skip(check, "no warehouse was named")
    else:
        progress("bronze against Kafka")
        landing = Landing(records, findings)
        for sample in tables.samples:
            landing.take_sample(sample)
        for statement in tables.coverage:
            landing.take_coverage(statement)
        # What only bronze still has is checked as if Kafka had it; a hole there is then a loss.
        records = replace(records, frames=landing.finish() + records.frames, begins=dict.fromkeys(records.begins, 0))
    findings.examined["frames"] = len(records.frames)
    findings.examined["records_of_aborted_transactions"] = len(records.aborted)
    claims = claims_of(records.frames)
    progress("order of frames")
    check_order(records, claims, findings)
    check_series(names, records.frames, findings)
    progress("statements against the archive")
    check_statements(names, claims, records, findings, progress)
    progress("previews, incidents")
    check_previews(names, records.frames, findings)
    check_overruling(names, records.frames, claims, findings)
    keys = {series.point_key for frame in records.frames for series in frame.series} | records.covered.keys()
    numbers = {point.point_id: key for key in sorted(keys) if (point := names.point(key)) is not None}
    check_disconnects(evidence.truth, numbers, records, findings)
    if tables is not None and landing is not None:
        progress("silver")
        _silver(names, tables, claims, records, landing, findings)
    return findings


def _silver(
    names: Names, tables: Tables, claims: Mapping[str, list[Claim]], records: Records, landing: Landing, findings: Findings
) -> None:
    """Silver is made from bronze: what has not landed there is not asked for."""
    landed = landing.landed
    known = {key: [claim for claim in stated if claim.place[2] <= landed.get(claim.place[:2], -1)] for key, stated in claims.items()}
    if tables.cleaned is None:
        findings.skip("V7", "not there: silver.pi_timeseries_cleaned")
    else:
        check_cleaned(names, known, tables.cleaned, findings)
    if tables.previews_open is None:
        findings.skip("V7", "not there: silver.pi_previews_open")
    else:
        frames = [frame for frame in records.frames if frame.offset <= landed.get((frame.dataset, frame.partition), -1)]
        check_open(known, frames, tables.previews_open, findings)
