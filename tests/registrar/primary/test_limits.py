"""What one address may ask, and who holds a connection."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from countersign.registrar.primary.limits import Place, Places, RateLimit, client_of


def test_a_client_is_an_ipv4_address_or_an_ipv6_network() -> None:
    assert client_of("192.0.2.1") == "192.0.2.1"
    assert client_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert client_of("2001:db8::1") == client_of("2001:db8::ffff") == "2001:db8::/64"
    assert client_of("2001:db8:0:1::1") != client_of("2001:db8::1")
    assert client_of("fe80::1%eth0") == "fe80::/64"


def test_a_client_may_ask_so_often_and_then_waits_and_others_do_not() -> None:
    limit = RateLimit(10)
    assert all(limit.take("a", 100.0) == 0 for _ in range(10))
    assert 0 < limit.take("a", 100.0) <= 0.1
    assert limit.take("b", 100.0) == 0
    assert limit.take("a", 100.11) == 0
    assert limit.take("a", 100.11) > 0


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 0.5, allow_nan=False)), max_size=300)
)
def test_no_client_gets_more_than_its_burst_and_its_rate(asked: list[tuple[str, float]]) -> None:
    limit, now, begin = RateLimit(5), 50.0, 50.0
    allowed: dict[str, int] = {}
    for client, pause in asked:
        now += pause
        if limit.take(client, now) == 0:
            allowed[client] = allowed.get(client, 0) + 1
    assert all(count <= 5 + 5 * (now - begin) + 1e-6 for count in allowed.values())


def test_the_table_of_clients_is_bounded() -> None:
    limit = RateLimit(5, places=100)
    for number in range(1000):
        limit.take(str(number), 1.0)
    assert len(limit) == 100


def made(client: str, closed: list[str], known: bool = False) -> Place:
    return Place(client, lambda: closed.append(client), known)


def test_the_stranger_who_came_first_makes_room() -> None:
    closed: list[str] = []
    places = Places(4)
    for place in (made("a", closed, known=True), made("b", closed), made("c", closed)):
        assert places.admit(place)
    assert places.admit(made("d", closed, known=True))
    assert places.admit(made("e", closed))
    assert closed == ["b"]
    assert len(places) == 4


def test_those_with_a_key_are_never_sent_away_for_others() -> None:
    closed: list[str] = []
    places = Places(4)
    for client in "abcd":
        assert places.admit(made(client, closed, known=True))
    assert not places.admit(made("e", closed))
    assert closed == []


def test_one_address_has_half_of_all_places_at_most() -> None:
    closed: list[str] = []
    places = Places(10)
    for _ in range(20):
        assert places.admit(made("a", closed))
    assert len(places) == 5
    assert closed == ["a"] * 15
