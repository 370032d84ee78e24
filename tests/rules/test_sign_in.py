"""Failed sign-ins: guessing is bounded, and nobody is locked out from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from countersign.rules.sign_in import FailureCounts, FailureLimits, counted_name, may_try

WINDOW = 100.0
LIMITS = FailureLimits(of_network=9, of_account_there=3, of_account=6)
ACCOUNTS = ("anna", "ben")
HOME = "192.0.2.1"
ELSEWHERE = tuple(f"198.51.100.{number}" for number in range(12))


@dataclass
class Counter:
    """What the tables do, in the simplest form."""

    rows: list[tuple[float, str, str]] = field(default_factory=list)
    known: set[tuple[str, str]] = field(default_factory=set)

    def guess(self, at: float, account: str, network: str) -> bool:
        """A wrong password; True if it was looked at."""
        if not self.would_look(at, account, network):
            return False
        self.rows.append((at, account, network))
        return True

    def would_look(self, at: float, account: str, network: str) -> bool:
        new = [row for row in self.rows if row[0] > at - WINDOW]
        counts = FailureCounts(
            of_network=sum(row[2] == network for row in new),
            of_account=sum(row[1] == account for row in new),
            of_account_there=sum(row[1:] == (account, network) for row in new),
            is_known=(account, network) in self.known,
        )
        return may_try(counts, LIMITS)


def guesses(networks: tuple[str, ...]) -> st.SearchStrategy[list[tuple[int, str, str]]]:
    steps = st.tuples(st.integers(0, 40), st.sampled_from(ACCOUNTS), st.sampled_from(networks))
    return st.lists(steps, max_size=120)


@given(guesses(ELSEWHERE))
def test_no_failures_from_other_networks_ever_refuse_a_known_one(
    steps: list[tuple[int, str, str]],
) -> None:
    counter, now = Counter(known={("anna", HOME)}), 0.0
    for pause, account, network in steps:
        now += pause
        counter.guess(now, account, network)
        assert counter.would_look(now, "anna", HOME)


@given(guesses(("203.0.113.5",)))
def test_one_address_gets_no_more_guesses_in_a_window_than_the_limits_say(
    steps: list[tuple[int, str, str]],
) -> None:
    counter, now, looked_at = Counter(), 0.0, []
    for pause, account, network in steps:
        now += pause
        if counter.guess(now, account, network):
            looked_at.append((now, account))
    for begin, _ in looked_at:
        within = [account for at, account in looked_at if begin <= at < begin + WINDOW]
        assert len(within) <= LIMITS.of_network
        assert all(within.count(account) <= LIMITS.of_account_there for account in ACCOUNTS)


@given(guesses(ELSEWHERE))
def test_many_addresses_get_no_more_guesses_at_one_account_in_a_window_than_its_limit(
    steps: list[tuple[int, str, str]],
) -> None:
    counter, now, looked_at = Counter(known={("anna", HOME)}), 0.0, []
    for pause, account, network in steps:
        now += pause
        if counter.guess(now, account, network):
            looked_at.append((now, account))
    for begin, account in looked_at:
        within = [one for at, one in looked_at if begin <= at < begin + WINDOW]
        assert within.count(account) <= LIMITS.of_account


@given(guesses((*ELSEWHERE, HOME)))
def test_whoever_fails_is_heard_again_when_a_window_has_passed(
    steps: list[tuple[int, str, str]],
) -> None:
    counter, now = Counter(), 0.0
    for pause, account, network in steps:
        now += pause
        counter.guess(now, account, network)
    for network in (*ELSEWHERE, HOME):
        assert counter.would_look(now + WINDOW, "anna", network)


@given(guesses((HOME,)))
def test_who_shares_an_address_keeps_others_out_there_only_by_failures_of_their_account(
    steps: list[tuple[int, str, str]],
) -> None:
    counter, now = Counter(known={("anna", HOME)}), 0.0
    for number, (pause, _, network) in enumerate(steps):
        now += pause
        counter.rows.append((now, f"other{number}", network))
        assert counter.would_look(now, "anna", HOME)


def test_a_known_network_is_held_to_its_own_failures() -> None:
    counter = Counter(known={("anna", HOME)})
    assert [counter.guess(1.0, "anna", HOME) for _ in range(5)] == [True] * 3 + [False] * 2


def test_spellings_of_one_name_are_counted_as_one() -> None:
    spellings = ("anna", "ANNA", " anna ", "ａｎｎａ", "an\u00adna", "a\u034fnna", "anna\u200b")
    assert {counted_name(name) for name in spellings} == {"anna"}
    assert counted_name("straße") == counted_name("STRASSE")


@given(st.text(max_size=400))
def test_a_counted_name_is_bounded(name: str) -> None:
    assert len(counted_name(name)) <= 255
