"""The port of a worker: plain, or TLS with certificates that may be replaced while it listens."""

from __future__ import annotations

from typing import cast

import grpc

from recsys.errors import InputError
from server.reread import Reread
from server.settings import Settings
from server.tls import Identity, TlsFiles, read_identity


def listen(server: grpc.Server, settings: Settings) -> int:
    """Give ``server`` its port, and return it. InputError when the address or the TLS files cannot be used."""
    try:
        if settings.tls is None:
            return server.add_insecure_port(settings.address)
        return server.add_secure_port(settings.address, _credentials(settings.tls))
    except RuntimeError as error:
        raise InputError(f"--address {settings.address} cannot be listened on") from error


def _credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Credentials that follow the files: gRPC asks before every handshake."""
    identities = Reread(files.paths, lambda: read_identity(files))
    told = identities.get()

    def fetched() -> grpc.ServerCertificateConfiguration | None:
        nonlocal told
        identity = identities.get()
        if identity is told:
            return None
        told = identity
        return _configuration(identity)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(told),
        # None means no change, which the hints do not know.
        cast("type[grpc.ServerCertificateConfiguration]", fetched),
        require_client_authentication=files.client_ca is not None,
    )


def _configuration(identity: Identity) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(identity.key, identity.cert)], identity.client_ca)
