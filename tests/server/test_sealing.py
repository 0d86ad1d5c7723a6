"""Sealed tokens: only the key's holder makes or opens one, and a change to any character shows."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import InputError
from server.sealing import Seal, key_of, new_key

KEY = bytes(range(32))
SEAL = Seal(KEY, "purpose 1")


@given(st.binary(max_size=300))
def test_what_was_sealed_opens_and_its_length_is_known(payload: bytes) -> None:
    token = SEAL.sealed(payload)

    assert SEAL.opened(token) == payload
    assert len(token) <= 4 * -(-(len(payload) + 73) // 3)


@pytest.mark.parametrize(
    "other", [Seal(bytes(32), "purpose 1"), Seal(KEY, "purpose 2"), Seal(KEY + b"\1", "purpose 1")]
)
def test_another_key_or_purpose_opens_nothing(other: Seal) -> None:
    assert other.opened(SEAL.sealed(b"x")) is None


def test_a_change_to_any_character_shows_even_one_that_decodes_to_the_same_bytes() -> None:
    token = SEAL.sealed(b"payload")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \n"
    changed = [token[:i] + new + token[i + 1 :] for i in range(len(token)) for new in alphabet if new != token[i]]
    # Base64 leaves bits of the last character unused: one that differs there alone decodes to the same bytes.
    end = len(token.rstrip("=")) - 1
    same = [token[:end] + new + token[end + 1 :] for new in alphabet[:64] if new != token[end]]
    assert any(base64.urlsafe_b64decode(other) == base64.urlsafe_b64decode(token) for other in same)

    assert [other for other in changed if SEAL.opened(other) is not None] == []
    assert [part for part in (token + "=", " " + token, token[:-4], token.rstrip("=")) if SEAL.opened(part)] == []


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_anything_else_is_nothing(token: str) -> None:
    assert SEAL.opened(token) is None


def test_no_two_tokens_are_equal_and_none_shows_its_payload() -> None:
    one, other = SEAL.sealed(b"user-03"), SEAL.sealed(b"user-03")

    assert one != other
    assert b"user-03" not in base64.urlsafe_b64decode(one)


def test_a_key_is_64_hex_digits_or_more_and_never_quoted() -> None:
    assert key_of(KEY.hex() + "\n") == KEY
    assert len(key_of(new_key())) == 32
    assert new_key() != new_key()
    for text in ("", "c0ffee", "c0ffee" * 10 + "zzzz", "a" * 65):
        with pytest.raises(InputError) as raised:
            key_of(text)
        assert str(raised.value) == (
            "the key of --token-key must be at least 64 hex digits: openssl rand -hex 32 makes one"
        )
