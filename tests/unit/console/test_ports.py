from __future__ import annotations

import socket

import pytest

from console.stack.errors import PortBusy
from console.stack.ports import LOOPBACK, free_port, on_free_port


def test_a_free_port_can_be_listened_on() -> None:
    with socket.socket() as server:
        server.bind((LOOPBACK, free_port()))
        server.listen()


def test_a_port_asked_for_by_number_that_is_in_use_is_named() -> None:
    with socket.socket() as server:
        server.bind((LOOPBACK, 0))
        server.listen()
        port = server.getsockname()[1]
        with pytest.raises(PortBusy, match=f"Port {port} on 127.0.0.1 is in use. Stop the program"):
            free_port(port)


def test_a_server_that_loses_its_port_to_another_gets_a_second_one() -> None:
    tried: list[int] = []

    def serve(port: int) -> int:
        tried.append(port)
        if len(tried) == 1:
            raise PortBusy("taken in between")
        return port

    assert on_free_port(serve) == tried[1]
    assert len(tried) == 2


def test_a_port_asked_for_by_number_is_not_replaced_by_another() -> None:
    wanted = free_port()
    tried: list[int] = []

    def serve(port: int) -> int:
        tried.append(port)
        raise PortBusy("taken in between")

    with pytest.raises(PortBusy):
        on_free_port(serve, wanted)
    assert tried == [wanted]


def test_after_some_tries_a_busy_port_is_told() -> None:
    tried: list[int] = []

    def serve(port: int) -> int:
        tried.append(port)
        raise PortBusy("taken in between")

    with pytest.raises(PortBusy):
        on_free_port(serve)
    assert 1 < len(tried) < 10
