"""`python -m proofs.history`: what the stream processors' rules find in real history, replayed as live.

The machine until it failed, and an office with gaps (`simulator/history`), under a virtual clock; no servers. Two minutes of CPU.
"""

import argparse
import json
import sys
from dataclasses import asdict

from proofs.evidence import ROOT
from proofs.history import page
from proofs.history.replay import HISTORIES, BadHistory, Episode, replay

_EPILOG = """\
--write puts the page docs/findings.md and its pictures docs/findings-<history>.svg in the place of those that are there, and needs both.

exit codes: 0 done, 2 wrong options, or a file that is not what it should be, 130 interrupted"""


def say(line: str) -> None:
    """A line for the person who waits."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def main() -> int:
    """Replays, prints, and writes if asked to; answers the exit code."""
    parser = argparse.ArgumentParser(
        "python -m proofs.history", description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("histories", nargs="*", metavar="HISTORY", help=f"default all: {', '.join(HISTORIES)}")
    parser.add_argument("--write", action="store_true", help="write docs/findings.md and its pictures too")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout, times in microseconds since 1970")
    given = parser.parse_args()
    if unknown := [name for name in given.histories if name not in HISTORIES]:
        parser.error(f"no history {', '.join(unknown)}; there are {', '.join(HISTORIES)}")
    if given.write and given.histories:
        parser.error("--write needs all histories: name none")
    try:
        found = {
            name: replay(HISTORIES[name], say=lambda line, name=name: say(f"{name}: {line}"))  # type: ignore[misc]
            for name in given.histories or HISTORIES
        }
    except BadHistory as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:
        return 130
    sys.stdout.write((_as_json(found) if given.json else _as_text(found)) + "\n")
    if given.write:
        _write(found)
    return 0


def _as_json(found: dict[str, list[Episode]]) -> str:
    return json.dumps({"schema_version": 1, **{name: [asdict(each) for each in episodes] for name, episodes in found.items()}})


def _as_text(found: dict[str, list[Episode]]) -> str:
    return "\n\n".join(f"{name}\n\n{page.tables(HISTORIES[name], episodes)}" for name, episodes in found.items())


def _write(found: dict[str, list[Episode]]) -> None:
    folder = ROOT / "docs"
    (folder / "findings.md").write_text(page.page(found), encoding="utf-8")
    for name, episodes in found.items():
        (folder / f"findings-{name}.svg").write_text(page.picture(HISTORIES[name], episodes), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
