"""Schema definitions by id, from a Confluent-compatible registry.

An id means one definition for ever, so answers are kept. "Not known" is an answer too, but only for a while, and only where the registry
itself says so: any other 404 is a wrong address, and taking it for an answer would set the whole stream aside.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2
from fastavro.schema import SchemaParseException

from schemas import config, wire
from spark_jobs import http
from spark_jobs.errors import Misconfigured, Unavailable

_UNKNOWN_SCHEMA = 40403
_UNKNOWN_KEPT_SECONDS = 60.0
_PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Definition:
    """What a schema id stands for."""

    schema_id: int
    record: str | None
    """Name of the record; null if unusable."""
    text: str
    problem: str | None = None
    """Why values with this id cannot be read, as part of a sentence that begins with `schema id N`."""


class Registry:
    """Looks up definitions. Not safe for several threads at once."""

    def __init__(
        self, settings: config.Registry, sleep: Callable[[float], None] = time.sleep, now: Callable[[], float] = time.monotonic
    ) -> None:
        auth = settings.auth
        login = httpx2.BasicAuth(auth.username, auth.password.get_secret_value()) if isinstance(auth, config.BasicAuth) else None
        self._client = http.client(settings.url + "/", settings.ca_file, auth=login)
        self._url, self._sleep, self._now = settings.url, sleep, now
        self._known: dict[int, Definition] = {}
        self._unknown: dict[int, tuple[float, Definition]] = {}

    def close(self) -> None:
        self._client.close()

    def check(self) -> None:
        """Raises Unavailable unless a registry answers at the address."""
        answer = self._get("subjects")
        if answer.status_code != 200 or not isinstance(_json(answer), list):
            raise Unavailable(
                f"no schema registry answers at {self._url} (status {answer.status_code}): check registry.url, it includes the path"
            )

    def definition(self, schema_id: int) -> Definition:
        """What the id stands for, with `problem` set if values with it cannot be read. Raises Unavailable after some seconds of trying."""
        if schema_id in self._known:
            return self._known[schema_id]
        if schema_id > wire.GREATEST_ID:
            return Definition(schema_id, None, "", f"schema id {schema_id} is greater than any of a registry")
        until, missing = self._unknown.get(schema_id, (0.0, None))
        if missing is not None and self._now() < until:
            return missing
        answer = self._get(f"schemas/ids/{schema_id}")
        found = _json(answer)
        if answer.status_code == 404 and isinstance(found, dict) and found.get("error_code") == _UNKNOWN_SCHEMA:
            missing = Definition(schema_id, None, "", f"schema id {schema_id} is not known to the registry")
            self._keep_unknown(schema_id, missing)
            return missing
        if answer.status_code != 200 or not isinstance(found, dict) or not isinstance(found.get("schema"), str):
            raise Unavailable(f"the schema registry at {self._url} answers {answer.status_code} for schema id {schema_id}")
        self._known[schema_id] = usable(schema_id, found)
        return self._known[schema_id]

    def _keep_unknown(self, schema_id: int, missing: Definition) -> None:
        """For a while. Those whose while is over go, since any garbage may name an id; they lie in the order in which they came."""
        now = self._now()
        self._unknown.pop(schema_id, None)
        while self._unknown and now >= next(iter(self._unknown.values()))[0]:
            del self._unknown[next(iter(self._unknown))]
        self._unknown[schema_id] = (now + _UNKNOWN_KEPT_SECONDS, missing)

    def id_of(self, subject: str, text: str) -> int:
        """The id of a schema that was registered under a subject. Raises Misconfigured if it was not: producers never register."""
        found = self._ask("POST", f"subjects/{quote(subject, safe='')}", {"schema": text, "schemaType": "AVRO"})
        answer = _json(found)
        if found.status_code != 200 or not isinstance(answer, dict) or not isinstance(answer.get("id"), int):
            raise Misconfigured(f"subject {subject} lacks this version's schema; run: pibridge schemas register")
        return int(answer["id"])

    def newest(self, subject: str) -> Definition | None:
        """The newest definition under a subject; None if there is none. Raises Unavailable."""
        found = _json(self._get(f"subjects/{quote(subject, safe='')}/versions/latest"))
        if not isinstance(found, dict) or not isinstance(found.get("id"), int):
            return None
        return self.definition(found["id"])

    def _get(self, path: str) -> httpx2.Response:
        return self._ask("GET", path)

    def _ask(self, method: str, path: str, body: dict[str, str] | None = None) -> httpx2.Response:
        problem = ""
        for pause in (*_PAUSES_SECONDS, None):
            try:
                answer = self._client.request(method, path, json=body)
            except httpx2.RequestError as error:
                problem = f"{type(error).__name__}: {error}"
            else:
                if answer.status_code < 500 and answer.status_code != 429:
                    return answer
                problem = f"status {answer.status_code}"
            if pause is not None:
                self._sleep(pause)
        raise Unavailable(f"the schema registry at {self._url} does not answer ({problem})")


def usable(schema_id: int, found: dict[str, Any]) -> Definition:
    """The definition in a registry's answer, `problem` set if it is not a complete Avro record."""
    if (kind := found.get("schemaType", "AVRO")) != "AVRO":
        return Definition(schema_id, None, "", f"schema id {schema_id} is of type {kind}, not Avro")
    try:
        definition = json.loads(found["schema"])
        wire.parse(definition)
        record = definition["name"] if definition["type"] == "record" else None
    except (SchemaParseException, ValueError, TypeError, KeyError) as error:
        return Definition(schema_id, None, "", f"schema id {schema_id} is no complete Avro definition ({type(error).__name__})")
    if record is None:
        return Definition(schema_id, None, "", f"schema id {schema_id} is no record")
    return Definition(schema_id, str(record).rpartition(".")[2], found["schema"])


def _json(answer: httpx2.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None
