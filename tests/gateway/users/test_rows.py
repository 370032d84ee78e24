"""Lists of users as files: any text is read or has faults with line numbers that quote nothing."""

from __future__ import annotations

import json

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from countersign.gateway.submission.password_schemes import split_scheme
from countersign.gateway.submission.user_rows import (
    ListFormat,
    ReadRow,
    RowFault,
    read_rows,
)

CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash("secret")


def read(text: str, form: ListFormat, needs_password: bool = True) -> list[ReadRow | RowFault]:
    return list(read_rows(text.splitlines(keepends=True), form, needs_password=needs_password))


def test_csv_with_passwords_in_clear_and_hashed() -> None:
    text = f'name,password,per_day,stamps_name\nAlice,a,1000,yes\nbob,"{{ARGON2ID}}{CHEAP}",,\n'
    alice, bob = read(text, ListFormat.CSV)
    assert isinstance(alice, ReadRow) and isinstance(bob, ReadRow)
    assert (alice.row.name, alice.clear_password, alice.row.per_day) == ("alice", "a", 1000)
    assert alice.row.stamps_name is True
    assert (bob.clear_password, bob.argon2_hash, bob.row.per_day) == ("", CHEAP, None)


def test_a_passwd_file_of_dovecots() -> None:
    text = f"# users\nalice:{{ARGON2ID}}{CHEAP}:1000:1000::/home/alice::\n\nbob:{{PLAIN}}b\n"
    alice, bob = read(text, ListFormat.PASSWD)
    assert isinstance(alice, ReadRow) and isinstance(bob, ReadRow)
    assert (alice.line, alice.argon2_hash) == (2, CHEAP)
    assert (bob.line, bob.clear_password) == (4, "b")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{SHA512-CRYPT}$6$salt$hash", "only {ARGON2ID}"),
        ("$2y$05$abcdef", "only {ARGON2ID}"),
        ("{CRYPT}$y$j9T$abc", "only {ARGON2ID}"),
        ("{ARGON2ID}$argon2id$v=19$m=4294967295,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g", "too much"),
        ("{ARGON2ID}$argon2id$nonsense", "broken"),
        ("{PLAIN}", "empty"),
    ],
)
def test_hashes_that_cannot_be_checked_here_are_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        split_scheme(text)


def test_the_same_user_twice_is_a_fault_whatever_the_case() -> None:
    _, fault = read("name,password\nalice,a\nALICE,b\n", ListFormat.CSV)
    assert fault == RowFault(3, "the user of line 2 again")


def test_faults_do_not_quote_what_is_in_the_line() -> None:
    for text, form in (
        ("name,password,per_day\nalice,tOpSeCrEt,tOpSeCrEt\n", ListFormat.CSV),
        ("name,password\nalice,x,tOpSeCrEt\n", ListFormat.CSV),
        ("name,tOpSeCrEt\nalice,x\n", ListFormat.CSV),
        ('{"name": "alice", "tOpSeCrEt": "tOpSeCrEt"}\n', ListFormat.JSONL),
        ('{"name": "alice", "password": "tOpSeCrEt"\n', ListFormat.JSONL),
        ('{"name": "alice", "password": ["tOpSeCrEt"]}\n', ListFormat.JSONL),
        ("tOpSeCrEt with spaces:{ARGON2ID}tOpSeCrEt\n", ListFormat.PASSWD),
        ("alice:{SSHA}tOpSeCrEt\n", ListFormat.PASSWD),
    ):
        [fault] = read(text, form)
        assert isinstance(fault, RowFault), text
        assert "tOpSeCrEt" not in fault.words


def test_a_list_without_passwords_is_for_where_they_are_kept_elsewhere() -> None:
    assert isinstance(read("name,per_day\na,5\n", ListFormat.CSV)[0], RowFault)
    assert isinstance(read("name,per_day\na,5\n", ListFormat.CSV, False)[0], ReadRow)


@given(st.text(max_size=300), st.sampled_from(ListFormat), st.booleans())
def test_any_text_is_read_or_has_faults(text: str, form: ListFormat, needs: bool) -> None:
    for one in read(text, form, needs):
        assert one.line >= 1
        if isinstance(one, ReadRow):
            assert one.row.name and one.user(None).name == one.row.name


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=10),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
        max_leaves=6,
    ),
    st.sampled_from(["name", "password", "scram", "privilege", "per_day", "is_disabled"]),
)
def test_any_value_in_a_json_row_is_taken_or_a_fault(value: object, field: str) -> None:
    row = json.dumps({"name": "alice", "password": "p", field: value})
    [one] = read(row + "\n", ListFormat.JSONL)
    assert isinstance(one, ReadRow | RowFault)
