"""Ports for servers that cannot be told to choose one themselves, or that must have the same one when they start again.

They lie below those that the kernel gives to clients: a port of theirs that was free a moment ago may be one end of some other
test's connection in the next."""
import random
import socket
from pathlib import Path

HOW_MANY = 12000
_given = set()


def free_port():
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in random.sample(range(first - HOW_MANY, first), HOW_MANY):
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise OSError("no port is free")


def _is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
