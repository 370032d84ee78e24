"""One user has one name in all counts, however it is spelled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.rules.naming import ForeignDomainError, Naming
from countersign.rules.submission import normalise_user

WORDS = st.text(st.characters(exclude_characters="@", categories=("L", "N", "P", "S")), max_size=40)


def named(naming: Naming, name: str) -> str | None:
    try:
        return naming.user(name)
    except ValueError:
        return None


@given(WORDS, st.lists(WORDS, max_size=9))
def test_who_drops_domains_has_one_count_for_all_of_them(user: str, domains: list[str]) -> None:
    naming = Naming(drops_domain=True)
    spelled = [user, f"{user}@", *(f"{user}@{domain}" for domain in domains)]
    assert {named(naming, name) for name in spelled} - {None} <= {named(naming, user)}


@given(WORDS, st.lists(WORDS, max_size=9))
def test_no_domain_is_taken_that_is_not_listed(user: str, domains: list[str]) -> None:
    naming = Naming(domains=frozenset({"local.example"}))
    for domain in domains:
        name = named(naming, f"{user}@{domain}")
        assert name is None or name == normalise_user(f"{user}@local.example")


@given(st.text(max_size=300), st.booleans())
def test_a_name_that_was_read_reads_the_same_again(name: str, drops: bool) -> None:
    naming = Naming(drops, frozenset({"local.example"}))
    user = named(naming, name)
    assert user is None or naming.user(user) == user


def test_a_listed_domain_is_part_of_the_name() -> None:
    naming = Naming(domains=frozenset({"one.example", "two.example"}))
    assert naming.user("Anna@One.Example") == "anna@one.example"
    assert naming.user("anna@two.example") == "anna@two.example"
    assert naming.user("anna") == "anna"
    with pytest.raises(ForeignDomainError):
        naming.user("anna@three.example")


@pytest.mark.parametrize("drops", [True, False])
@pytest.mark.parametrize("name", ["anna@one@two", "@local.example", "@", "", "an na@local.example"])
def test_what_programs_would_cut_in_different_places_is_no_name(name: str, drops: bool) -> None:
    with pytest.raises(ValueError, match="name"):
        Naming(drops, frozenset({"local.example", "one@two", "two"})).user(name)
