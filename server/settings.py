"""What changes operations: flags and RECSYS_* variables, validated once. The supervisor uses it: nothing heavy here."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from recsys.errors import InputError
from server.addresses import is_loopback
from server.setting_values import (
    OFF,
    address,
    cache,
    choice,
    encoder,
    file,
    masked,
    masked_url,
    milliseconds,
    number,
    seconds,
    seconds_or_off,
    share,
    state,
    switch,
)
from server.tls import TlsFiles

DEFAULT_ADDRESS = "127.0.0.1:50051"
NEW_KEY = "a new key"
_PATHS = ("scratch", "compiled_cache", "tls_cert", "tls_key", "tls_client_ca", "tokens")


@dataclass(frozen=True, slots=True)
class Settings:
    """One server's settings, all valid.

    snapshots: folder of published snapshots · host, port: where to listen, port 0 = any free one · workers: processes
    · clock: "now" or "snapshot" · reflection: whether callers may ask for the schema · insecure: allows a public
    address without TLS and tokens · verify_key: "" or the key every snapshot must be signed with, or @file · poll_s:
    how often to look for a new snapshot · max_concurrent: calls a worker takes on before it refuses more · grace_s:
    how long running calls may take to finish at the end · compiled_cache: folder of compiled rankers, None: LightGBM
    scores · tls_cert, tls_key: both or neither, PEM files · tls_client_ca: PEM file, clients must present a
    certificate of it · tokens: file of the bearer tokens that are let in, None: everybody is · token_key: what page and
    attribution tokens are sealed with, or @file, "": a new key each start · encoder: address of one, or "" ·
    longest_wait_ms: calls that would wait longer before they are begun are refused, None: however long · state: where
    what happens between rebuilds is kept, a folder or a URL, "" nowhere · log_slates: share of answers that are kept ·
    statistics_s: seconds between two countings of live events into item statistics, None: never · scratch: a folder
    of this server's own while it runs, None without one.
    """

    snapshots: Path
    host: str
    port: int
    workers: int = 1
    clock: str = "now"
    reflection: bool = True
    insecure: bool = False
    verify_key: str = ""
    poll_s: float = 1.0
    max_concurrent: int = 256
    grace_s: float = 30.0
    compiled_cache: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    tokens: Path | None = None
    token_key: str = ""
    encoder: str = ""
    longest_wait_ms: float | None = None
    state: str = ""
    log_slates: float = 0.0
    statistics_s: float | None = 60.0
    scratch: Path | None = None

    @property
    def tls(self) -> TlsFiles | None:
        """The files of TLS; None on a server that speaks plain text."""
        if self.tls_cert is None or self.tls_key is None:
            return None
        return TlsFiles(self.tls_cert, self.tls_key, self.tls_client_ca)

    @property
    def address(self) -> str:
        """HOST:PORT, with brackets around an IPv6 host."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def at_port(self, port: int) -> Settings:
        """The same settings at another port."""
        return replace(self, port=port)

    def sealed_with(self, token_key: str) -> Settings:
        """The same settings with the key itself in place of its file or of none."""
        return replace(self, token_key=token_key)

    def with_scratch(self, folder: Path) -> Settings:
        """The same settings with a folder of the server's own."""
        return replace(self, scratch=folder)

    def lines(self) -> list[str]:
        """Readable lines, one a setting, secrets masked."""
        shown = {name: OFF if value is None else value for name, value in asdict(self).items()}
        del shown["scratch"]  # nobody set it
        shown["verify_key"] = masked(self.verify_key)
        shown["token_key"] = masked(self.token_key) or NEW_KEY
        shown["state"] = masked_url(self.state) or OFF
        return [f"{name:<15} {value}" for name, value in shown.items()]

    def to_json(self) -> str:
        """One line; the inverse of ``from_json``. Holds the secrets: for a worker's standard input only."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, line: str) -> Settings:
        """The settings that ``to_json`` wrote."""
        values = json.loads(line)
        paths = {name: values[name] and Path(values[name]) for name in _PATHS}
        return cls(**values | paths | {"snapshots": Path(values["snapshots"])})


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Settings from flags, else RECSYS_* variables, else defaults. InputError in one sentence on a bad value.

    Bad usage of the flags themselves ends the process with 2, as argparse does.
    """
    flags = vars(_parser().parse_args(arguments))
    values = {name: flags[name] if flags[name] is not None else environment.get(_variable(name)) for name in flags}
    if values["verify_key"] == "":
        raise InputError("RECSYS_VERIFY_KEY is set but empty: unset it to accept unsigned snapshots, or give the key")
    if values["token_key"] == "":
        raise InputError("RECSYS_TOKEN_KEY is set but empty: unset it to have a new key drawn, or give the key")
    if flags["token_key"] is not None and not flags["token_key"].startswith("@"):
        raise InputError("--token-key must be @FILE: process lists show what stands on a command line")
    if not values["snapshots"]:
        raise InputError("--snapshots DIR (or RECSYS_SNAPSHOTS) is required")
    host, port = address("--address", values["address"] or DEFAULT_ADDRESS)
    is_public = not is_loopback(host)
    insecure = switch("--insecure", values["insecure"], default=False)
    files = {name: file(values[name]) for name in ("tls_cert", "tls_key", "tls_client_ca", "tokens")}
    _check_tls(files)
    missing = [_flag(name) for name in ("tls_cert", "tls_key", "tokens") if files[name] is None]
    if is_public and missing and not insecure:
        raise InputError(
            f"--address must be a loopback address unless TLS and tokens protect it, got {host!r} without "
            f"{', '.join(missing)}; --insecure serves whoever can reach it all the same"
        )
    return Settings(
        snapshots=Path(values["snapshots"]).absolute(),
        host=host,
        port=port,
        workers=number("--workers", values["workers"], default=1, lowest=1, highest=256),
        clock=choice("--clock", values["clock"], ("now", "snapshot")),
        reflection=switch("--reflection", values["reflection"], default=not is_public),
        insecure=insecure,
        verify_key=values["verify_key"] or "",
        poll_s=seconds("--poll-s", values["poll_s"], default=1.0, lowest=0.05),
        max_concurrent=number("--max-concurrent", values["max_concurrent"], default=256, lowest=1, highest=10**6),
        grace_s=seconds("--grace-s", values["grace_s"], default=30.0, lowest=0.0),
        compiled_cache=cache(values["compiled_cache"], environment),
        token_key=values["token_key"] or "",
        encoder=encoder(values["encoder"] or ""),
        longest_wait_ms=milliseconds("--longest-wait-ms", values["longest_wait_ms"]),
        state=state(values["state"] or ""),
        log_slates=share("--log-slates", values["log_slates"]),
        statistics_s=seconds_or_off("--statistics-s", values["statistics_s"], default=60.0, lowest=1.0),
        **files,
    )


