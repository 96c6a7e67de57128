"""Commands that come in groups: `pibridge topics`, `schemas` and `incidents`."""

from pathlib import Path
from typing import Annotated

import typer

from console import incidents, subjects, topics
from console.options import DEFAULT_CONFIG, ConfigOption, JsonOption, ReasonOption
from console.printing import print_result
from schemas.config import load
from schemas.records import Incident

topics_app = typer.Typer(help="The source's Kafka topics.", no_args_is_help=True)
schemas_app = typer.Typer(help="The source's Avro schemas in the registry.", no_args_is_help=True)
incidents_app = typer.Typer(help="What was lost, refused or late, and what became of it.", invoke_without_command=True)


@topics_app.command("plan")
def topics_plan(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Show the topics as they should be beside what Kafka has, and the rights that each process needs. Changes nothing."""
    settings = load(config)
    planned = [
        {"topic": p.name, "partitions": p.partitions, "replication": p.replication, "key": p.topic.key, "settings": _text(p.settings)}
        | {"state": p.state}
        for p in topics.plan(settings)
    ]
    rules = [dict(zip(("process", "operation", "resource", "name"), rule, strict=True)) for rule in topics.acls(settings)]
    print_result({"schema_version": 1, "topics": planned, "acls": rules}, as_json)


def _text(settings: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(settings.items()))


@topics_app.command("apply")
def topics_apply(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Create the topics that are missing. An existing topic is never altered."""
    print_result(
        {"schema_version": 1, "created": [{"topic": p.name, "partitions": p.partitions} for p in topics.apply(load(config))]}, as_json
    )


@schemas_app.command("plan")
def schemas_plan(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Show every subject and whether the registry has this version's schema. Changes nothing."""
    print_result({"schema_version": 1, "subjects": [vars(registered) for registered in subjects.plan(load(config))]}, as_json)


@schemas_app.command("register")
def schemas_register(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Register this version's schemas, each subject with compatibility FULL_TRANSITIVE."""
    print_result({"schema_version": 1, "subjects": [vars(registered) for registered in subjects.register(load(config))]}, as_json)


@incidents_app.callback()
def incidents_list(
    ctx: typer.Context,
    all_: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """List incidents that are not closed, the one that changed last at the end."""
    ctx.obj = config
    if ctx.invoked_subcommand is None:
        found = incidents.newest(load(config)).values()
        _print_incidents([incident for incident in found if all_ or incident["state"] != "CLOSED"], as_json)


@incidents_app.command("accept")
def incidents_accept(
    incident_id: Annotated[str, typer.Argument(metavar="ID", help="The incident.")],
    ctx: typer.Context,
    reason: ReasonOption = None,
    config: Annotated[Path | None, typer.Option("--config", help="Configuration file.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Accept what an incident says is lost.

    SEQUENCE_HOLE, SEQUENCE_REPEATED: landing has stopped; start `pibridge land` again afterwards, and what a hole may have stated is read
    again by itself. RECORDS_LOST: landing has gone on, and has commanded a rescan; accept it once that job is done.
    """
    _print_incidents([incidents.accept(load(config or ctx.obj), incident_id, reason)], as_json)


def _print_incidents(found: list[Incident], as_json: bool) -> None:
    rows = [incidents.listed(incident) for incident in found]
    if not as_json:
        rows = [{name: row[name] for name in ("incident_id", "kind", "state", "opened_time", "detail")} for row in rows]
    print_result({"schema_version": 1, "incidents": rows}, as_json)
