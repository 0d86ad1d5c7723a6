"""Tokens: files of hashes, roles, and the command that makes one."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from recsys.errors import InputError
from server import cli
from server.reread import Reread
from server.tokens import Caller, Role, line_of, new_token, read_tokens

SHOP = Caller("shop", frozenset({Role.RECOMMEND}))
HASH = hashlib.sha256(b"secret").hexdigest()


def test_a_file_admits_the_tokens_whose_hashes_it_holds(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    both = Caller("the importer of 2026", frozenset({Role.WRITE, Role.RECOMMEND}))
    file.write_text(f"# who may call\n\n{HASH} recommend shop\n  {line_of('other', both)}  \n")

    tokens = read_tokens(file)

    assert tokens.caller("secret") == SHOP
    assert tokens.caller("other") == both
    for stranger in ("", "Secret", "secret ", HASH, "sécret", "\ud800"):
        assert tokens.caller(stranger) is None


def test_a_file_without_tokens_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("# nobody yet\n")

    assert read_tokens(tmp_path / "tokens").callers == ()


@pytest.mark.parametrize(
    ("roles", "may"),
    [
        ({Role.RECOMMEND}, {Role.RECOMMEND}),
        ({Role.WRITE}, {Role.WRITE}),
        ({Role.WRITE, Role.RECOMMEND}, {Role.WRITE, Role.RECOMMEND}),
        ({Role.ADMIN}, set(Role)),
    ],
)
def test_admin_includes_all_and_the_others_only_themselves(roles: set[Role], may: set[Role]) -> None:
    caller = Caller("x", frozenset(roles))

    assert {role for role in Role if caller.may(role)} == may


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("my-token-in-clear recommend shop", "must begin with the SHA-256 of a token"),
        (f"{HASH.upper()} recommend shop", "must begin with the SHA-256 of a token"),
        (f"{HASH} recommend", "must be sha256-hex role[,role] name"),
        (HASH, "must be sha256-hex role[,role] name"),
        (f"{HASH} my-token-in-clear shop", "must name roles among recommend, write, admin"),
        (f"{HASH} recommend,, shop", "must name roles among recommend, write, admin"),
        (f"{hashlib.sha256(b'first').hexdigest()} admin shop", "repeats the token of an earlier line"),
    ],
)
def test_a_wrong_line_is_named_by_its_number_and_never_quoted(tmp_path: Path, line: str, sentence: str) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"{line_of('first', SHOP)}\n{line}\n")

    with pytest.raises(InputError) as raised:
        read_tokens(file)

    assert str(raised.value).startswith(f"--tokens {file} line 2 {sentence}")
    assert "in-clear" not in str(raised.value)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")

    for name, reason in (("missing", "No such file or directory"), ("bytes", "it is not UTF-8 text")):
        with pytest.raises(InputError, match=f"{name} cannot be read: {reason}"):
            read_tokens(tmp_path / name)


def test_what_is_kept_of_a_token_does_not_show_it(tmp_path: Path) -> None:
    token = new_token()
    file = tmp_path / "tokens"
    file.write_text(line_of(token, SHOP))

    assert token not in file.read_text()
    assert token not in repr(read_tokens(file))
    assert len(token) == 43
    assert new_token() != token


def test_the_command_prints_a_line_that_admits_the_token_it_shows_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["token", "--roles", "write,recommend", "--name", "the  importer"]) == 0
    shown = capsys.readouterr()
    token = shown.err.rstrip("\n").rpartition(" ")[2]
    file = tmp_path / "tokens"
    file.write_text(shown.out)

    assert read_tokens(file).caller(token) == Caller("the importer", frozenset({Role.WRITE, Role.RECOMMEND}))
    assert token not in shown.out
    assert len(shown.out.splitlines()) == len(shown.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("roles", "name", "sentence"),
    [
        ("read", "shop", "--roles must name roles among recommend, write, admin"),
        ("admin", " ", "--name must be readable text on one line"),
        ("admin", "a\x00b", "--name must be readable text on one line"),
    ],
)
def test_the_command_refuses_what_no_file_could_hold(
    roles: str, name: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["token", "--roles", roles, "--name", name]) == 2

    shown = capsys.readouterr()
    assert sentence in shown.err
    assert shown.out == ""


def test_a_file_is_read_again_only_when_it_changes_and_a_wrong_one_leaves_the_last_good(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, replacement = tmp_path / "numbers", tmp_path / "next"
    n_read = 0

    def read() -> int:
        nonlocal n_read
        n_read += 1
        try:
            return int(file.read_text())
        except (OSError, ValueError) as error:
            raise InputError("no number") from error

    file.write_text("1")
    number = Reread([file], read)
    assert (number.get(), number.get(), n_read) == (1, 1, 1)

    replacement.write_text("2")
    os.replace(replacement, file)
    assert (number.get(), number.get(), n_read) == (2, 2, 2)

    file.write_text("two")
    assert (number.get(), number.get(), n_read) == (2, 2, 3)
    file.unlink()
    assert (number.get(), number.get(), n_read) == (2, 2, 4)
    assert len([record for record in caplog.records if "what was read before stays: no number" in record.message]) == 2

    file.write_text("3")
    assert number.get() == 3


def test_a_first_reading_that_fails_is_the_callers(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        Reread([tmp_path / "missing"], lambda: read_tokens(tmp_path / "missing"))
