"""The markup of all pages of the staff, and their conduct in a browser, with scripts or not."""

from __future__ import annotations

import datetime
import re

import pytest
from sqlalchemy import select

from countersign.certification import outcome
from countersign.certification.report import Report, one_perspective
from countersign.registrar.operations import (
    deregistration,
    forfeitures,
    offenders,
    probes,
    sanctions,
)
from countersign.registrar.operations.applications import withdraw
from countersign.registrar.operations.control import record_proof
from countersign.registrar.operations.office import SYSTEM, Office
from countersign.registrar.operations.secondary_details import Details
from countersign.registrar.operations.statement_import import import_file
from countersign.registrar.operations.test_results import ask_test, record_result
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.rules.screening import Level
from countersign.storage.database.jobs import Job, JobState
from countersign.storage.database.money import LedgerAccount, Payment, Purpose, Transfer
from countersign.storage.database.replication import SecondaryKind
from countersign.storage.database.servers import ApplicantKind, Server
from tests.registrar.operations import life, treasury
from tests.registrar.operations.test_money_import import entry, statement
from tests.registrar.replication import add_secondary, note_state, publish
from tests.registrar.web.served import chromium, serving, watch
from tests.registrar.web.staffers import at_desk, looks
from tests.registrar.web.test_look import Page
from tests.registrar.web.visitors import Site, add_account

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

EVIL = "<b>robot"
S, P = "/staff/servers", "/staff/payments"


def make_world(office: Office) -> dict[str, int]:
    """Make something of everything, and return keys by name."""
    adjudicator, second = treasury.adjudicator(office), treasury.second_adjudicator(office)
    with office.work() as work:
        offender = offenders.record_offender(
            work,
            adjudicator,
            offenders.Details("Zoë Müller", datetime.date(1970, 12, 31), f"{EVIL} Street"),
            level=Level.WARNED,
            offence_on=datetime.date(2025, 5, 1),
            case_reference=f"{EVIL}/1",
        )
    applied = life.make_compared(office, kind=ApplicantKind.BUSINESS)
    tested = life.make_tested(office, owner=life.make_account(office))
    active = treasury.make_active(office)
    suspended = treasury.make_active(office)
    struck = treasury.make_active(office)
    left = treasury.make_active(office)
    offered = treasury.make_offered(office)
    with office.work() as work:
        row = work.session.get_one(Server, suspended)
        sanctions.suspend(
            work, adjudicator, row, reason=EVIL, public_reason=f"spam {EVIL}", remedy=f"No {EVIL}."
        )
        found = forfeitures.propose(
            work, adjudicator, row, amount=treasury.BOND, reason=EVIL, offence_on=work.today
        )
        forfeitures.reply(work, treasury.owner_of(work, row), found, f"No {EVIL}!\nReally.")
        deregistration.propose_deregistration(
            work, second, work.session.get_one(Server, struck), reason=f"{EVIL} again"
        )
        record_proof(work, work.session.get_one(Server, active), "dns")
        run = ask_test(work, adjudicator, work.session.get_one(Server, active))
        record_result(work, run, "failed", report(office).to_dict())
    with office.work() as work:
        row = work.session.get_one(Server, left)
        withdraw(work, treasury.owner_of(work, row), row, reason=EVIL)
        work.session.add(
            Job(
                kind="mail",
                payload={"template": "event", "event": 1},
                state=JobState.FAILED,
                run_at=work.now,
                created_at=work.now,
                ended_at=work.now,
                error=EVIL,
            )
        )
    treasurer = treasury.treasurer(office)
    text = EVIL.replace("<", "&lt;")
    movements = entry(5000, text, ref="A1"), entry(300, text, ref="A2", debit=True)
    record = import_file(office, treasurer, statement(*movements)).record
    with office.reading() as work:
        payment = work.session.scalars(select(Payment).order_by(Payment.id.desc())).first()
        refund = work.session.scalars(
            select(LedgerAccount).where(
                LedgerAccount.server_id == left, LedgerAccount.purpose == Purpose.REFUND_DUE
            )
        ).one()
        allocation = work.session.scalars(select(Transfer).where(Transfer.server_id == active))
        used = next(iter(allocation))
    assert payment is not None
    assert used.payment_id is not None
    return {
        "offender": offender.id,
        "applied": applied,
        "tested": tested,
        "active": active,
        "suspended": suspended,
        "struck": struck,
        "offered": offered,
        "forfeiture": found.id,
        "run": run.id,
        "record": record,
        "payment": payment.id,
        "refund": refund.id,
        "used": used.payment_id,
        "allocation": used.id,
        "invoice": treasury.invoices(office, offered)[0].id,
        "probe": add_probe(office),
        **add_copies(office),
    }


def add_probe(office: Office) -> int:
    """Add a probe with long particulars; return its key."""
    with office.work() as work:
        probe, _ = probes.invite(
            work,
            SYSTEM,
            name="x" * 40,
            network="2001:db8:aaaa:bbbb:cccc:dddd:eeee:0/112",
            as_number=2**32 - 1,
            place=f"{EVIL} {'y' * 200}",
        )
        return probe.id


