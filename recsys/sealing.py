"""Opaque tokens: what is in them can be read, changed and made only by who has the server's key.

A token is Fernet's: a version byte, AES in CBC mode, and an HMAC-SHA256 over all of it, compared in constant time
before anything is read. Each purpose has keys of its own, so that no token can stand in for one of another kind.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from recsys.errors import InputError

_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){32,}")
_KEY_BYTES = 32

# What seals tokens now, then what sealed tokens that are still out.
Keys = tuple[bytes, ...]


class Seal:
    """Makes and opens tokens of one ``purpose``, which names the format too: payloads of another format do not open.

    keys: the first makes tokens, each of them opens those that it made. ValueError without any.
    """

    def __init__(self, keys: Keys, purpose: str) -> None:
        if not keys:
            raise ValueError("a seal needs a key")
        # Fernet's key is 32 bytes, half for the HMAC and half for the cipher.
        digests = [hmac.digest(key, purpose.encode(), "sha256") for key in keys]
        fernets = [Fernet(base64.urlsafe_b64encode(digest)) for digest in digests]
        self._maker, self._opener = fernets[0], MultiFernet(fernets)

    def sealed(self, payload: bytes) -> str:
        """A token of about 4/3 · (len(payload) + 65) characters that are safe in URLs; another one each time."""
        # Fernet's own time stamp can be read by everyone and is not used.
        return self._maker.encrypt_at_time(payload, 0).decode()

    def opened(self, token: str) -> bytes | None:
        """The payload of a token that ``sealed`` made with one of the keys and this purpose; None for anything else."""
        try:
            raw = token.encode("ascii")
            # Base64 has spellings that decode to the same bytes: only the one that was given out counts.
            if base64.urlsafe_b64encode(base64.urlsafe_b64decode(raw)) != raw:
                return None
            return self._opener.decrypt(raw)
        except (InvalidToken, ValueError):
            return None


def new_key() -> str:
    """A key nobody has had before, as ``keys_of`` reads it."""
    return secrets.token_hex(_KEY_BYTES)


def keys_of(text: str) -> Keys:
    """The keys that ``text`` spells in hex, one a line of 32 bytes or more. InputError otherwise, never quoting it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or not all(_HEX.fullmatch(line) for line in lines):
        raise InputError(
            "the key of --token-key must be lines of at least 64 hex digits, one a key: openssl rand -hex 32 makes one"
        )
    return tuple(bytes.fromhex(line) for line in lines)
