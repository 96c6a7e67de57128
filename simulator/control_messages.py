"""The JSON of the control port: orders that are read strictly, answers, refusals."""

from typing import Any, TypeVar

import msgspec
from aiohttp import web

from simulator.api import Refusal

_Order = TypeVar("_Order", bound=msgspec.Struct)


async def read_order(raw: web.Request, kind: type[_Order]) -> _Order:
    """The body as an order of that kind. Refuses with 400 what is none."""
    try:
        return msgspec.json.decode(await raw.read(), type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise Refusal(400, str(error)) from None


def tell(item: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(item), content_type="application/json")


def refuse(refusal: Refusal) -> web.Response:
    return web.Response(status=refusal.answer.status, body=refusal.answer.body, content_type="application/json")
