from __future__ import annotations

import os
import socket

import pytest

from eddy.errors import StackError
from eddy.stack.ports import answers, free_ports, holder, is_free, require_free


def test_free_ports_are_free_and_different() -> None:
    ports = free_ports(8)
    assert len(set(ports)) == 8
    assert all(is_free(port) for port in ports)
    assert not any(answers(port) for port in ports)


def test_taken_port_is_named_with_its_setting_and_holder() -> None:
    (port,) = free_ports(1)
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
        assert answers(port)
        assert f"pid {os.getpid()} (" in holder(port)
        expected = rf"^port {port} \(stack\.kafka_port\) is held by pid {os.getpid()} .*--set stack\.kafka_port="
        with pytest.raises(StackError, match=expected) as caught:
            require_free({"stack.kafka_port": port}, "127.0.0.1")
        assert "\n" not in str(caught.value)
    require_free({"stack.kafka_port": port}, "127.0.0.1")
