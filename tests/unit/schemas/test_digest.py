import json
from importlib.resources import files
from typing import Any, cast

import pytest

from schemas import digest
from schemas.records import Sample

VECTORS = json.loads(files("schemas").joinpath("digest_vectors.json").read_text(encoding="utf-8"))


def sample_of(vector: dict[str, Any]) -> Sample:
    sample = dict(vector["sample"])
    if sample["value_bytes"] is not None:
        sample["value_bytes"] = bytes.fromhex(sample["value_bytes"])
    if sample["value_double"] is not None:
        sample["value_double"] = float(sample["value_double"])
    return cast(Sample, sample)


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["what"])
def test_status_and_hash_are_those_of_the_vectors(vector: dict[str, Any]) -> None:
    sample = sample_of(vector)
    assert digest.status_of(sample) == vector["status"]
    assert str(digest.hash_of(sample)) == vector["hash_unsigned"]
    assert int(vector["hash"]) % (1 << 64) == int(vector["hash_unsigned"])


def test_there_are_twenty_vectors_and_only_equal_values_share_a_hash() -> None:
    hashes = [vector["hash"] for vector in VECTORS["vectors"]]
    assert len(hashes) >= 20
    # -0.0 is 0.0, and the name of a digital state is not part of its value.
    assert len(hashes) - len(set(hashes)) == 2


def test_the_digest_of_all_vectors_adds_up_in_any_order_and_partition() -> None:
    samples = [sample_of(vector) for vector in VECTORS["vectors"]]
    assert str(digest.digest_of(samples)) == VECTORS["digest"]
    assert digest.digest_of(reversed(samples)) == digest.digest_of(samples)
    assert digest.add(digest.digest_of(samples[:7]), digest.digest_of(samples[7:])) == digest.digest_of(samples)
    assert digest.add(digest.digest_of(samples), digest.EMPTY) == digest.digest_of(samples)
    assert digest.digest_of([]) == digest.EMPTY


def test_a_lost_a_doubled_and_an_altered_sample_change_the_digest() -> None:
    samples = [sample_of(vector) for vector in VECTORS["vectors"]]
    altered: Sample = {**samples[0], "value_double": 21.500000000000004}
    whole = digest.digest_of(samples)
    assert (
        len({whole, digest.digest_of(samples[1:]), digest.digest_of([*samples, samples[0]]), digest.digest_of([altered, *samples[1:]])})
        == 4
    )
