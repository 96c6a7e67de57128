"""No secret leaves the process by what it says, in whatever form it occurs."""

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from runtime.masking import MASKED, Mask, secrets_of
from tests.unit.bridge.plant import BASIC, PASSWORD, USER, config_of

SERVER = "85bb49d6-f101-4807-baf9-57c2fbd33000"
ODD = 'a"b\\c ö/&+'


@pytest.mark.parametrize("form", [ODD, quote(ODD), quote(ODD, safe=""), json.dumps(ODD), json.dumps(ODD, ensure_ascii=False), repr(ODD)])
def test_a_secret_is_masked_in_every_spelling(form: str) -> None:
    said = Mask([ODD]).text(f"before {form} after")
    assert said.startswith("before ")
    assert said.endswith(" after")
    assert MASKED in said
    assert ODD not in said
    assert form.strip("\"'") not in said


@pytest.mark.parametrize("secret", ["it's", 'it\'s "so"', "back\\slash'", "ünïcode", "tab\there"])
@pytest.mark.parametrize("around", ["{}", "it's {}", 'say "{}"', 'it\'s "{}"'])
def test_a_secret_inside_a_printed_object_is_masked_whatever_quotes_stand_beside_it(secret: str, around: str) -> None:
    mask = Mask([secret])
    for printed in (repr([around.format(secret)]), repr({"k": around.format(secret).encode()})):
        assert MASKED in mask.text(printed), printed


def test_a_secret_is_masked_at_any_depth_and_in_objects_that_are_printed() -> None:
    mask = Mask(["hunter2", "777"])
    event = {"event": "x hunter2", "a": {"k hunter2": ["hunter2", ("y", {"z": ValueError("no hunter2")})]}, "n": 777, "ok": 1, "none": None}
    masked = mask.processor(None, "info", event)
    assert "hunter2" not in repr(masked)
    assert masked["n"] == MASKED
    assert masked["ok"] == 1
    assert masked["none"] is None


def test_the_longer_of_two_secrets_goes_first_so_that_nothing_of_it_is_left() -> None:
    assert Mask(["pass", "password-1"]).text("password-1") == MASKED


def test_a_key_of_several_lines_is_masked_line_by_line() -> None:
    assert Mask(["-----BEGIN KEY-----\nMIIEvQIBADAN\n"]).text("bad line: MIIEvQIBADAN") == f"bad line: {MASKED}"


def test_without_secrets_nothing_changes() -> None:
    assert Mask().text("as it is") == "as it is"
    assert Mask([""]).text("as it is") == "as it is"


def test_a_secret_that_comes_later_is_masked_from_then_on() -> None:
    mask = Mask(["first"])
    mask.add("second")
    assert mask.text("first second") == f"{MASKED} {MASKED}"


def test_every_secret_of_a_configuration_is_known_and_basic_credentials_as_they_are_sent(tmp_path: Path) -> None:
    found = secrets_of(config_of(tmp_path, "https://pi.example", SERVER, auth=BASIC))
    assert PASSWORD in found
    assert base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode() in found
