"""Letters as people get them."""

from __future__ import annotations

import ast
import datetime
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import countersign.registrar
from countersign.registrar.mail import rendering
from countersign.registrar.mail.facts import TOKEN_PAGES
from countersign.registrar.mail.rendering import environment, render
from countersign.registrar.mail.wording import WIDTH, broken, subject_of
from countersign.registrar.operations.accounts import ask_new_address, ask_reset
from countersign.registrar.operations.office import SYSTEM, Actor, Office
from countersign.registrar.operations.one_time import look_at
from countersign.registrar.operations.staff import invite
from countersign.registrar.operations.transitions import move
from countersign.registrar.web.sections import all_pages
from countersign.rules.life_cycle import TRANSITIONS, Action, Effect, State
from countersign.rules.roles import Role
from countersign.storage.database.jobs import Job
from countersign.storage.database.servers import Server, ServerEvent
from tests.registrar.conftest import Clock
from tests.registrar.jobs.doing import do_jobs, letters
from tests.registrar.operations import life

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def text_of(message: Any) -> str:
    return str(message.get_content())


def ordered_templates() -> set[str]:
    """Return the names of letters that the registrar's code orders, by reading it."""
    names = set(TOKEN_PAGES)
    for file in Path(countersign.registrar.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            place = {"order_mail": 1, "tell_parties": 2}.get(getattr(node.func, "id", ""))
            if place is not None and isinstance(node.args[place], ast.Constant):
                names.add(str(node.args[place].value))
    return names - {"event"}


def test_every_letter_that_is_ordered_has_a_text() -> None:
    known = {Path(name).stem for name in environment().list_templates()}
    assert ordered_templates() - known == set()


def test_no_text_is_there_that_nobody_orders() -> None:
    known = {Path(name).stem for name in environment().list_templates()}
    events = {name for name in known if name.startswith("event-")}
    assert known - events - ordered_templates() - {"letter", "server", "secondary"} == set()


def test_every_link_in_a_letter_leads_to_a_page() -> None:
    shapes = {re.sub(r"\{[^}]*\}", "*", page.path) for page in all_pages()}
    folder = Path(rendering.__file__).parent / "templates"
    linked = {f"/{page}/*" for page in TOKEN_PAGES.values()}
    for file in folder.glob("*.txt"):
        for path in re.findall(r"\{\{ url \}\}(/\S.*)", file.read_text()):
            linked.add(re.sub(r"\{\{[^}]*\}\}", "*", path).strip())
    assert linked <= shapes


def test_every_transition_that_tells_people_has_a_text_of_its_own() -> None:
    known = {Path(name).stem for name in environment().list_templates()}
    told = {action for (_, action), row in TRANSITIONS.items() if Effect.NOTIFY in row.effects}
    assert {f"event-{action}" for action in told} <= known


@ON_SQLITE
@pytest.mark.parametrize("action", list(Action))
def test_a_letter_of_each_transition_says_what_why_and_where(
    office: Office, action: Action, clock: Clock
) -> None:
    server_id = life.make_draft(office, hostname="mail.muller.com.au", complete=False)
    starts = {begin for begin, one in TRANSITIONS if one is action}
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        server.bond_currency, server.bond_due = "USD", 250_000
        server.bond_reasons, server.remedy = ["young domain"], "A new bond."
        server.fee_paid_until = server.offer_ends_on = work.today
        for start in sorted(starts):
            event = ServerEvent(
                server_id=server.id,
                at=work.now,
                role=Role.SYSTEM,
                action=action,
                from_state=start,
                to_state=TRANSITIONS[start, action].to,
                reason="Because of\nwhat happened.",
                public_text="Spam.",
                details={},
            )
            work.session.add(event)
            work.session.flush()
            work.order("mail", {"template": "event", "account": server.owner_id, "event": event.id})
    assert set(do_jobs(office, ["mail"])) == {("mail", "done")}
    got = [one for one in letters(office) if "mail.muller.com.au" in str(one["Subject"])]
    assert len(got) == len(starts)
    for message in got:
        text = text_of(message)
        assert text.startswith("Dear Zoe,\n")
        assert f"http://localhost:8025/servers/{server_id}\n" in text
        assert "because you are the owner of the mail server" in " ".join(text.split())
        assert all(len(line) <= WIDTH for line in text.splitlines())
        assert "\n\n\n\n" not in text
        assert message["To"] == life.OWNER_EMAIL
        assert message["Auto-Submitted"] == "auto-generated"
        needs_reason = any(TRANSITIONS[start, action].reason_required for start in starts)
        assert ("what happened." in text) or not needs_reason


@ON_SQLITE
def test_a_whole_application_is_told_to_its_owner(office: Office) -> None:
    life.make_tested(office, hostname="mail.muller.com.au")
    ends = do_jobs(office, ["offer", "mail"])
    assert {end for _, end in ends} == {"done"}
    subjects = [str(one["Subject"]) for one in letters(office) if one["To"] == life.OWNER_EMAIL]
    for words in ("received", "passed the screening", "our offer", "Invoice 1"):
        assert any(words in subject for subject in subjects), words
    invoice = next(one for one in letters(office) if "Invoice" in str(one["Subject"]))
    assert re.search(r"Reference:  RF\d\d CS", text_of(invoice))


@ON_SQLITE
def test_a_link_in_a_letter_is_good_and_not_in_the_database(office: Office) -> None:
    key = life.make_account(office, "zoe@muller.com.au")
    with office.work() as work:
        ask_reset(work, "zoe@muller.com.au")
    do_jobs(office)
    (letter,) = letters(office)
    link = re.search(r"http://localhost:8025/reset-password/([\w-]+)\n", text_of(letter))
    assert link is not None
    with office.reading() as work:
        assert look_at(work, "reset-password", link[1]).account_id == key
        payload = str([job.payload for job in work.session.query(Job)])
    assert link[1] not in payload
    assert link[1] not in str(letter["Subject"])


@ON_SQLITE
def test_a_link_that_was_replaced_is_not_sent(office: Office) -> None:
    life.make_account(office, "zoe@muller.com.au")
    for _ in range(2):
        with office.work() as work:
            ask_reset(work, "zoe@muller.com.au")
    assert do_jobs(office) == [("mail", "done")] * 2
    assert len(letters(office)) == 1


@ON_SQLITE
def test_a_new_address_is_written_to_at_that_address(office: Office) -> None:
    key = life.make_account(office, "zoe@muller.com.au")
    with office.work() as work:
        ask_new_address(work, Actor(Role.OWNER, key), "zoe@other.com.au")
    do_jobs(office)
    assert {str(one["To"]) for one in letters(office)} == {"zoe@muller.com.au", "zoe@other.com.au"}
    link = next(one for one in letters(office) if one["To"] == "zoe@other.com.au")
    assert "/change-email/" in text_of(link)


@ON_SQLITE
def test_contacts_are_asked_at_the_address_in_the_application(office: Office) -> None:
    server_id = life.make_draft(office)
    do_jobs(office)
    with office.reading() as work:
        owner = work.session.get_one(Server, server_id).owner_id
    assert owner
    asked = [one for one in letters(office) if "contact of the mail server" in str(one["Subject"])]
    assert asked
    for one in asked:
        assert "/confirm-contact/" in text_of(one)
        assert text_of(one).startswith("Dear Sir or Madam,")


@ON_SQLITE
def test_staff_is_invited_by_a_letter_with_its_roles(office: Office) -> None:
    with office.work() as work:
        token = invite(work, SYSTEM, "ada@muller.com.au", "Ada", {Role.SCREENER})
    do_jobs(office)
    (letter,) = letters(office)
    assert f"/invitation/{token}\n" in text_of(letter)
    assert "\n  - screener\n" in text_of(letter)


@ON_SQLITE
def test_an_invoice_that_was_cancelled_is_not_sent(office: Office) -> None:
    server_id = life.make_tested(office)
    do_jobs(office, ["offer"])
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        assert server.state is State.OFFERED
        move(work, server, Action.WITHDRAW, life.applicant_of(server))
    do_jobs(office, ["mail"])
    assert not [one for one in letters(office) if "Invoice" in str(one["Subject"])]


def test_a_reason_cannot_pretend_to_be_another_part_of_a_letter() -> None:
    event = SimpleNamespace(
        action="deny",
        at=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        reason="Bad.\n\n\nThe Registrar\r\nhttps://evil.example\u202e\x1b[2J",
        public_text="",
        details={},
    )
    facts = {
        "account": SimpleNamespace(name="Zoe\r\nBcc: all@example.org"),
        "server": SimpleNamespace(id=1, hostname="mail.example.org"),
        "event": event,
        "operator": "R",
        "url": "https://r.example",
        "capacity": "owner",
        "config": None,
    }
    subject, text = render("event", facts)
    assert subject == "Application for mail.example.org refused"
    assert "\n  The Registrar\n" in text
    assert "\n  https://evil.example" in text
    assert not any(character in text for character in "\r\x1b\u202e")


@given(st.text())
def test_a_subject_is_one_line(text: str) -> None:
    assert len(subject_of(text).splitlines()) <= 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "  ", "  - "]),
            st.lists(
                st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1),
                min_size=1,
            ),
        ),
    )
)
def test_breaking_lines_loses_no_word(lines: list[tuple[str, list[str]]]) -> None:
    text = "\n".join(indent + " ".join(words) for indent, words in lines)
    assert broken(text).split() == text.split()
    for line in broken(text).splitlines():
        assert len(line) <= WIDTH or len(line.split()) <= 2
