"""What `check` finds: one finding a thing that was looked at, and what they amount to. Pure."""

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

Status = Literal["ok", "hint", "problem", "unreachable", "not_checked"]
MEANINGS: dict[Status, str] = {
    "ok": "as it must be",
    "hint": "works, but somebody should look at it",
    "problem": "wrong: a person has to act",
    "unreachable": "does not answer now",
    "not_checked": "could not be looked at, because of something above",
}


class Finding(NamedTuple):
    """What was looked at, how it is, and what to do about it."""

    check: str
    """Such as pi.clock: stable, for scripts."""
    status: Status
    detail: str
    hint: str = ""


def exit_code(findings: Iterable[Finding]) -> int:
    """3 if anything does not answer, for then not everything was looked at; else 1 if anything is wrong; else 0."""
    found = {finding.status for finding in findings}
    if "unreachable" in found:
        return 3
    return 1 if found & {"problem", "not_checked"} else 0


def as_json(findings: Iterable[Finding]) -> dict[str, Any]:
    """The result as one object."""
    listed = list(findings)
    result = {0: "ok", 1: "problem", 3: "unreachable"}[exit_code(listed)]
    return {"schema_version": 1, "result": result, "checks": [finding._asdict() for finding in listed]}


def as_text(findings: Iterable[Finding]) -> str:
    """The result for a person: a line a finding, what to do below it."""
    listed = list(findings)
    width = max((len(finding.check) for finding in listed), default=0)
    lines = []
    for finding in listed:
        lines.append(f"{finding.status.replace('_', ' '):11}  {finding.check:{width}}  {finding.detail}")
        if finding.hint:
            lines.append(f"{'':11}  {'':{width}}  -> {finding.hint}")
    counts = {status: sum(finding.status == status for finding in listed) for status in MEANINGS}
    lines.append(", ".join(f"{count} {status.replace('_', ' ')}" for status, count in counts.items() if count))
    return "\n".join(lines) + "\n"
