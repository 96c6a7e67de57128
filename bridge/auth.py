"""Credentials as request headers, for REST and for the handshake of a channel alike (pi-web-api.md 3.6, 7.1)."""

import base64

from schemas.config import Anonymous, BasicAuth


def headers(auth: BasicAuth | Anonymous) -> dict[str, str]:
    """The headers that carry the credentials; never print them."""
    if auth.kind == "anonymous":
        return {}
    plain = f"{auth.username}:{auth.password.get_secret_value()}".encode()
    return {"Authorization": "Basic " + base64.b64encode(plain).decode("ascii")}
