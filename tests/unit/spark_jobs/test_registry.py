import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import httpx2
import pytest

from schemas import config, wire
from spark_jobs.errors import Misconfigured, Unavailable
from spark_jobs.registry import Registry, usable

SETTINGS = config.Registry.model_construct(url="http://127.0.0.1:1/apis", auth=config.Anonymous(kind="anonymous"), ca_file=None)


class Answers:
    """A registry that answers what it is told to."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self.left, self.asked, self.slept = list(answers), list[str](), list[float]()

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request.url.path)
        answer = self.left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@contextmanager
def registry(answers: Answers, now: Callable[[], float] = lambda: 0.0) -> Iterator[Registry]:
    with closing(Registry(SETTINGS, sleep=answers.slept.append, now=now)) as made:
        made._client.close()
        made._client = httpx2.Client(base_url=SETTINGS.url + "/", transport=httpx2.MockTransport(answers))
        yield made


def found(text: str, **more: str) -> httpx2.Response:
    return httpx2.Response(200, json={"schema": text, **more})


def test_a_definition_is_asked_for_once() -> None:
    answers = Answers(found(wire.schema_text("point")))
    with registry(answers) as made:
        assert made.definition(7) is made.definition(7)
        assert (made.definition(7).record, made.definition(7).problem) == ("Point", None)
    assert answers.asked == ["/apis/schemas/ids/7"]


def test_an_unknown_id_is_an_answer_but_only_for_a_minute() -> None:
    clock = [0.0]
    answers = Answers(httpx2.Response(404, json={"error_code": 40403}), found(wire.schema_text("point")))
    with registry(answers, lambda: clock[0]) as made:
        assert made.definition(7).problem == made.definition(7).problem == "schema id 7 is not known to the registry"
        clock[0] = 61.0
        assert made.definition(7).problem is None
    assert len(answers.asked) == 2


def test_unknown_ids_out_of_garbage_do_not_pile_up() -> None:
    clock = [0.0]
    answers = Answers(*[httpx2.Response(404, json={"error_code": 40403}) for _ in range(7)])
    with registry(answers, lambda: clock[0]) as made:
        for schema_id in range(5):
            made.definition(schema_id)
            clock[0] += 20.0
        assert sorted(made._unknown) == [2, 3, 4]
        made.definition(2)
        assert len(answers.asked) == 6, "its minute was over"
        made.definition(5)
        assert sorted(made._unknown) == [2, 3, 4, 5]
        assert len(answers.asked) == 7


def test_any_other_404_is_a_wrong_address_and_no_answer() -> None:
    with registry(Answers(httpx2.Response(404, text="nothing here"))) as made, pytest.raises(Unavailable, match="answers 404"):
        made.definition(7)


def test_a_registry_that_is_away_is_tried_again_and_then_told() -> None:
    answers = Answers(httpx2.ConnectError("refused"), httpx2.Response(503), found(wire.schema_text("point")))
    with registry(answers) as made:
        assert made.definition(7).record == "Point"
    assert answers.slept == [0.5, 1.0]
    with registry(Answers(*[httpx2.ConnectError("refused")] * 5)) as made, pytest.raises(Unavailable, match=r"does not answer .*refused"):
        made.check()


def test_something_else_than_a_registry_is_told() -> None:
    with registry(Answers(httpx2.Response(200, text="<html>"))) as made, pytest.raises(Unavailable, match="no schema registry answers"):
        made.check()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"schema": "{}", "schemaType": "PROTOBUF"}, "of type PROTOBUF"),
        ({"schema": "not json"}, "no complete Avro definition"),
        ({"schema": '"string"'}, "no complete Avro definition"),
        ({"schema": json.dumps({"type": "enum", "name": "E", "symbols": ["A"]})}, "is no record"),
        (
            {"schema": json.dumps({"type": "record", "name": "R", "fields": [{"name": "f", "type": "Elsewhere"}]})},
            "no complete Avro definition",
        ),
    ],
)
def test_a_definition_that_cannot_be_used_says_why(answer: dict[str, str], told: str) -> None:
    definition = usable(3, answer)
    assert definition.record is None
    assert told in (definition.problem or "")


def test_the_id_of_a_registered_schema_is_found_and_one_that_is_not_is_never_registered() -> None:
    answers = Answers(httpx2.Response(200, json={"id": 9}), httpx2.Response(404, json={"error_code": 40403}))
    with registry(answers) as made:
        assert made.id_of("pi.p.incidents-value", "{}") == 9
        with pytest.raises(Misconfigured, match=r"incidents-value lacks this version's schema; run: pibridge schemas register"):
            made.id_of("pi.p.incidents-value", "{}")
    assert answers.asked == ["/apis/subjects/pi.p.incidents-value"] * 2
