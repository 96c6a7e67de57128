"""The files of the local stack, named and pinned by `artifacts.lock.json`, fetched once per user and verified at each start.

python -m console.stack.artifacts            fetch and verify all groups
python -m console.stack.artifacts --lock     resolve the roots below again and print a new lock
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from console.stack import ivy
from console.stack.child import Children
from console.stack.errors import ArtifactRefused, ArtifactsUnavailable
from console.stack.java import cache_directory, write_atomically

LOCK_PATH = Path(__file__).with_name("artifacts.lock.json")
GROUPS = ("kafka", "registry", "spark")
STALL_SECONDS = 180.0
REPORT_SECONDS = 0.5


@dataclass(frozen=True)
class Artifact:
    """One file: its Maven coordinates and the SHA-256 of its bytes."""

    org: str
    name: str
    version: str
    ext: str
    classifier: str
    file: str
    sha256: str


@dataclass(frozen=True)
class Progress:
    """How far fetching a group is. `bytes_on_disk` counts what has arrived of the missing files."""

    group: str
    files_done: int
    files_total: int
    bytes_on_disk: int

    def __str__(self) -> str:
        return f"fetching {self.group}: {self.files_done} of {self.files_total} files, {self.bytes_on_disk / 1e6:.1f} MB"


def locked(group: str, lock_path: Path = LOCK_PATH) -> tuple[Artifact, ...]:
    return tuple(Artifact(**entry) for entry in json.loads(lock_path.read_text())[group])


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Shelf:
    """One group's files in the cache, with a stamp (size and time of change) of each at its last verification."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._stamps_path = directory / "verified.json"
        self._stamps: dict[str, list[str | int]] = {}
        with suppress(FileNotFoundError, ValueError):  # no stamps, or unreadable ones: every file is hashed again
            self._stamps = json.loads(self._stamps_path.read_text())

    def path(self, artifact: Artifact) -> Path:
        return self.directory / artifact.file

    def sound(self, artifact: Artifact) -> bool:
        """Whether the file is here with the bytes of the lock. It is hashed only if it changed since it last was."""
        path = self.path(artifact)
        try:
            stamp = stamp_of(path, artifact.sha256)
        except FileNotFoundError:
            return False
        if self._stamps.get(artifact.file) == stamp:
            return True
        if sha256(path) != artifact.sha256:
            return False
        self._stamps[artifact.file] = stamp
        self._save()
        return True

    def put(self, artifact: Artifact, source: Path) -> None:
        """Moves a fetched file here if it is the one in the lock. Raises ArtifactRefused."""
        found = sha256(source)
        if found != artifact.sha256:
            raise ArtifactRefused(
                artifact.file,
                expected=artifact.sha256,
                found=found,
                hint="It was not kept. Either it was damaged on the way, then try again; or the repository or a proxy serves other bytes "
                f"under {artifact.org}:{artifact.name}:{artifact.version}, then use another mirror ({ivy.SETTINGS_VARIABLE}).",
            )
        os.replace(source, self.path(artifact))
        self._stamps[artifact.file] = stamp_of(self.path(artifact), artifact.sha256)
        self._save()

    def _save(self) -> None:
        write_atomically(self._stamps_path, json.dumps(self._stamps, indent=1).encode())


def stamp_of(path: Path, digest: str) -> list[str | int]:
    status = path.stat()
    return [digest, status.st_size, status.st_mtime_ns]


def provide(
    group: str,
    *,
    children: Children,
    cache: Path | None = None,
    lock_path: Path = LOCK_PATH,
    progress: Callable[[Progress], None] = lambda _: None,
) -> list[Path]:
    """The verified files of a group, in the lock's order; missing and damaged ones are fetched. Safe among processes.

    Raises ArtifactRefused, ArtifactsUnavailable, Stopping.
    """
    cache = cache or cache_directory()
    artifacts = locked(group, lock_path)
    directory = cache / "artifacts" / group
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtifactsUnavailable(
            f"The cache {directory} cannot be written: {error}.", "Set PIBRIDGE_CACHE to a directory of yours."
        ) from error
    with exclusive(cache / "artifacts" / f"{group}.lock", children):
        shelf = Shelf(directory)
        missing = [artifact for artifact in artifacts if not shelf.sound(artifact)]
        if missing:
            fetch(group, missing, shelf, cache, children, progress)
    return [shelf.path(artifact) for artifact in artifacts]


def fetch(group: str, missing: list[Artifact], shelf: Shelf, cache: Path, children: Children, progress: Callable[[Progress], None]) -> None:
    work = cache / "fetching" / group  # kept when interrupted: the next try goes on with what has come
    arrived = work / "files"
    shutil.rmtree(arrived, ignore_errors=True)
    files = {artifact.file for artifact in missing}
    seen_bytes, seen_at, reported_at = -1, time.monotonic(), 0.0

    def watch() -> None:
        nonlocal seen_bytes, seen_at, reported_at
        now = time.monotonic()
        if now - reported_at < REPORT_SECONDS:
            return
        reported_at = now
        done, size = on_disk(work, files)
        if size != seen_bytes:
            seen_bytes, seen_at = size, now
        elif now - seen_at > STALL_SECONDS:
            raise ArtifactsUnavailable(
                f"Nothing has come from the Maven repository for {STALL_SECONDS:g} s while fetching {group}.",
                f"Look at the network or the proxy, then try again; what has come so far is kept. Ivy's log is {work / 'ivy.log'}.",
            )
        progress(Progress(group, done, len(missing), size))

    progress(Progress(group, 0, len(missing), 0))
    wanted = [ivy.Dependency(a.org, a.name, a.version, a.ext, a.classifier) for a in missing]
    pattern = f"{arrived}/[artifact]-[revision](-[classifier]).[ext]"
    ivy.retrieve(wanted, pattern=pattern, work=work, cache=cache, children=children, watch=watch)
    total = 0
    try:
        for artifact in missing:
            source = arrived / artifact.file
            if not source.is_file():
                raise ArtifactsUnavailable(f"Ivy did not deliver {artifact.file}.", f"Its log is {work / 'ivy.log'}.")
            total += source.stat().st_size
            shelf.put(artifact, source)
    except ArtifactRefused:
        shutil.rmtree(work)
        raise
    shutil.rmtree(work)
    progress(Progress(group, len(missing), len(missing), total))


def on_disk(work: Path, files: set[str]) -> tuple[int, int]:
    """How many of the files have arrived somewhere under `work`, and the bytes of them and of those on the way (`.part`)."""
    sizes: dict[str, int] = {}
    arrived = set()
    for directory, _, names in os.walk(work):
        for name in names:
            file = name.removesuffix(".part")
            if file in files:
                with suppress(FileNotFoundError):  # Ivy moves files about
                    sizes[file] = max(sizes.get(file, 0), os.stat(os.path.join(directory, name)).st_size)
                    if name == file:
                        arrived.add(file)
    return len(arrived), sum(sizes.values())


@contextmanager
def exclusive(path: Path, children: Children) -> Iterator[None]:
    """Held by one process, and one thread in it, at a time; the system frees it when the holder ends. Raises Stopping while waiting."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                children.pause(f"Waiting for {path.name}", 0.1)
        yield
