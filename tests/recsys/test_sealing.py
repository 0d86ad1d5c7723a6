"""Sealed tokens: only the key's holder makes or opens one, and a change to any character shows."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import InputError
from recsys.sealing import Seal, keys_of, new_key

KEY = bytes(range(32))
SEAL = Seal((KEY,), "purpose 1")


@given(st.binary(max_size=300))
def test_what_was_sealed_opens_and_its_length_is_known(payload: bytes) -> None:
    token = SEAL.sealed(payload)

    assert SEAL.opened(token) == payload
    assert len(token) <= 4 * -(-(len(payload) + 73) // 3)


@pytest.mark.parametrize(
    "other", [Seal((bytes(32),), "purpose 1"), Seal((KEY,), "purpose 2"), Seal((KEY + b"\1",), "purpose 1")]
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
    assert keys_of(KEY.hex() + "\n") == (KEY,)
    assert keys_of(f"\n{KEY.hex()}\r\n {bytes(40).hex()} \n") == (KEY, bytes(40))
    assert len(keys_of(new_key())[0]) == 32
    assert new_key() != new_key()
    for text in ("", " \n", KEY.hex() + "\nc0ffee", "c0ffee", "c0ffee" * 10 + "zzzz", "a" * 65):
        with pytest.raises(InputError) as raised:
            keys_of(text)
        assert str(raised.value) == (
            "the key of --token-key must be lines of at least 64 hex digits, one a key: openssl rand -hex 32 makes one"
        )


def test_a_new_key_seals_and_the_old_one_still_opens_until_it_is_gone() -> None:
    old, new = (KEY,), (bytes(range(32, 64)),)
    before = Seal(old, "purpose 1").sealed(b"list")
    # First both can be opened everywhere, then the new one seals, then the old one goes.
    ready, turned, done = (Seal(keys, "purpose 1") for keys in (old + new, new + old, new))

    assert ready.opened(before) == turned.opened(before) == b"list"
    assert done.opened(before) is None
    for seal in (ready, turned):
        assert seal.opened(ready.sealed(b"ready")) == b"ready"
        assert seal.opened(turned.sealed(b"turned")) == b"turned"
    assert done.opened(turned.sealed(b"turned")) == b"turned"


def test_a_seal_without_a_key_is_none() -> None:
    with pytest.raises(ValueError, match="needs a key"):
        Seal((), "purpose 1")
