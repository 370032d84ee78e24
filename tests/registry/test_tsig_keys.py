"""TSIG keys and their files."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.registry.transfer.keys import (
    ALGORITHMS,
    MAXIMUM_SECRET,
    MAXIMUM_TEXT,
    MINIMUM_SECRET,
    TsigKey,
    TsigKeyError,
    key_file,
    parse_key,
)

SECRET = bytes(range(32))
ENCODED = base64.b64encode(SECRET).decode()
names = st.from_regex(r"[a-z0-9_-]{1,20}(\.[a-z0-9_-]{1,20}){0,3}", fullmatch=True)
keys = st.builds(
    TsigKey,
    names,
    st.sampled_from(ALGORITHMS),
    st.binary(min_size=MINIMUM_SECRET, max_size=MAXIMUM_SECRET),
)


@given(keys)
def test_a_key_is_read_back_from_each_of_its_forms(key: TsigKey) -> None:
    assert parse_key(key.to_text()) == key
    assert parse_key(f"{key.algorithm}:{key.name}:{key.encoded}\n") == key
    assert parse_key(f"# made today\n\n{key.algorithm.upper()}.:{key.name}.:{key.encoded}") == key


def test_the_algorithm_of_a_line_without_one_is_hmac_sha256() -> None:
    assert parse_key(f"Nsd.Example.:{ENCODED}") == TsigKey("nsd.example", "hmac-sha256", SECRET)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "0 lines"),
        (f"a\nb\n{ENCODED}\nd\n", "4 lines"),
        (f"name\nhmac-md5\n{ENCODED}\n", "algorithm must be hmac-sha256, hmac-sha384 or"),
        (f"hmac-sha1:name:{ENCODED}", "algorithm must be"),
        (f"{ENCODED}", "0 colons"),
        (f"name:{ENCODED}:hmac-sha256", "not base64"),
        (f"hmac-sha256:{ENCODED}:name", "name must be a domain name"),
        (f"{ENCODED}\nhmac-sha256\nname", "name must be a domain name"),
        (f"na me:{ENCODED}", "name must be a domain name"),
        (f":{ENCODED}", "name must be a domain name"),
        (f"name:{ENCODED[:-1]}", "not base64"),
        ("name:AAAA", "has 3 octets: 32 to 128"),
        ("name:é", "not base64"),
        ("x" * (MAXIMUM_TEXT + 1), "too long"),
    ],
)
def test_what_is_wrong_is_said_without_the_secret(text: str, words: str) -> None:
    with pytest.raises(TsigKeyError) as caught:
        parse_key(text)
    assert words in str(caught.value)
    assert ENCODED[:-1] not in str(caught.value)


@given(st.text(max_size=300))
def test_any_text_is_a_key_or_a_clear_error(text: str) -> None:
    try:
        assert len(parse_key(text).secret) >= MINIMUM_SECRET
    except TsigKeyError as error:
        assert str(error)


@given(keys)
def test_nothing_that_is_printed_by_chance_shows_the_secret(key: TsigKey) -> None:
    for shown in (repr(key), str(key), f"{[key]}"):
        assert key.encoded not in shown
        assert repr(key.secret) not in shown


def test_a_new_key_is_as_long_as_its_digest() -> None:
    for algorithm, size in zip(ALGORITHMS, (32, 48, 64), strict=True):
        key = TsigKey.generate("replica-1.example", algorithm)
        assert len(key.secret) == size
        assert key.for_dns().name.to_text() == "replica-1.example."
        assert key.secret != TsigKey.generate("replica-1.example", algorithm).secret


def test_a_key_file_is_read_only_where_it_is_private(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(TsigKeyError, match="No such file"):
        key_file(path)
    path.write_text(f"name:{ENCODED}\n")
    path.chmod(0o644)
    with pytest.raises(TsigKeyError, match="chmod o= "):
        key_file(path)
    path.chmod(0o640)
    assert key_file(path) == TsigKey("name", "hmac-sha256", SECRET)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(TsigKeyError, match="no text"):
        key_file(path)
    path.write_text("nonsense")
    with pytest.raises(TsigKeyError, match=f"{path}: 0 colons"):
        key_file(path)