def add_copies(office: Office) -> dict[str, int]:
    """Add a secondary that is behind and a replica that is not; return their keys by name."""
    publish(office, 6, ago=9000)
    publish(office, 7, ago=6000)
    where = Details(place=EVIL, contact="noc@muller.com.au", notify=["[2001:db8::1]:53"])
    secondary, _ = add_secondary(office, "x" * 40, where)
    replica, _ = add_secondary(office, "lima", Details(SecondaryKind.REPLICA, f"{EVIL} hall"))
    with office.reading() as work:
        times = {"asked_at": work.now, "transferred_at": work.now, "error_at": work.now}
    seen = {"transfer": "ixfr", "octets": 123_456_789, "address": "2001:db8::1", **times}
    note_state(office, secondary, serial=6, error=f"{EVIL} {'y' * 200}", **seen)
    note_state(office, replica, serial=7, **seen)
    return {"secondary": secondary, "replica": replica}


def report(office: Office) -> Report:
    """Return a report of a test that failed."""
    line = outcome.Line(3, outcome.Direction.RECEIVED, f"550 {EVIL} {'x' * 300}")
    failed = outcome.TestOutcome(
        name="relay",
        title="No relay",
        verdict=outcome.Verdict.FAILED,
        explanation=f"It took mail for {EVIL}.",
        is_essential=True,
        address="192.0.2.1",
        transcript=(line,),
    )
    now = office.clock()
    result = outcome.BatteryResult(
        host="mail.example",
        addresses=("192.0.2.1",),
        begun_at=now,
        ended_at=now,
        outcomes=(failed,),
    )
    return one_perspective(result)


PAGES: dict[Role, tuple[str, ...]] = {
    Role.SCREENER: (
        "/staff",
        "/staff/screening",
        "/staff/screening?list=cleared",
        "/staff/screening/{applied}",
        "/staff/screening/{applied}/decision",
        "/staff/screening/{applied}/offenders/{offender}?as=director-1",
        "/staff/screening/{tested}",
    ),
    Role.ADJUDICATOR: (
        "/staff",
        "/staff/cases",
        "/staff/cases/suspensions",
        "/staff/cases/suspensions?list=all",
        "/staff/cases/deregistrations",
        "/staff/offenders",
        "/staff/offenders/record",
        "/staff/offenders/{offender}",
        "/staff/offenders/{offender}/withdraw",
        S,
        f"{S}?host=zz",
        *(f"{S}/{{active}}{rest}" for rest in ("", "/events", "/money", "/tests", "/holdings")),
        f"{S}/{{active}}/tests/{{run}}",
        f"{S}/{{active}}/suspend",
        f"{S}/{{active}}/forfeitures/propose",
        f"{S}/{{active}}/deregistration/propose",
        f"{S}/{{offered}}",
        f"{S}/{{suspended}}",
        *(f"{S}/{{suspended}}/{rest}" for rest in ("suspension", "remedy", "reinstate")),
        f"{S}/{{suspended}}/forfeitures/{{forfeiture}}",
        f"{S}/{{suspended}}/forfeitures/{{forfeiture}}/decision",
        f"{S}/{{struck}}",
        f"{S}/{{struck}}/deregistration",
    ),
    Role.TREASURER: (
        "/staff",
        P,
        f"{P}/all",
        f"{P}/record",
        f"{P}/statement",
        f"{P}/statement/{{record}}",
        f"{P}/debits",
        f"{P}/debits/1",
        f"{P}/payouts",
        f"{P}/payouts/{{refund}}",
        f"{P}/{{payment}}",
        f"{P}/{{payment}}?invoice={{invoice}}",
        f"{P}/{{payment}}/allocate?invoice={{invoice}}",
        *(f"{P}/{{payment}}/{rest}" for rest in ("return", "came-back", "not-for-us", "take-back")),
        f"{P}/{{used}}",
        f"{P}/{{used}}/undo/{{allocation}}",
        "/staff/ledger",
        "/staff/ledger/entries",
        "/staff/ledger/entries?host=zz.zz&kind=payment",
        "/staff/ledger/accounts",
        "/staff/ledger/accounts?purpose=refund-due",
        "/staff/ledger/invoices",
        "/staff/ledger/export",
    ),
    Role.AUDITOR: (
        "/staff",
        "/staff/access-log",
        "/staff/access-log?subject=Nobody",
        "/staff/offender-queries",
        "/staff/jobs",
        "/staff/secondaries",
        "/staff/secondaries/{secondary}",
        "/staff/probes",
        "/staff/probes/{probe}",
    ),
    Role.ADMINISTRATOR: (
        "/staff",
        "/staff/jobs",
        "/staff/jobs?list=waiting",
        "/staff/secondaries",
        "/staff/secondaries/add",
        "/staff/secondaries/{secondary}",
        "/staff/secondaries/{secondary}/change",
        "/staff/secondaries/{replica}",
        "/staff/probes",
        "/staff/probes/invite",
        "/staff/probes/{probe}",
    ),
}


