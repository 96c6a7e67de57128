"""Links are followed below the configured address only: credentials go nowhere else."""

import pytest

from bridge.errors import PIRefused
from bridge.piwebapi import same_origin

BASE = "https://pi.example/piwebapi"


@pytest.mark.parametrize(
    ("link", "absolute"),
    [
        (BASE, BASE),
        (BASE + "/points?startIndex=1000", BASE + "/points?startIndex=1000"),
        ("https://PI.example/piwebapi/points", "https://PI.example/piwebapi/points"),
        ("points?startIndex=1000", BASE + "/points?startIndex=1000"),
        ("/piwebapi/points", BASE + "/points"),
        (BASE + "/points?path=..%5C..%5Cx", BASE + "/points?path=..%5C..%5Cx"),
    ],
)
def test_a_link_below_the_base_is_made_absolute(link: str, absolute: str) -> None:
    assert same_origin(BASE, link) == absolute


@pytest.mark.parametrize(
    "link",
    [
        "http://pi.example/piwebapi/points",
        "https://evil.example/piwebapi/points",
        "https://pi.example.evil.example/piwebapi/points",
        "https://pi.example:8443/piwebapi/points",
        "https://pi.example@evil.example/piwebapi/points",
        "https://user:word@pi.example/piwebapi/points",
        "//evil.example/piwebapi/points",
        "https://pi.example/other",
        "https://pi.example/piwebapi2/points",
        "https://pi.example/",
        "/admin",
        "../admin",
        "https://pi.example/piwebapi/../admin",
        "https://pi.example/piwebapi/%2e%2e/admin",
        "ftp://pi.example/piwebapi/points",
        "javascript:alert(1)",
        "https://[pi.example/piwebapi/points",
        "points?startIndex=\ud800",
    ],
)
def test_a_link_to_anywhere_else_is_refused(link: str) -> None:
    with pytest.raises(PIRefused, match="not followed"):
        same_origin(BASE, link)


def test_a_base_without_a_path_takes_every_path_of_its_origin() -> None:
    assert same_origin("https://pi.example", "/points") == "https://pi.example/points"
    with pytest.raises(PIRefused):
        same_origin("https://pi.example", "https://evil.example/points")
