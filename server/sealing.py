"""Opaque tokens: what is in them can be read, changed and made only by who has the server's key.

A token is Fernet's: a version byte, AES in CBC mode, and an HMAC-SHA256 over all of it, compared in constant time
before anything is read. Each purpose has keys of its own, so that no token can stand in for one of another kind.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets

from cryptography.fernet import Fernet, InvalidToken

from recsys.errors import InputError

_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){32,}")
_KEY_BYTES = 32


class Seal:
    """Makes and opens tokens of one ``purpose``, which names the format too: payloads of another format do not open."""

    def __init__(self, key: bytes, purpose: str) -> None:
        # Fernet's key is 32 bytes, half for the HMAC and half for the cipher.
        self._fernet = Fernet(base64.urlsafe_b64encode(hmac.digest(key, purpose.encode(), "sha256")))

    def sealed(self, payload: bytes) -> str:
        """A token of about 4/3 · (len(payload) + 65) characters that are safe in URLs; another one each time."""
        # Fernet's own time stamp can be read by everyone and is not used.
        return self._fernet.encrypt_at_time(payload, 0).decode()

    def opened(self, token: str) -> bytes | None:
        """The payload of a token that ``sealed`` made with the same key and purpose; None for anything else."""
        try:
            raw = token.encode("ascii")
            # Base64 has spellings that decode to the same bytes: only the one that was given out counts.
            if base64.urlsafe_b64encode(base64.urlsafe_b64decode(raw)) != raw:
                return None
            return self._fernet.decrypt(raw)
        except (InvalidToken, ValueError):
            return None


def new_key() -> str:
    """A key nobody has had before, as ``key_of`` reads it."""
    return secrets.token_hex(_KEY_BYTES)


def key_of(text: str) -> bytes:
    """The key that ``text`` spells in hex, 32 bytes or more. InputError otherwise, never quoting it."""
    digits = text.strip()
    if not _HEX.fullmatch(digits):
        raise InputError("the key of --token-key must be at least 64 hex digits: openssl rand -hex 32 makes one")
    return bytes.fromhex(digits)
