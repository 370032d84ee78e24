from __future__ import annotations

import json
from datetime import date
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.registrar.domain_age.answer import (
    FIRST_REGISTRATION,
    AnswerError,
    Registration,
    read_domain,
)
from countersign.registrar.domain_age.bounded_json import MAX_DEPTH, JsonError, parse_json
from countersign.registrar.domain_age.directory import DirectoryError, read_directory, servers_for
from countersign.rules.domain_names import MAX_NAMES, names_to_ask, registrable_domain

TODAY = date(2026, 11, 24)
NAME = "example.org"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=30,
)
EVENT = st.fixed_dictionaries(
    {},
    optional={
        "eventAction": st.sampled_from(["registration", "reregistration", "transfer"]) | JSON,
        "eventDate": st.datetimes().map(str) | st.datetimes().map(lambda at: f"{at}Z") | JSON,
    },
)
DOMAIN = st.fixed_dictionaries(
    {"objectClassName": st.just("domain"), "ldhName": st.just(NAME) | JSON},
    optional={"events": st.lists(EVENT | JSON) | JSON, "unicodeName": JSON},
)


def read(*events: Any, **members: Any) -> Registration:
    document = {"objectClassName": "domain", "ldhName": NAME, "events": list(events)}
    return read_domain(document | members, NAME, TODAY)


def event(action: str, when: str) -> dict[str, str]:
    return {"eventAction": action, "eventDate": when}


@given(JSON | DOMAIN)
def test_any_json_gives_a_possible_date_or_says_why_not(document: Any) -> None:
    try:
        registration = read_domain(document, NAME, TODAY)
    except AnswerError as error:
        assert str(error)
    else:
        assert FIRST_REGISTRATION <= registration.registered_on <= date(2026, 11, 25)


@given(st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_octets_are_json_or_refused(octets: bytes) -> None:
    try:
        value = parse_json(octets)
    except JsonError:
        return
    assert repr(value) == repr(json.loads(octets))


@given(JSON)
def test_any_json_is_a_directory_or_refused(document: Any) -> None:
    for whole in (document, {"services": document}, {"services": [[document, document]]}):
        try:
            servers_for(read_directory(whole), NAME)
        except DirectoryError as error:
            assert str(error)


@given(st.text(max_size=300) | st.lists(st.text("abcé-_", max_size=5), max_size=40).map(".".join))
def test_names_to_ask_end_at_the_registrable_domain(hostname: str) -> None:
    names = names_to_ask(hostname)
    assert len(names) <= MAX_NAMES
    if names:
        assert names[-1] == registrable_domain(hostname)
        assert all("." in name for name in names)
        assert all(a.endswith(f".{b}") for a, b in pairwise(names))


def test_deep_json_is_refused_and_brackets_in_texts_are_not_counted() -> None:
    deep = b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)
    with pytest.raises(JsonError, match="deeply"):
        parse_json(deep)
    assert parse_json(deep[1:-1])
    text = '[{"\\"' * 50
    assert parse_json(json.dumps([text]).encode()) == [text]


def test_a_domain_registered_again_is_as_old_as_its_last_registration() -> None:
    first, again = event("registration", "1999-01-01T00:00:00Z"), "2024-05-06T23:30:00-02:00"
    assert read(first).registered_on == date(1999, 1, 1)
    for action in ("reregistration", "Re-Registration", "registration"):
        for events in ((first, event(action, again)), (event(action, again), first)):
            assert read(*events).registered_on == date(2024, 5, 7), "the day is in UTC"
    assert read(first, event("transfer", again)).registered_on == date(1999, 1, 1)


def test_a_registration_that_cannot_be_read_is_not_passed_over() -> None:
    first = event("registration", "1999-01-01T00:00:00Z")
    unreadable = ("", "yesterday", "2024-13-01")
    impossible = ("0001-01-01T00:00:00+14:00", "1970-01-01T00:00:00Z", "9999-12-31")
    for when in unreadable + impossible:
        with pytest.raises(AnswerError):
            read(first, event("reregistration", when))
    with pytest.raises(AnswerError):
        read(first, {"eventAction": "reregistration"})
    with pytest.raises(AnswerError):
        read(event("registration", "2026-12-24T00:00:00Z"))


def test_only_the_domains_own_events_count_and_persons_are_left_out() -> None:
    entity = {"entities": [{"events": [event("registration", "1999-01-01T00:00:00Z")]}]}
    with pytest.raises(AnswerError, match="does not say"):
        read(**entity)
    registration = read(event("registration", "2001-01-01") | {"eventActor": "A PERSON"})
    assert registration.events == (("registration", "2001-01-01"),)


def test_names_are_compared_without_case_and_trailing_dot() -> None:
    when = event("registration", "2001-01-01T00:00:00.0Z")
    assert read(when, ldhName="EXAMPLE.org.")
    assert read(when, ldhName=None, unicodeName="Example.Org")
    for other in ("example.com", "org", "", 5, "x" * 1000):
        with pytest.raises(AnswerError):
            read(when, ldhName=other, unicodeName=None)


def test_the_longest_suffix_of_the_directory_wins_and_https_comes_first() -> None:
    services = [
        [["uk"], ["http://a/", "https://b/"]],
        [["CO.UK."], ["https://c/"]],
    ]
    directory = read_directory({"services": services})
    assert servers_for(directory, "example.co.uk") == ("https://c/",)
    assert servers_for(directory, "example.org.uk") == ("https://b/", "http://a/")
    assert servers_for(directory, "uk") == ()


def test_suffixes_of_private_registries_are_nobodys_domain() -> None:
    assert registrable_domain("mail.someone.github.io") == "someone.github.io"
    assert registrable_domain("github.io") is None


def test_of_a_very_long_name_only_the_end_is_asked_for() -> None:
    names = names_to_ask("a.b.c.d.e.f.g.example.org")
    assert names[0] == "d.e.f.g.example.org"
    assert names[-1] == "example.org"