def parse_process(arguments: Sequence[str]) -> Settings:
    """Settings of this process: its flags and its environment."""
    return parse(arguments, os.environ)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="recsys-server",
        description="Answer recommendation requests over gRPC from the snapshot that is CURRENT.",
        epilog="Every flag can also be given as a variable: RECSYS_SNAPSHOTS, RECSYS_ADDRESS, RECSYS_WORKERS, ...; "
        "RECSYS_VERIFY_KEY (a key or @file) makes the server refuse snapshots that are not signed with it. "
        "Files of TLS and tokens are read again when they change. recsys-server token --help: make a token.",
    )
    parser.add_argument("--snapshots", metavar="DIR", help="folder of published snapshots")
    parser.add_argument("--address", metavar="HOST:PORT", help=f"default {DEFAULT_ADDRESS}; port 0 picks a free one")
    parser.add_argument("--workers", metavar="N", help="processes that share the port, default 1")
    parser.add_argument("--clock", metavar="now|snapshot", help="snapshot: time starts at the snapshot's last event")
    parser.add_argument("--reflection", metavar="on|off", help="default: on for a loopback address, else off")
    parser.add_argument(
        "--insecure", action="store_const", const="on", help="an address that others can reach, without TLS and tokens"
    )
    parser.add_argument("--tls-cert", metavar="FILE", help="PEM: the server's certificate and those that vouch for it")
    parser.add_argument("--tls-key", metavar="FILE", help="PEM: the certificate's key, without a passphrase")
    parser.add_argument("--tls-client-ca", metavar="FILE", help="PEM: clients must present a certificate of this CA")
    parser.add_argument("--tokens", metavar="FILE", help="who may call, a line each: sha256-hex role[,role] name")
    parser.add_argument(
        "--token-key",
        metavar="@FILE",
        help="what page and attribution tokens are sealed with, the same for all servers behind one address: 64 hex "
        "digits or more; default a new key each start",
    )
    parser.add_argument(
        "--encoder",
        metavar="ADDRESS",
        help="HOST:PORT or unix:PATH of a recsys-encoder, for the meaning of searches; default: none, words alone",
    )
    parser.add_argument(
        "--state",
        metavar="DIR|redis://…",
        help="where events, profiles and changes of the catalogue between rebuilds are kept; default: nowhere; a URL "
        "with a password belongs into RECSYS_STATE, for process lists show what stands on a command line",
    )
    parser.add_argument(
        "--log-slates", metavar="SHARE", help="share of answers, 0 to 1, that are kept in --state; default 0"
    )
    parser.add_argument(
        "--statistics-s",
        metavar="S|off",
        help="seconds between two countings of the events in --state into item statistics: what is popular, trending, "
        "new; default 60; off: as the snapshot has them",
    )
    parser.add_argument("--poll-s", metavar="S", help="seconds between looks for a new snapshot, default 1")
    parser.add_argument("--max-concurrent", metavar="N", help="calls a worker takes on before refusing, default 256")
    parser.add_argument(
        "--longest-wait-ms",
        metavar="MS|off",
        help="refuse calls that would wait longer before they are begun; default off: only --max-concurrent counts",
    )
    parser.add_argument("--grace-s", metavar="S", help="seconds that running calls get to finish, default 30")
    parser.add_argument(
        "--compiled-cache",
        metavar="DIR|off",
        help="where rankers compiled for this machine are kept, default ~/.cache/tributary/forests; off: never compile",
    )
    # A key on the command line would show in every process list: variable only.
    parser.set_defaults(verify_key=None)
    return parser


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _variable(name: str) -> str:
    return f"RECSYS_{name.upper()}"


def _check_tls(files: Mapping[str, Path | None]) -> None:
    for needing, needed in (("tls_cert", "tls_key"), ("tls_key", "tls_cert"), ("tls_client_ca", "tls_cert")):
        if files[needing] is not None and files[needed] is None:
            raise InputError(f"{_flag(needing)} needs {_flag(needed)} beside it")
