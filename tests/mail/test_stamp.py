"""The tracking stamp: written in one form, read strictly, and told from forged ones."""

from __future__ import annotations

import base64
import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.mail.stamp import (
    FIELD_NAME,
    MAX_USER,
    MAX_VALUE,
    Stamp,
    StampError,
    is_stamp,
    new_id,
    parse_stamp,
    stamp_field,
)

ID = new_id(bytes(range(16)))
AT = datetime(2026, 11, 25, 8, 0, 5, tzinfo=UTC)
GOOD = f"v=1; host=mail.example.com; id={ID}; t=2026-11-25T08:00:05Z"

labels = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=20)
hosts = st.lists(labels, min_size=1, max_size=8).map(lambda found: ".".join([*found, "example"]))
users = st.text(st.characters(codec="utf-8"), max_size=MAX_USER).filter(str.isprintable)
stamps = st.builds(
    Stamp,
    host=hosts,
    id=st.binary(min_size=16, max_size=16).map(new_id),
    at=st.datetimes(timezones=st.just(UTC)).map(lambda at: at.replace(microsecond=0)),
    user=users,
)


def test_a_stamp_looks_as_the_design_says() -> None:
    field = stamp_field(Stamp("mail.example.com", ID, AT, "anna"))
    assert field.replace(b"\r\n\t", b" ").decode() == f"{FIELD_NAME}: {GOOD}; user=anna\r\n"
    assert parse_stamp(f"{GOOD}; user=anna") == Stamp("mail.example.com", ID, AT, "anna")
    assert parse_stamp(GOOD).user == ""
    assert parse_stamp(GOOD.replace("; ", ";\n\t") + "\n") == parse_stamp(GOOD)


@given(stamps)
def test_what_is_written_is_read_again(stamp: Stamp) -> None:
    field = stamp_field(stamp)
    assert field.endswith(b"\r\n") and field.isascii()
    assert max(len(line) for line in field.split(b"\r\n")) <= max(76, len(stamp.host) + 30)
    assert all(line[:1] in b" \t" for line in field.split(b"\r\n")[1:-1])
    assert is_stamp(field)
    value = field.partition(b":")[2].decode()
    assert len(value) <= MAX_VALUE
    assert parse_stamp(value) == stamp
    assert parse_stamp(value.replace("\r\n\t", " ").replace("\r\n", "")) == stamp


def test_the_longest_name_of_the_longest_host_fits() -> None:
    host = ".".join(["a" * 63] * 3 + ["b" * 61])
    stamp = Stamp(host, ID, AT, "\N{GRINNING FACE}" * MAX_USER)
    assert parse_stamp(stamp_field(stamp).partition(b":")[2].decode()) == stamp


@given(st.text(max_size=200) | st.text("vhostiduser=; \t\r\n%A1z2.", max_size=200))
def test_any_text_is_a_stamp_or_an_error(text: str) -> None:
    try:
        stamp = parse_stamp(text)
    except StampError as error:
        assert str(error)
    else:
        assert parse_stamp(stamp_field(stamp).partition(b":")[2].decode()) == stamp


@given(st.binary(max_size=60))
def test_any_octets_are_a_stamp_or_not(octets: bytes) -> None:
    assert is_stamp(octets) in (True, False)


@given(stamps, st.data())
def test_a_stamp_with_one_character_changed_never_reads_as_the_same(
    stamp: Stamp, data: st.DataObject
) -> None:
    value = " ".join(stamp_field(stamp).partition(b":")[2].decode().split())
    place = data.draw(st.integers(0, len(value) - 1))
    other = data.draw(st.characters(codec="ascii"))
    changed = value[:place] + other + value[place + 1 :]
    is_space = {value[place], other} <= {" ", "\t"}
    with contextlib.suppress(StampError):
        assert changed == value or is_space or parse_stamp(changed) != stamp


@pytest.mark.parametrize(
    "value",
    [
        "",
        GOOD.replace("v=1", "v=2"),
        GOOD.replace("v=1; ", ""),
        GOOD + "; user=",
        GOOD + ";",
        GOOD + "; user=anna; user=otto",
        GOOD + "; more=1",
        GOOD + "; user=an na%",
        GOOD + "; user=%c3%a4",
        GOOD + "; user=%FF",
        GOOD + "; user=%4 1",
        GOOD + "; user=%0A",
        GOOD + "; user=ä",
        GOOD.replace("host=", "HOST="),
        GOOD.replace("mail.example.com", "Mail.example.com"),
        GOOD.replace("mail.example.com", "192.0.2.1"),
        GOOD.replace(ID, ID.upper()),
        GOOD.replace(ID, ID[:-1]),
        GOOD.replace(ID, ID[:-1] + "b"),
        GOOD.replace("05Z", "05+00:00"),
        GOOD.replace("05Z", "05.5Z"),
        GOOD.replace("05Z", "61Z"),
        GOOD.replace("2026-11-25", "2026-02-30"),
        GOOD.replace("2026", "٢٠٢٦"),
        GOOD.replace("id=", "id =").replace("; t=", ";\r\nt="),
        GOOD.replace("; ", ";\r\n"),
        GOOD + "\0",
        GOOD + " " * MAX_VALUE,
    ],
)
def test_what_is_not_quite_a_stamp_is_none(value: str) -> None:
    with pytest.raises(StampError):
        parse_stamp(value)


@pytest.mark.parametrize(
    "field",
    [
        b"Message-Tracking: x\r\n",
        b"MESSAGE-tracking:\r\n\tx\r\n",
        b"message-tracking \t: x\r\n",
        b" Message-Tracking: x\r\n",
        b"Message-Tracking\r\n : x\r\n",
        b"Message-Tracking:",
    ],
)
def test_odd_spellings_of_the_name_are_stamps_too(field: bytes) -> None:
    assert is_stamp(field)


@pytest.mark.parametrize(
    "field", [b"Message-Tracking", b"X-Message-Tracking: x", b"Subject: Message-Tracking: x", b""]
)
def test_other_fields_are_no_stamps(field: bytes) -> None:
    assert not is_stamp(field)


@given(st.binary(min_size=16, max_size=16))
def test_an_id_has_all_that_it_is_made_of(octets: bytes) -> None:
    made = new_id(octets)
    assert len(made) == 26
    assert base64.b32decode(made.upper() + "======") == octets


def test_an_id_is_made_of_enough() -> None:
    with pytest.raises(ValueError, match="16 octets"):
        new_id(b"short")


def test_the_time_is_written_in_utc_whatever_its_zone() -> None:
    at = AT.astimezone(timezone(timedelta(hours=11)))
    assert b"t=2026-11-25T08:00:05Z" in stamp_field(Stamp("mail.example.com", ID, at))


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("host", "mail example"),
        ("host", ""),
        ("id", "x"),
        ("at", datetime(2026, 11, 25)),
        ("user", "a\r\nBcc: b"),
        ("user", "a" * (MAX_USER + 1)),
        ("user", "\udc80"),
    ],
)
def test_what_a_stamp_cannot_say_makes_none(part: str, value: object) -> None:
    parts = {"host": "mail.example.com", "id": ID, "at": AT, "user": ""}
    with pytest.raises(StampError):
        Stamp(**{**parts, part: value})  # type: ignore[arg-type]
