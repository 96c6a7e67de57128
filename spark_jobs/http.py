"""HTTP clients for the registry and the catalog."""

import ipaddress
import ssl
from urllib.parse import urlsplit

import httpx2

_TIMEOUT_SECONDS = 10.0


def client(url: str, ca_file: str | None, auth: httpx2.Auth | None = None, token: str | None = None) -> httpx2.Client:
    """A client below an address; it trusts `ca_file` alone, if there is one. For this very machine no proxy of the environment is asked."""
    return httpx2.Client(
        base_url=url,
        auth=auth,
        headers={"Authorization": f"Bearer {token}"} if token else {},
        verify=ssl.create_default_context(cafile=ca_file) if ca_file else True,
        timeout=_TIMEOUT_SECONDS,
        trust_env=not _is_loopback(url),
    )


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
