"""Signatures of manifests: who built a snapshot, where sha256 only says that it is whole.

HMAC-SHA256 (RFC 2104) with one secret on both sides, or Ed25519 (RFC 8032) with a private key where snapshots are
built and its public key where they are served. What is signed are the bytes of manifest.json as they are.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from recsys.errors import InputError, SnapshotCorrupt
from recsys.snapshot.canonical import canonical, parsed

_MIN_SECRET_BYTES = 32
_LOWER_HEX = re.compile(r"([0-9a-f]{2})+")
_FORMS = 'must be "hmac:<hex>", "ed25519:<hex>" or an Ed25519 key in PEM'


@dataclass(frozen=True, slots=True)
class HmacKey:
    """A shared secret of at least 32 bytes; signs and verifies."""

    algorithm: ClassVar[str] = "hmac-sha256"
    secret: bytes = field(repr=False)

    @property
    def key_id(self) -> str:
        """Names the key without giving it away: 16 hex digits."""
        return hmac.digest(self.secret, b"tributary key id", "sha256").hex()[:16]

    def sign(self, message: bytes) -> bytes:
        """The 32 bytes of HMAC-SHA256."""
        return hmac.digest(self.secret, message, "sha256")

    def accepts(self, message: bytes, signature: bytes) -> bool:
        """Whether ``signature`` is this key's of ``message``; takes the same time wherever they differ."""
        return hmac.compare_digest(self.sign(message), signature)


@dataclass(frozen=True, slots=True)
class Ed25519VerifyKey:
    """The public half: verifies only."""

    algorithm: ClassVar[str] = "ed25519"
    public: Ed25519PublicKey = field(repr=False)

    @property
    def key_id(self) -> str:
        """Names the key: 16 hex digits of its sha256."""
        return hashlib.sha256(self.public.public_bytes_raw()).hexdigest()[:16]

    def accepts(self, message: bytes, signature: bytes) -> bool:
        """Whether ``signature`` is this key's of ``message``."""
        try:
            self.public.verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Ed25519SigningKey:
    """The private half: signs."""

    algorithm: ClassVar[str] = "ed25519"
    private: Ed25519PrivateKey = field(repr=False)

    @property
    def public(self) -> Ed25519VerifyKey:
        """The half to hand to those who verify."""
        return Ed25519VerifyKey(self.private.public_key())

    @property
    def key_id(self) -> str:
        """The public half's."""
        return self.public.key_id

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature."""
        return self.private.sign(message)


SigningKey = HmacKey | Ed25519SigningKey
VerifyKey = HmacKey | Ed25519VerifyKey


def sign(manifest: bytes, key: SigningKey) -> bytes:
    """The contents of manifest.sig for the bytes of manifest.json: JSON {algorithm, key_id, signature in hex}."""
    return canonical({"algorithm": key.algorithm, "key_id": key.key_id, "signature": key.sign(manifest).hex()})


def signature_fields(raw: bytes) -> dict[str, str]:
    """algorithm, key_id and signature of a manifest.sig, believed no further. SnapshotCorrupt on any other form."""
    try:
        fields = parsed(raw)
    except ValueError as error:
        raise SnapshotCorrupt("manifest.sig is not JSON") from error
    if not isinstance(fields, dict) or set(fields) != {"algorithm", "key_id", "signature"}:
        raise SnapshotCorrupt("manifest.sig must have the fields algorithm, key_id and signature")
    if not all(isinstance(value, str) for value in fields.values()) or canonical(fields) != raw:
        raise SnapshotCorrupt("manifest.sig was altered: it is not as it was written")
    return fields


def verify(manifest: bytes, signature: bytes | None, key: VerifyKey) -> None:
    """Check that ``signature`` (the contents of manifest.sig, None without one) is ``key``'s of ``manifest``.

    The key says how it is verified; what the file says can only disagree, never choose. SnapshotCorrupt otherwise.
    """
    if signature is None:
        raise SnapshotCorrupt("manifest.sig is missing: only signed snapshots are accepted here")
    fields = signature_fields(signature)
    if fields["algorithm"] != key.algorithm:
        raise SnapshotCorrupt(f"manifest.sig must be made with {key.algorithm}, got {fields['algorithm'][:20]!r}")
    if fields["key_id"] != key.key_id:
        raise SnapshotCorrupt(f"manifest.sig must be made with key {key.key_id}, got {fields['key_id'][:20]!r}")
    if not _LOWER_HEX.fullmatch(fields["signature"]) or not key.accepts(manifest, bytes.fromhex(fields["signature"])):
        raise SnapshotCorrupt("manifest.sig is not the signature of this manifest.json")


def signing_key(text: str) -> SigningKey:
    """The key that ``text`` spells: "hmac:<hex, at least 32 bytes>", "ed25519:<hex of 32 bytes>" or PEM (private)."""
    text = text.strip()
    if text.startswith("hmac:"):
        return _hmac_key(text)
    if text.startswith("ed25519:"):
        return Ed25519SigningKey(Ed25519PrivateKey.from_private_bytes(_hex(text, at_least=32, at_most=32)))
    try:
        private = load_pem_private_key(text.encode("utf-8"), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # "from None": the library's message may quote the text, and the text is the secret.
        raise InputError(f"a signing key {_FORMS} (private, without a passphrase)") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise InputError(f"a signing key {_FORMS} (private), got another kind of key in PEM")
    return Ed25519SigningKey(private)


def verify_key(text: str) -> VerifyKey:
    """The key that ``text`` spells: "hmac:<hex, at least 32 bytes>", "ed25519:<hex of 32 bytes>" or PEM (public)."""
    text = text.strip()
    if text.startswith("hmac:"):
        return _hmac_key(text)
    if text.startswith("ed25519:"):
        return Ed25519VerifyKey(Ed25519PublicKey.from_public_bytes(_hex(text, at_least=32, at_most=32)))
    try:
        public = load_pem_public_key(text.encode("utf-8"))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InputError(f"a verify key {_FORMS} (public)") from None
    if not isinstance(public, Ed25519PublicKey):
        raise InputError(f"a verify key {_FORMS} (public), got another kind of key in PEM")
    return Ed25519VerifyKey(public)


def key_text(value: str) -> str:
    """``value`` itself, or the contents of the file when it is ``@/path/to/file``. InputError without that file."""
    if not value.startswith("@"):
        return value
    try:
        return Path(value[1:]).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"key file {value[1:]} cannot be read") from error


def _hmac_key(text: str) -> HmacKey:
    return HmacKey(_hex(text, at_least=_MIN_SECRET_BYTES, at_most=None))


def _hex(text: str, *, at_least: int, at_most: int | None) -> bytes:
    kind, _, digits = text.partition(":")
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        raise InputError(f"a key after {kind}: must be hex digits only") from None
    if len(raw) < at_least or (at_most is not None and len(raw) > at_most):
        raise InputError(
            f"a key after {kind}: must have {'at least ' if at_most is None else ''}{at_least} bytes, got {len(raw)}"
        )
    return raw
