"""Free loopback ports."""

from __future__ import annotations

import random
import re
import socket
from collections.abc import Callable
from typing import TypeVar

from console.stack.child import Child, Children
from console.stack.errors import ChildDied, PortBusy

T = TypeVar("T")

LOOPBACK = "127.0.0.1"
# Below the range from which systems take ports for outgoing connections, so that none of those slips in before the server listens.
FIRST, LAST = 20000, 32000
TRIES = 200
SERVER_TRIES = 3
IN_USE = re.compile(r"Address already in use|AddrInUse|failed to bind|seems to be in use", re.IGNORECASE)


def free_port(wanted: int | None = None) -> int:
    """A loopback port on which nothing listens, or `wanted` if that is free.

    Nothing reserves it: the caller starts a server on it at once and verifies that the one that answers is its own.
    Raises PortBusy.
    """
    if wanted is not None:
        if not listenable(wanted):
            raise PortBusy(f"Port {wanted} on {LOOPBACK} is in use.", "Stop the program that listens there, or choose another port.")
        return wanted
    for port in random.sample(range(FIRST, LAST), TRIES):
        if listenable(port):
            return port
    raise PortBusy(f"None of {TRIES} ports tried between {FIRST} and {LAST} on {LOOPBACK} is free.", "Stop some servers, then try again.")


def listenable(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def on_free_port(serve: Callable[[int], T], wanted: int | None = None) -> T:
    """What `serve` returns, called with a free port, or with `wanted`.

    Another program may take a port between our look and the server's start: `serve` raises PortBusy then, and gets another port,
    unless one was asked for. Raises PortBusy.
    """
    for left in reversed(range(SERVER_TRIES)):
        try:
            return serve(free_port(wanted))
        except PortBusy:
            if wanted is not None or not left:
                raise
    raise AssertionError("the loop above returns or raises")


def await_server(children: Children, child: Child, port: int, ready: Callable[[], bool], timeout_seconds: float) -> None:
    """Returns when `ready()` is true. Raises as Children.wait_until, and PortBusy if the server died of a port in use."""
    try:
        children.wait_until(ready, child, f"The start of {child.name}", timeout_seconds)
    except ChildDied as death:
        if IN_USE.search(child.log()) is None:
            raise
        children.stop_one(child)
        raise PortBusy(
            f"The server {child.name} could not listen on port {port}: it is in use.", f"Its log is {child.log_path}."
        ) from death
