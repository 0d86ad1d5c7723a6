"""Which addresses only this machine can reach: a server's own, and what a client is told to call."""

from __future__ import annotations

import ipaddress
import socket

LOOPBACK_NAMES = ("localhost", "ip6-localhost")
_SOCKET_SCHEMES = ("unix:", "unix-abstract:")
_ADDRESS_SCHEMES = ("ipv4:", "ipv6:", "dns:///", "dns:")


def is_loopback(host: str) -> bool:
    """Whether ``host`` (a name or an address without a port) is this machine's loopback."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_local(target: str) -> bool:
    """Whether a gRPC target stays on this machine: a Unix socket, or nothing but loopback addresses.

    What is not understood is not local.
    """
    if target.startswith(_SOCKET_SCHEMES):
        return True
    return all(is_loopback(_host(one)) for one in _listed(target))


def resolved(target: str) -> tuple[tuple[str, int], ...]:
    """The addresses and ports that a gRPC target names or stands for; () where it stands for none."""
    found: dict[tuple[str, int], None] = {}
    for one in () if target.startswith(_SOCKET_SCHEMES) else _listed(target):
        port = one.rpartition(":")[2]
        try:
            told = socket.getaddrinfo(_host(one), int(port), type=socket.SOCK_STREAM)
        except (OSError, ValueError):
            continue
        found |= {(str(address[0]), int(address[1])): None for *_, address in told}
    return tuple(found)


def _listed(target: str) -> list[str]:
    for scheme in _ADDRESS_SCHEMES:
        if target.startswith(scheme):
            target = target.removeprefix(scheme)
            break
    return target.split(",")


def _host(address: str) -> str:
    if address.startswith("["):
        return address[1:].partition("]")[0]
    # More than one colon and no brackets: an IPv6 address without a port.
    return address if address.count(":") > 1 else address.partition(":")[0]
