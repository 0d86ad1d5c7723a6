from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from recsys.errors import InputError, SnapshotCorrupt
from recsys.snapshot.signature import (
    Ed25519SigningKey,
    HmacKey,
    SigningKey,
    VerifyKey,
    key_text,
    sign,
    signing_key,
    verify,
    verify_key,
)

MANIFEST = b'{"schema": 1}\n'
SECRET = bytes(range(32))
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
HMAC = HmacKey(SECRET)
SIGNER = Ed25519SigningKey(PRIVATE)
PAIRS: list[tuple[SigningKey, VerifyKey]] = [(HMAC, HMAC), (SIGNER, SIGNER.public)]


def private_pem(private: Ed25519PrivateKey | RSAPrivateKey = PRIVATE, passphrase: bytes | None = None) -> str:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def public_pem(private: Ed25519PrivateKey | RSAPrivateKey = PRIVATE) -> str:
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(("signer", "verifier"), PAIRS)
def test_a_signature_verifies_with_its_own_key_over_the_same_bytes(signer: SigningKey, verifier: VerifyKey) -> None:
    signature = sign(MANIFEST, signer)
    verify(MANIFEST, signature, verifier)
    with pytest.raises(SnapshotCorrupt, match="not the signature of this"):
        verify(MANIFEST.replace(b"1", b"2"), signature, verifier)


def test_the_hmac_is_plain_hmac_sha256_of_the_manifest() -> None:
    fields = json.loads(sign(MANIFEST, HMAC))
    assert fields["algorithm"] == "hmac-sha256"
    assert fields["signature"] == hmac.new(SECRET, MANIFEST, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(("signer", "verifier"), PAIRS)
def test_an_unsigned_manifest_is_refused(signer: SigningKey, verifier: VerifyKey) -> None:
    with pytest.raises(SnapshotCorrupt, match=r"manifest\.sig is missing"):
        verify(MANIFEST, None, verifier)


@pytest.mark.parametrize(
    ("signer", "verifier"),
    [
        (HmacKey(bytes(32)), HMAC),
        (Ed25519SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(32))), SIGNER.public),
    ],
)
def test_another_key_of_the_same_kind_is_refused_even_under_the_right_key_id(
    signer: SigningKey, verifier: VerifyKey
) -> None:
    signature = sign(MANIFEST, signer)
    with pytest.raises(SnapshotCorrupt, match=f"must be made with key {verifier.key_id}"):
        verify(MANIFEST, signature, verifier)
    renamed = signature.replace(signer.key_id.encode(), verifier.key_id.encode())
    with pytest.raises(SnapshotCorrupt, match="not the signature of this"):
        verify(MANIFEST, renamed, verifier)


def test_an_hmac_keyed_with_the_public_key_does_not_pass_for_ed25519() -> None:
    public = PRIVATE.public_key().public_bytes_raw()
    forged = json.loads(sign(MANIFEST, HmacKey(public)))
    for algorithm in ("hmac-sha256", "ed25519", "none", ""):
        fields = forged | {"algorithm": algorithm, "key_id": SIGNER.key_id}
        raw = (json.dumps(fields, sort_keys=True, indent=1) + "\n").encode()
        with pytest.raises(SnapshotCorrupt, match=r"manifest\.sig"):
            verify(MANIFEST, raw, SIGNER.public)


def test_an_ed25519_signature_does_not_pass_for_hmac() -> None:
    with pytest.raises(SnapshotCorrupt, match="must be made with hmac-sha256, got 'ed25519'"):
        verify(MANIFEST, sign(MANIFEST, SIGNER), HMAC)


@pytest.mark.parametrize(("signer", "verifier"), PAIRS)
def test_every_flipped_bit_and_truncation_of_a_signature_is_refused(signer: SigningKey, verifier: VerifyKey) -> None:
    raw = sign(MANIFEST, signer)
    for position in range(len(raw)):
        for bit in (1, 32, 128):
            flipped = bytearray(raw)
            flipped[position] ^= bit
            with pytest.raises(SnapshotCorrupt):
                verify(MANIFEST, bytes(flipped), verifier)
        with pytest.raises(SnapshotCorrupt):
            verify(MANIFEST, raw[:position], verifier)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"algorithm": 1, "key_id": 2, "signature": 3}', b"[" * 100_000])
def test_what_is_no_signature_at_all_is_refused(raw: bytes) -> None:
    with pytest.raises(SnapshotCorrupt, match=r"manifest\.sig"):
        verify(MANIFEST, raw, HMAC)


def test_keys_are_spelled_as_hex_or_pem() -> None:
    hex_secret = f"hmac:{SECRET.hex()}\n"
    assert signing_key(hex_secret) == verify_key(hex_secret) == HMAC
    for private in (f"ed25519:{PRIVATE.private_bytes_raw().hex()}", private_pem()):
        for public in (f"ed25519:{PRIVATE.public_key().public_bytes_raw().hex()}", public_pem()):
            verify(MANIFEST, sign(MANIFEST, signing_key(private)), verify_key(public))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        "hmac:",
        "hmac:" + "00" * 31,
        "hmac:" + "0g" * 32,
        "ed25519:" + "00" * 31,
        "ed25519:" + "00" * 33,
        private_pem(passphrase=b"open sesame"),
        private_pem(generate_private_key(65537, 2048)),
        public_pem(generate_private_key(65537, 2048)),
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        "\udcff",
    ],
)
def test_a_bad_key_is_refused_without_being_quoted(text: str) -> None:
    for parse in (signing_key, verify_key):
        with pytest.raises(InputError, match="key") as caught:
            parse(text)
        assert text.partition(":")[2] == "" or text.partition(":")[2] not in str(caught.value)
        assert caught.value.__cause__ is None


def test_the_wrong_half_of_a_pair_is_refused() -> None:
    with pytest.raises(InputError, match="private"):
        signing_key(public_pem())
    with pytest.raises(InputError, match="public"):
        verify_key(private_pem())


def test_a_key_shows_nothing_of_itself_when_printed() -> None:
    for key in (HMAC, SIGNER, SIGNER.public):
        assert SECRET.hex() not in repr(key)
        assert repr(SECRET) not in repr(key)
        assert repr(key).endswith("()")
    assert HMAC.key_id not in SECRET.hex()
    assert len({HMAC.key_id, HmacKey(bytes(32)).key_id, SIGNER.key_id}) == 3


def test_a_value_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hmac:00")
    assert key_text(f"@{tmp_path / 'key'}") == "hmac:00"
    assert key_text("hmac:11") == "hmac:11"
    with pytest.raises(InputError, match="absent"):
        key_text(f"@{tmp_path / 'absent'}")
