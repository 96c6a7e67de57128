import json
import threading
from contextlib import closing
from typing import Any

import httpx2
import pytest

from schemas import config
from spark_jobs import tables
from spark_jobs.catalog import Catalog, CatalogError, Registration, differs, registration, same_place, storage_location


def wanted() -> dict[str, Any]:
    return registration(tables.INCIDENTS, "pibridge", "/w", "plant1")


def test_a_registration_carries_place_columns_and_comments() -> None:
    body = wanted()
    assert (body["storage_location"], body["table_type"], body["data_source_format"]) == (
        "file:///w/bronze/pi_incidents",
        "EXTERNAL",
        "DELTA",
    )
    column = next(c for c in body["columns"] if c["name"] == "point_keys")
    assert (column["type_name"], column["type_text"], column["position"]) == ("ARRAY", "array<string>", 10)
    assert json.loads(column["type_json"]) == {
        "name": "point_keys",
        "type": {"type": "array", "elementType": "string", "containsNull": True},
        "nullable": True,
        "metadata": {"comment": column["comment"]},
    }


def test_an_equal_registration_is_left_alone_in_whatever_order_the_server_lists_columns() -> None:
    found = wanted()
    found["columns"].reverse()
    found["properties"]["server.own"] = "1"
    assert not differs(found, wanted())


@pytest.mark.parametrize("change", ["comment", "column", "type", "property", "table"])
def test_a_registration_that_says_something_else_is_posted_again(change: str) -> None:
    found = wanted()
    match change:
        case "comment":
            found["columns"][0]["comment"] = "older"
        case "column":
            found["columns"].pop()
        case "type":
            found["columns"][0]["type_text"] = "bigint"
        case "property":
            found["properties"]["pibridge.schema_fingerprint"] = "0"
        case "table":
            found["comment"] = None
    assert differs(found, wanted())


def test_addresses_are_compared_by_what_they_mean() -> None:
    assert same_place("file:///w/t/", "file:///w/t")
    assert same_place("/w/t", "file:///w/t")
    assert not same_place("file:///w/t", "file:///w/u")
    assert not same_place("s3://a/w/t", "s3://b/w/t")
    assert storage_location("/w/ü x") == "file:///w/%C3%BC%20x"
    assert storage_location("s3://b/w") == "s3://b/w"


class Answers:
    """A server that answers its first request with something else than an object, then with what is registered."""

    def __init__(self) -> None:
        self.asked_again = threading.Event()
        self._first = True

    def __call__(self, _: httpx2.Request) -> httpx2.Response:
        if self._first:
            self._first = False
            return httpx2.Response(200, json=[["name", "pibridge"], 1])
        self.asked_again.set()
        return httpx2.Response(200, json=wanted())


def catalog(answers: Answers) -> Catalog:
    made = Catalog(config.Lakehouse(warehouse="/w", checkpoints="/c", catalog=config.Catalog(uri="http://127.0.0.1:1")), "/w")
    made._client.close()
    made._client = httpx2.Client(base_url="http://127.0.0.1:1", transport=httpx2.MockTransport(answers))
    return made


def test_an_answer_that_is_no_object_is_a_sentence_and_asked_for_again() -> None:
    with closing(catalog(Answers())) as asked, pytest.raises(CatalogError, match="catalogs pibridge is no object"):
        asked.register([tables.INCIDENTS], "plant1")
    answers = Answers()
    job = Registration(catalog(answers), lambda: [tables.INCIDENTS], "plant1")
    job.look()
    job.start()
    try:
        assert answers.asked_again.wait(10)
    finally:
        job.close()
