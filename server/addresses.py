"""Which addresses only this machine can reach: a server's own, and what a client is told to call."""

from __future__ import annotations

import ipaddress

LOOPBACK_NAMES = ("localhost", "ip6-localhost")
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
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    for scheme in _ADDRESS_SCHEMES:
        if target.startswith(scheme):
            target = target.removeprefix(scheme)
            break
    return all(is_loopback(_host(one)) for one in target.split(","))


def _host(address: str) -> str:
    if address.startswith("["):
        return address[1:].partition("]")[0]
    # More than one colon and no brackets: an IPv6 address without a port.
    return address if address.count(":") > 1 else address.partition(":")[0]
