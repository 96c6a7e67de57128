"""What was found, as a table for people and as one JSON object. Pure."""

from collections.abc import Mapping
from typing import Any

from verifier.findings import RULES, Findings

SCHEMA_VERSION = 1


def as_object(findings: Findings, source: str, versions: dict[str, int]) -> dict[str, Any]:
    """The result for programs. `versions`: of the tables that were read."""
    return {
        "schema_version": SCHEMA_VERSION,
        "source": source,
        "ok": findings.clean,
        "settled": findings.settled,
        "checks": [
            {
                "check": check,
                "rule": rule,
                "count": findings.counts[check],
                "example": findings.example(check),
                "skipped": findings.skipped.get(check, []),
            }
            for check, rule in RULES.items()
        ],
        "outstanding": dict(sorted(findings.outstanding.items())),
        "examined": dict(sorted(findings.examined.items())),
        "table_versions": versions,
    }


def as_table(findings: Findings) -> str:
    """The result for people."""
    lines = []
    for check, rule in RULES.items():
        count, skipped = findings.counts[check], findings.skipped.get(check, [])
        lines.append(f"{check:4} {f'{count:,}':>9}  {rule}")
        lines += [f"{'':16}not checked: {reason}" for reason in skipped]
        if (example := findings.example(check)) is not None:
            lines.append(f"{'':16}e.g. {example}")
    lines += ["", f"examined: {_counted(findings.examined)}"]
    if findings.outstanding:
        lines.append(f"no failure, but outstanding: {_counted(findings.outstanding)}")
    lines.append("all zero" if findings.clean else f"failures: {findings.counts.total():,}")
    return "\n".join(lines)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in sorted(counts.items()))
