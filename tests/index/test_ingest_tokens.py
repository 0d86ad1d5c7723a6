"""Attribution tokens that events bring to ingest: opened with the servers' key, refused where they are forged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recsys.attribution import Attributions
from recsys.sealing import keys_of

from .event_lines import AT, lines, row

Run = Callable[..., Any]
KEY = "5e" * 32


def test_with_the_servers_key_a_token_says_which_answer_it_was_and_a_forged_one_is_rejected(
    ingest: Run, kept: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def token(key: str) -> str:
        attributions = Attributions(keys_of(key), lambda: AT)
        return attributions.issue(snapshot_version="v", serving_config="home", request_id="answer", served_by=1)

    (tmp_path / "key").write_text(f"{KEY}\n")
    tokens = [token(KEY), token("00" * 32), token(KEY).swapcase(), "x" * 5000, "", "\ud800", token(KEY)]
    fed = lines([row(n, attribution_token=text, request_id="told") for n, text in enumerate(tokens)] + [row(9)])
    ran = ingest("-", "--token-key", f"@{tmp_path / 'key'}", lines=fed)
    assert ran.out.splitlines() == [
        "8 rows read: 4 events are new, 0 were kept before",
        "4 rows rejected: bad_attribution_token 4 (line 2, line 3, line 4)",
    ]
    assert [event.request_id for event in kept()] == ["answer", "told", "answer", ""]

    monkeypatch.setenv("RECSYS_TOKEN_KEY", KEY)
    assert "bad_attribution_token 4" in ingest("-", lines=fed).out


def test_without_a_key_tokens_are_left_aside_and_that_is_said_once(ingest: Run, kept: Any) -> None:
    fed = lines([row(n, attribution_token="forged") for n in range(1001)] + [row(2000)])
    told = ingest("-", lines=fed).out.splitlines()
    assert told[0] == "1,002 rows read: 1,002 events are new, 0 were kept before"
    assert [line.partition(" and are kept")[0] for line in told[1:]] == ["1,001 events brought an attribution token"]
    assert "--token-key @FILE" in told[1]
    assert {event.request_id for event in kept()} == {""}


@pytest.mark.parametrize("key", [KEY, "@/missing", "@"])
def test_a_key_that_is_none_is_told_before_anything_is_kept(ingest: Run, tmp_path: Path, key: str) -> None:
    ran = ingest("-", "--token-key", key, lines=lines([row(1)]))
    assert ran.code == 2
    assert KEY not in ran.err
    assert not (tmp_path / "state").exists()
