"""How a channel reaches a server: plain text on this machine only, keepalive, the largest answer."""

from __future__ import annotations

import re
from ipaddress import ip_address

import grpc

from client.service_config import for_channel

LARGEST_ANSWER = 64 * 1024 * 1024
# A server of gRPC's defaults hangs up on a client that pings more often than every five minutes. Keepalive also makes
# the kernel give up a connection on which data stay unacknowledged for KEEPALIVE_TIMEOUT_S, and that needs no ping.
KEEPALIVE_S = 300.0
KEEPALIVE_TIMEOUT_S = 10.0


def channel_options(keepalive_s: float, largest_answer: int) -> list[tuple[str, str | int]]:
    """gRPC's channel arguments. ``keepalive_s``: between pings while a call waits; ``largest_answer`` in bytes.

    ValueError when either is not above 0.
    """
    if not keepalive_s > 0:
        raise ValueError(f"keepalive_s must be above 0, got {keepalive_s}")
    if not largest_answer > 0:
        raise ValueError(f"largest_answer must be above 0 bytes, got {largest_answer}")
    return [
        ("grpc.service_config", for_channel()),
        ("grpc.enable_retries", 1),
        ("grpc.max_receive_message_length", largest_answer),
        ("grpc.keepalive_time_ms", round(keepalive_s * 1e3)),
        ("grpc.keepalive_timeout_ms", round(KEEPALIVE_TIMEOUT_S * 1e3)),
        # Several clients in one process get connections of their own, and so reach several workers of one port.
        ("grpc.use_local_subchannel_pool", 1),
    ]


def channel_credentials(
    target: str,
    credentials: grpc.ChannelCredentials | None,
    call_credentials: grpc.CallCredentials | None,
    *,
    insecure: bool,
) -> grpc.ChannelCredentials | None:
    """What to open a secure channel with; None for plain text.

    ValueError for plain text to another machine without ``insecure``, and for what contradicts itself.
    """
    if credentials is not None:
        if insecure:
            raise ValueError("insecure means plain text: give either it or credentials")
        if call_credentials is None:
            return credentials
        return grpc.composite_channel_credentials(credentials, call_credentials)
    if call_credentials is not None:
        raise ValueError("call_credentials need credentials: gRPC sends no token in plain text")
    if not insecure and not is_loopback(target):
        raise ValueError(f"{target} is not this machine: give credentials, or insecure=True for plain text")
    return None


def is_loopback(target: str) -> bool:
    """Whether ``target``, in any of gRPC's notations, is certainly on this machine."""
    scheme, _, rest = target.partition(":")
    if scheme in ("unix", "unix-abstract"):
        return True
    if scheme in ("ipv4", "ipv6"):
        return all(_is_loopback_host(address) for address in rest.split(","))
    # dns:[//resolver/]host:port, or without the scheme
    if scheme == "dns":
        return _is_loopback_host(re.sub(r"^//[^/]*/", "", rest))
    return "/" not in target and _is_loopback_host(target)


def _is_loopback_host(address: str) -> bool:
    host = address[1:].partition("]")[0] if address.startswith("[") else address
    # One colon parts host and port; more of them are an IPv6 address without a port.
    if host == address and host.count(":") == 1:
        host = host.partition(":")[0]
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
