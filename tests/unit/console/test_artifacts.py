from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.stack import artifacts, lock
from console.stack.artifacts import GROUPS, LOCK_PATH, Artifact, Shelf, exclusive, locked, on_disk, provide
from console.stack.child import Children
from console.stack.errors import ArtifactRefused, ArtifactsUnavailable, Stopping

REPOSITORY_ONLY = """\
<ivysettings>
  <settings defaultResolver="files"/>
  <resolvers>
    <filesystem name="files"><artifact pattern="{root}/[organisation]/[artifact]-[revision](-[classifier]).[ext]"/></filesystem>
  </resolvers>
</ivysettings>
"""


@pytest.fixture
def children() -> Iterator[Children]:
    group = Children()
    yield group
    group.stop()


class Repository:
    """A Maven repository in a directory, with one file, and a lock that names it."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "repository"
        self.cache = directory / "cache"
        self.settings = directory / "ivysettings.xml"
        self.lock_path = directory / "lock.json"
        self.settings.write_text(REPOSITORY_ONLY.format(root=self.root))
        self.file = self.root / "org.example" / "thing-1.0.jar"
        self.file.parent.mkdir(parents=True)
        self.file.write_bytes(b"the thing")
        entry = {"org": "org.example", "name": "thing", "version": "1.0", "ext": "jar", "classifier": "", "file": "thing-1.0.jar"}
        self.lock_path.write_text(json.dumps({"kafka": [{**entry, "sha256": hashlib.sha256(b"the thing").hexdigest()}]}))

    def provide(self, children: Children) -> Path:
        (path,) = provide("kafka", children=children, cache=self.cache, lock_path=self.lock_path)
        return path


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = Repository(tmp_path)
    monkeypatch.setenv("PIBRIDGE_IVY_SETTINGS", str(made.settings))
    return made


def artifact(content: bytes = b"content", file: str = "a-1.jar") -> Artifact:
    return Artifact("org.example", "a", "1", "jar", "", file, hashlib.sha256(content).hexdigest())


def test_the_lock_names_every_file_by_coordinates_and_digest() -> None:
    assert json.loads(LOCK_PATH.read_text()).keys() == set(GROUPS)
    for group, least in (("kafka", 40), ("registry", 1), ("spark", 16)):
        entries = locked(group)
        assert len(entries) >= least
        assert len({entry.file for entry in entries}) == len(entries)
        for entry in entries:
            assert len(bytes.fromhex(entry.sha256)) == 32
            classifier = f"-{entry.classifier}" if entry.classifier else ""
            assert entry.file == f"{entry.name}-{entry.version}{classifier}.{entry.ext}"


def test_the_lock_holds_no_addresses() -> None:
    text = LOCK_PATH.read_text()
    assert "://" not in text
    assert "www." not in text


def test_the_lock_holds_the_versions_its_roots_ask_for() -> None:
    for group, roots in lock.ROOTS.items():
        entries = {(entry.org, entry.name, entry.version, entry.ext, entry.classifier) for entry in locked(group)}
        assert entries >= {(root.org, root.name, root.version, root.ext, root.classifier) for root in roots}


def test_kafkas_logging_has_a_binding_of_the_same_version_as_its_core() -> None:
    versions = {entry.name: entry.version for entry in locked("kafka")}
    assert versions["log4j-slf4j-impl"] == versions["log4j-core"] == versions["log4j-api"]


def test_a_fetched_file_with_one_changed_byte_is_refused_by_name_and_digests(tmp_path: Path) -> None:
    fetched = tmp_path / "fetched"
    fetched.write_bytes(b"c0ntent")
    with pytest.raises(ArtifactRefused) as refusal:
        Shelf(tmp_path).put(artifact(), fetched)
    sentence = str(refusal.value)
    assert "a-1.jar" in sentence
    assert hashlib.sha256(b"content").hexdigest() in sentence
    assert hashlib.sha256(b"c0ntent").hexdigest() in sentence
    assert "mirror" in sentence
    assert not (tmp_path / "a-1.jar").exists()


def test_a_verified_file_is_not_hashed_again_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = tmp_path / "fetched"
    fetched.write_bytes(b"content")
    Shelf(tmp_path).put(artifact(), fetched)
    hashed: list[Path] = []

    def counted(path: Path) -> str:
        hashed.append(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(artifacts, "sha256", counted)
    assert Shelf(tmp_path).sound(artifact())
    assert hashed == []
    os.utime(tmp_path / "a-1.jar", ns=(1, 1))
    assert Shelf(tmp_path).sound(artifact())
    assert len(hashed) == 1
    assert Shelf(tmp_path).sound(artifact())
    assert len(hashed) == 1


def test_a_changed_byte_in_the_cache_is_noticed(tmp_path: Path) -> None:
    fetched = tmp_path / "fetched"
    fetched.write_bytes(b"content")
    Shelf(tmp_path).put(artifact(), fetched)
    (tmp_path / "a-1.jar").write_bytes(b"c0ntent")
    assert not Shelf(tmp_path).sound(artifact())


def test_a_new_digest_in_the_lock_is_not_met_by_an_old_stamp(tmp_path: Path) -> None:
    fetched = tmp_path / "fetched"
    fetched.write_bytes(b"content")
    Shelf(tmp_path).put(artifact(), fetched)
    assert not Shelf(tmp_path).sound(artifact(b"other content"))


def test_unreadable_stamps_only_cost_another_look(tmp_path: Path) -> None:
    fetched = tmp_path / "fetched"
    fetched.write_bytes(b"content")
    Shelf(tmp_path).put(artifact(), fetched)
    (tmp_path / "verified.json").write_text("{")
    assert Shelf(tmp_path).sound(artifact())


def test_files_are_fetched_through_the_users_own_ivy_settings(repository: Repository, children: Children) -> None:
    assert repository.provide(children).read_bytes() == b"the thing"
    assert not (repository.cache / "fetching" / "kafka").exists()
    repository.file.unlink()
    assert repository.provide(children).read_bytes() == b"the thing"  # from the cache


def test_a_damaged_file_in_the_cache_is_fetched_again(repository: Repository, children: Children) -> None:
    repository.provide(children).write_bytes(b"the th1ng")
    assert repository.provide(children).read_bytes() == b"the thing"


def test_a_damaged_file_that_comes_wrong_again_is_refused(repository: Repository, children: Children) -> None:
    repository.provide(children).write_bytes(b"the th1ng")
    repository.file.write_bytes(b"a different thing")
    with pytest.raises(ArtifactRefused, match=r"thing-1\.0\.jar is not the one in the lock"):
        repository.provide(children)
    repository.file.write_bytes(b"the thing")
    assert repository.provide(children).read_bytes() == b"the thing"  # nothing of the wrong one was kept


def test_without_a_repository_one_sentence_says_what_to_do(repository: Repository, children: Children) -> None:
    repository.file.unlink()
    with pytest.raises(ArtifactsUnavailable) as unavailable:
        repository.provide(children)
    sentence = str(unavailable.value)
    assert "network" in sentence
    assert "PIBRIDGE_IVY_SETTINGS" in sentence
    assert "ivy.log" in sentence
    assert "\n" not in sentence
    assert unavailable.value.exit_code == 3


def test_settings_that_are_not_there_are_named(repository: Repository, children: Children) -> None:
    repository.settings.unlink()
    with pytest.raises(ArtifactsUnavailable, match=r"PIBRIDGE_IVY_SETTINGS names .*ivysettings\.xml, which is not a file"):
        repository.provide(children)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, children: Children) -> None:
    (tmp_path / "cache").write_text("a file where the directory should be")
    with pytest.raises(ArtifactsUnavailable, match="PIBRIDGE_CACHE"):
        provide("kafka", children=children, cache=tmp_path / "cache")


def test_bytes_on_disk_count_each_file_once_and_what_is_on_its_way(tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    (tmp_path / "files").mkdir()
    (tmp_path / "downloads" / "a-1.jar").write_bytes(b"12345")
    (tmp_path / "files" / "a-1.jar").write_bytes(b"12345")
    (tmp_path / "downloads" / "b-1.jar.part").write_bytes(b"123")
    (tmp_path / "downloads" / "a-1.pom").write_bytes(b"1")
    assert on_disk(tmp_path, {"a-1.jar", "b-1.jar", "c-1.jar"}) == (1, 8)


def hold(path: Path, held: str, seconds: float) -> None:
    with exclusive(path, Children()):
        Path(held).touch()
        time.sleep(seconds)


def test_of_two_processes_one_waits_until_the_other_has_ended(tmp_path: Path, children: Children) -> None:
    held = tmp_path / "held"
    context = multiprocessing.get_context("spawn")
    holder = context.Process(target=hold, args=(tmp_path / "lock", str(held), 60))
    holder.start()
    try:
        deadline = time.monotonic() + 30
        while not held.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        stopped = Children()
        stopped.stop()
        with pytest.raises(Stopping), exclusive(tmp_path / "lock", stopped):
            pytest.fail("two processes held the lock")
        began = time.monotonic()
        holder.kill()  # the system frees the lock of a killed process
        with exclusive(tmp_path / "lock", children):
            assert time.monotonic() - began < 10
    finally:
        holder.kill()
        holder.join()


def test_who_waits_for_the_lock_gives_up_when_the_stack_stops(tmp_path: Path, children: Children) -> None:
    stopped = Children()
    stopped.stop()
    with exclusive(tmp_path / "lock", children), pytest.raises(Stopping), exclusive(tmp_path / "lock", stopped):
        pytest.fail("two held the lock")