def test_every_page_is_sound(site: Site, office: Office) -> None:
    keys = make_world(office)
    escaped = 0
    for role, addresses in PAGES.items():
        visitor = site.visitor(role)
        for pattern in addresses:
            address = pattern.format(**keys)
            answer = visitor.get(address)
            assert answer.status_code == 200, address
            page = Page(answer.text)
            ids = page.values("id")
            assert len(ids) == len(set(ids)), (address, sorted(ids))
            for attribute in ("for", "aria-describedby", "aria-labelledby", "popovertarget"):
                for value in page.values(attribute):
                    assert set(value.split()) <= set(ids), (address, value)
            for url in page.values("href"):
                assert not url.startswith("#") or url[1:] in ids, (address, url)
            labels = set(page.values("for"))
            for tag, attributes in page.elements:
                assert tag != "style"
                assert not [one for one in attributes if one == "style" or one.startswith("on")]
                if tag in {"input", "select", "textarea"} and attributes.get("type") != "hidden":
                    assert attributes.get("id") in labels, (address, attributes)
            for form in re.findall(r'<form[^>]*method="post".*?</form>', answer.text, re.DOTALL):
                assert 'name="csrf_token"' in form, address
            tags = [tag for tag, _ in page.elements]
            assert tags.count("h1") == tags.count("main") == 1, address
            assert EVIL not in answer.text, address
            escaped += "&lt;b&gt;robot" in answer.text
    assert escaped > 15


@pytest.mark.slow
def test_pages_break_no_policy_and_fit_a_narrow_screen(office: Office) -> None:
    keys = make_world(office)
    with serving(office) as served, chromium() as browser:
        site = Site(served)
        for role, addresses in PAGES.items():
            visitor = site.visitor(role)
            context = browser.new_context(viewport={"width": 320, "height": 640})
            cookie = {"name": "session", "value": visitor.cookie, "url": served.config.url}
            context.add_cookies([cookie])  # type: ignore[list-item]
            page = context.new_page()
            complaints = watch(page)
            for pattern in addresses:
                page.goto(served.config.url + pattern.format(**keys))
                width = page.evaluate("document.documentElement.scrollWidth")
                assert width <= 320, (pattern, width)
                assert complaints == [], pattern
            context.close()


@pytest.mark.slow
def test_a_scan_is_opened_in_a_tab_of_its_own(office: Office) -> None:
    key = life.make_compared(office)
    with serving(office) as served, chromium() as browser:
        visitor = Site(served).visitor(Role.SCREENER)
        context = browser.new_context()
        cookie = {"name": "session", "value": visitor.cookie, "url": served.config.url}
        context.add_cookies([cookie])  # type: ignore[list-item]
        page = context.new_page()
        page.goto(f"{served.config.url}/staff/screening/{key}")
        with context.expect_page() as opened:
            page.get_by_role("button", name="Open Driver's licence").click()
        tab = opened.value
        tab.wait_for_load_state()
        size = tab.evaluate("[document.images[0].naturalWidth, document.images[0].naturalHeight]")
        assert size == [120, 80]
        assert tab.evaluate("window.origin") == "null", "it is in a sandbox"
        assert tab.evaluate("window.opener") is None
        context.close()
    assert len(looks(office, "document seen")) == 1


@pytest.mark.slow
def test_a_decision_is_made_without_scripts(office: Office) -> None:
    key = treasury.make_active(office)
    with serving(office) as served, chromium() as browser:
        visitor = Site(served).visitor(Role.ADJUDICATOR)
        context = browser.new_context(java_script_enabled=False)
        cookie = {"name": "session", "value": visitor.cookie, "url": served.config.url}
        context.add_cookies([cookie])  # type: ignore[list-item]
        page = context.new_page()
        page.goto(f"{served.config.url}/staff/servers/{key}")
        page.get_by_role("link", name="Suspend", exact=True).click()
        page.get_by_label("Reason").fill("Four traps were hit.")
        page.get_by_label("What everybody is told").fill("spam to traps")
        page.get_by_role("button", name="See what follows").click()
        page.get_by_role("button", name="Back to the form").click()
        assert page.get_by_label("Reason").input_value() == "Four traps were hit."
        page.get_by_role("button", name="See what follows").click()
        page.get_by_role("button", name="Suspend it").click()
        assert page.get_by_text("is suspended.").is_visible()
        context.close()
    assert treasury.state_of(office, key) is State.SUSPENDED


def test_one_with_two_roles_sees_the_work_of_both(site: Site, office: Office) -> None:
    make_world(office)
    account = add_account(office, Role.ADJUDICATOR, Role.TREASURER)
    page = at_desk(site, account_id=account).open("/staff")
    for title in ("Forfeitures to decide", "Suspensions", "Payments to allocate", "Refunds"):
        assert title in page.text
