"""TLS towards PI and its token endpoint: always verified, and a sentence for what was refused (pi-web-api.md 7.2)."""

import ssl
from functools import lru_cache

from bridge.errors import NotReady

_NOT_THIS_HOST = frozenset({62, 64})
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""


@lru_cache(maxsize=8)
def trust(ca_file: str | None) -> ssl.SSLContext:
    """TLS settings that verify certificate and host name, against `ca_file` or the operating system's authorities. Raises NotReady."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise NotReady(f"pi.ca_file {ca_file} cannot be used: {error}; it must hold certificates in PEM form") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def distrust(error: BaseException, host: str) -> str | None:
    """Why a certificate was refused, if that is what is behind an error; None if it is not."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return None
    if cause.verify_code in _NOT_THIS_HOST:
        return f"the certificate that answered for {host} is not made out to {host} ({cause.verify_message}); nothing was sent"
    return (
        f"the certificate of {host} is not trusted ({cause.verify_message}); nothing was sent. If it comes from the plant's own authority, "
        "set pi.ca_file to that authority's certificate"
    )
