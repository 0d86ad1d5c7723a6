"""The files of TLS, read and checked without gRPC: a server that cannot use them says so before it starts."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from recsys.errors import InputError


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Certificate chain and key in PEM; ``client_ca``: the CA whose certificate every client must present, or None."""

    cert: Path
    key: Path
    client_ca: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files there are."""
        return (self.cert, self.key, *([self.client_ca] if self.client_ca else []))


@dataclass(frozen=True, slots=True)
class Identity:
    """What was in the files: chain and key belong together, ``client_ca`` holds a certificate where it is given."""

    cert: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None


def read_identity(files: TlsFiles) -> Identity:
    """The files' contents. InputError in one sentence when one is missing, no PEM, or not the other's match."""
    found = _contents(files)
    check_pair(files.cert, files.key, prefix="--tls-")
    if found.client_ca is not None:
        check_authority(found.client_ca, f"--tls-client-ca {files.client_ca}")
    if _contents(files) != found:
        raise InputError(f"--tls-cert {files.cert} and --tls-key {files.key} changed while they were read")
    return found


def check_pair(cert: Path, key: Path, *, prefix: str = "--") -> None:
    """InputError, naming the flags ``<prefix>cert`` and ``<prefix>key``, unless both are PEM and belong together."""
    try:
        # OpenSSL would ask the terminal for a passphrase.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=_no_passphrase)
    except (ssl.SSLError, ValueError) as error:
        if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
            raise InputError(f"{prefix}key {key} is not the key of {prefix}cert {cert}") from None
        raise InputError(
            f"{prefix}cert {cert} must be a certificate in PEM and {prefix}key {key} its key in PEM, "
            "without a passphrase"
        ) from None
    except OSError as error:
        raise InputError(f"{prefix}cert {cert} and {prefix}key {key} cannot be read: {error.strerror}") from error


def check_authority(pem: bytes, name: str) -> None:
    """InputError, beginning with ``name``, unless ``pem`` holds a certificate."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise InputError(f"{name} must hold a certificate in PEM") from None


def _contents(files: TlsFiles) -> Identity:
    return Identity(
        cert=_bytes("--tls-cert", files.cert),
        key=_bytes("--tls-key", files.key),
        client_ca=_bytes("--tls-client-ca", files.client_ca) if files.client_ca else None,
    )


def _bytes(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{name} {path} cannot be read: {error.strerror}") from error


def _no_passphrase() -> str:
    raise ValueError("a passphrase is needed")
