"""`python -m bridge check`: looks at everything the bridge needs, says all that is wrong at once, changes nothing."""

import asyncio

from bridge.check_kafka import check_kafka
from bridge.check_pi import check_pi
from bridge.check_registry import check_registry
from bridge.errors import NotReady
from bridge.findings import Finding
from bridge.piwebapi import PIWebAPI
from runtime.masking import Mask
from schemas.config import Config


async def check(config: Config, mask: Mask) -> list[Finding]:
    """All findings, PI, Kafka and registry in this order, whatever fails; no secret is in any of them."""
    pi, kafka, registry = await asyncio.gather(
        _pi(config, mask), asyncio.to_thread(check_kafka, config), asyncio.to_thread(check_registry, config)
    )
    return [Finding(f.check, f.status, mask.text(f.detail), mask.text(f.hint)) for f in (*pi, *kafka, *registry)]


async def _pi(config: Config, mask: Mask) -> list[Finding]:
    try:
        pi = PIWebAPI(config.pi, mask=mask)
    except NotReady as error:
        return [Finding("pi.tls", "problem", str(error), "PI was not asked")]
    try:
        return await check_pi(config.pi, pi)
    finally:
        await pi.close()
