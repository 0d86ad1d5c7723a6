"""Settings: flags over variables over defaults, and one sentence on what cannot work."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys.errors import InputError
from server.cli import main
from server.settings import Settings, parse

NEEDED = ["--snapshots", "snapshots"]


def test_defaults_are_one_loopback_worker_on_the_wall_clock_with_reflection() -> None:
    settings = parse(NEEDED, {})

    assert (settings.address, settings.workers, settings.clock, settings.reflection) == (
        "127.0.0.1:50051",
        1,
        "now",
        True,
    )
    assert settings.snapshots == Path("snapshots").absolute()


def test_variables_stand_in_for_flags_and_flags_win() -> None:
    environment = {"RECSYS_SNAPSHOTS": "/a", "RECSYS_WORKERS": "3", "RECSYS_CLOCK": "snapshot"}

    settings = parse(["--workers", "2"], environment)

    assert (str(settings.snapshots), settings.workers, settings.clock) == ("/a", 2, "snapshot")


def test_an_encoder_and_a_longest_wait_are_off_unless_given() -> None:
    assert (parse(NEEDED, {}).encoder, parse(NEEDED, {}).longest_wait_ms) == ("", None)
    assert parse(NEEDED, {"RECSYS_LONGEST_WAIT_MS": "off", "RECSYS_ENCODER": ""}).longest_wait_ms is None
    given = parse([*NEEDED, "--longest-wait-ms", "30", "--encoder", "unix:/run/encoder"], {})
    assert (given.encoder, given.longest_wait_ms) == ("unix:/run/encoder", 30.0)
    assert Settings.from_json(given.to_json()) == given


def test_state_is_a_folder_or_a_url_and_off_unless_given() -> None:
    assert (parse(NEEDED, {}).state, parse(NEEDED, {}).log_slates) == ("", 0.0)
    assert parse([*NEEDED, "--state", "state"], {}).state == str(Path("state").absolute())
    assert parse(NEEDED, {}).statistics_s == 60.0
    assert parse([*NEEDED, "--statistics-s", "off"], {"RECSYS_STATISTICS_S": "5"}).statistics_s is None
    given = parse([*NEEDED, "--log-slates", "0.1"], {"RECSYS_STATE": "rediss://:secret@host:6379/1"})
    assert (given.state, given.log_slates) == ("rediss://:secret@host:6379/1", 0.1)
    assert Settings.from_json(given.to_json()) == given


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host/0", "redis://host/0"),
        ("redis://:secret@host", "redis://:********@host"),
        ("redis://user:se:c@r/e@t@host:1/0", "redis://user:********@host:1/0"),
        ("redis://user@host?password=secret&db=1", "redis://user@host?password=********&db=1"),
    ],
)
def test_the_password_of_a_store_is_not_printed(url: str, shown: str) -> None:
    lines = parse([*NEEDED, "--state", url], {}).lines()

    assert [line.split() for line in lines if line.startswith("state ")] == [["state", shown]]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "--snapshots DIR (or RECSYS_SNAPSHOTS) is required"),
        ([*NEEDED, "--workers", "0"], "--workers must be a whole number from 1 to 256, got '0'"),
        ([*NEEDED, "--workers", "two"], "--workers must be a whole number from 1 to 256, got 'two'"),
        ([*NEEDED, "--address", "50051"], "--address must be HOST:PORT with a port of 0 to 65535, got '50051'"),
        ([*NEEDED, "--address", "a:65536"], "--address must be HOST:PORT with a port of 0 to 65535, got 'a:65536'"),
        ([*NEEDED, "--clock", "moon"], "--clock must be one of now, snapshot, got 'moon'"),
        ([*NEEDED, "--reflection", "yes"], "--reflection must be on or off, got 'yes'"),
        ([*NEEDED, "--longest-wait-ms", "-1"], "--longest-wait-ms must be 0 to 60000 milliseconds, or off, got '-1'"),
        ([*NEEDED, "--longest-wait-ms", "x"], "--longest-wait-ms must be 0 to 60000 milliseconds, or off, got 'x'"),
        ([*NEEDED, "--encoder", "unix:"], "--encoder unix: lacks the path of a socket"),
        ([*NEEDED, "--encoder", "a:0"], "--encoder must have the port that the encoder listens on, got 'a:0'"),
        ([*NEEDED, "--encoder", "50061"], "--encoder must be HOST:PORT with a port of 0 to 65535, got '50061'"),
        ([*NEEDED, "--state", "s3://bucket"], "--state must be a folder or a URL of redis, rediss, got one of 's3'"),
        ([*NEEDED, "--log-slates", "10%"], "--log-slates must be 0 to 1, got '10%'"),
        ([*NEEDED, "--statistics-s", "0"], "--statistics-s must be 1.0 to 86400 seconds, or off, got '0'"),
        ([*NEEDED, "--poll-s", "nan"], "--poll-s must be 0.05 to 86400 seconds, got 'nan'"),
    ],
)
def test_a_bad_value_is_one_sentence_with_value_and_range(arguments: list[str], sentence: str) -> None:
    with pytest.raises(InputError) as raised:
        parse(arguments, {})

    assert str(raised.value) == sentence


PROTECTED = ["--tls-cert", "/c", "--tls-key", "/k", "--tokens", "/t"]


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "shop.example", "10.1.2.3"])
@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ([], "--tls-cert, --tls-key, --tokens"),
        (PROTECTED[:4], "--tokens"),
        (PROTECTED[4:], "--tls-cert, --tls-key"),
    ],
)
def test_a_public_address_needs_tls_and_tokens_or_the_word_insecure(host: str, given: list[str], missing: str) -> None:
    arguments = [*NEEDED, "--address", f"{host}:1"]
    with pytest.raises(InputError) as raised:
        parse([*arguments, *given], {})

    assert str(raised.value) == (
        f"--address must be a loopback address unless TLS and tokens protect it, got {host.strip('[]')!r} without "
        f"{missing}; --insecure serves whoever can reach it all the same"
    )
    assert parse([*arguments, *given, "--insecure"], {}).reflection is False
    assert parse([*arguments, *PROTECTED], {}).insecure is False


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--tls-cert", "/c"], "--tls-cert needs --tls-key beside it"),
        (["--tls-key", "/k"], "--tls-key needs --tls-cert beside it"),
        (["--tls-client-ca", "/a"], "--tls-client-ca needs --tls-cert beside it"),
    ],
)
def test_half_of_tls_is_refused(given: list[str], sentence: str) -> None:
    with pytest.raises(InputError) as raised:
        parse([*NEEDED, *given], {})

    assert str(raised.value) == sentence


def test_files_of_tls_and_tokens_come_from_flags_or_variables_with_or_without_an_at_sign() -> None:
    environment = {
        "RECSYS_TLS_CERT": "/c",
        "RECSYS_TLS_KEY": "/k",
        "RECSYS_TLS_CLIENT_CA": "/a",
        "RECSYS_TOKENS": "@/t",
    }

    settings = parse(NEEDED, environment)
    assert settings.tls is not None
    assert (*settings.tls.paths, settings.tokens) == (Path("/c"), Path("/k"), Path("/a"), Path("/t"))
    assert Settings.from_json(settings.to_json()) == settings

    assert parse([*NEEDED, "--tokens", "t"], environment).tokens == Path("t").absolute()
    open_to_all = parse(NEEDED, {"RECSYS_TOKENS": "", "RECSYS_TLS_CERT": ""})
    assert (open_to_all.tls, open_to_all.tokens) == (None, None)
    assert any(line.split() == ["tokens", "off"] for line in open_to_all.lines())


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "[::1]", "localhost"])
def test_loopback_addresses_need_none(host: str) -> None:
    assert parse([*NEEDED, "--address", f"{host}:1"], {}).address == f"{host}:1"


@pytest.mark.parametrize(
    ("arguments", "environment", "folder"),
    [
        ([], {"HOME": "/home/a"}, "/home/a/.cache/tributary/forests"),
        ([], {"HOME": "/home/a", "XDG_CACHE_HOME": "/var/cache/a"}, "/var/cache/a/tributary/forests"),
        ([], {"RECSYS_COMPILED_CACHE": "/b"}, "/b"),
        (["--compiled-cache", "/c"], {"RECSYS_COMPILED_CACHE": "/b"}, "/c"),
        (["--compiled-cache", "off"], {"RECSYS_COMPILED_CACHE": "/b"}, None),
        ([], {"RECSYS_COMPILED_CACHE": ""}, None),
    ],
)
def test_compiled_rankers_are_kept_in_the_users_cache_or_where_it_is_said_or_nowhere(
    arguments: list[str], environment: dict[str, str], folder: str | None
) -> None:
    settings = parse([*NEEDED, *arguments], environment)

    assert settings.compiled_cache == (folder and Path(folder))
    assert any(line.split() == ["compiled_cache", folder or "off"] for line in settings.lines())
    assert Settings.from_json(settings.to_json()) == settings


def test_a_key_is_masked_where_settings_are_shown_and_kept_where_they_are_handed_on() -> None:
    settings = parse(NEEDED, {"RECSYS_VERIFY_KEY": "hmac:c0ffee", "RECSYS_TOKEN_KEY": "c0ffee" * 11})

    assert not any("c0ffee" in line for line in settings.lines())
    assert Settings.from_json(settings.to_json()) == settings


def test_the_key_of_tokens_comes_from_a_file_or_a_variable_or_is_drawn() -> None:
    given = parse([*NEEDED, "--token-key", "@/k"], {"RECSYS_TOKEN_KEY": "c0ffee" * 11})
    assert given.token_key == "@/k"
    assert any(line.split() == ["token_key", "@/k"] for line in given.lines())
    assert any(line.split() == ["token_key", "a", "new", "key"] for line in parse(NEEDED, {}).lines())

    sealed = given.sealed_with("c0ffee" * 11)
    assert Settings.from_json(sealed.to_json()) == sealed
    assert not any("c0ffee" in line for line in sealed.lines())


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (
            ["--token-key", "c0ffee"],
            {},
            "--token-key must be @FILE: process lists show what stands on a command line",
        ),
        (
            [],
            {"RECSYS_TOKEN_KEY": ""},
            "RECSYS_TOKEN_KEY is set but empty: unset it to have a new key drawn, or give the key",
        ),
    ],
)
def test_a_key_of_tokens_that_others_would_see_or_that_is_empty_is_refused(
    arguments: list[str], environment: dict[str, str], sentence: str
) -> None:
    with pytest.raises(InputError) as raised:
        parse([*NEEDED, *arguments], environment)

    assert str(raised.value) == sentence


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--state", __file__], f"--state {__file__} must be a folder"),
        (["--log-slates", "0.5"], "--log-slates needs --state, where slates are kept"),
    ],
)
def test_what_cannot_be_a_store_is_said_before_any_worker_starts(
    flags: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--snapshots", str(tmp_path), "--address", "127.0.0.1:0", *flags]) == 2
    assert capsys.readouterr().err == f"recsys-server: {sentence}\n"
