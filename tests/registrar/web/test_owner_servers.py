"""A server's pages after the application: what is next, money, promises, holdings, cases."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from sqlalchemy import event, select

from countersign.registrar.certification.outcome import (
    BatteryResult,
    Direction,
    Line,
    TestOutcome,
    Verdict,
)
from countersign.registrar.operations import forfeitures, sanctions
from countersign.registrar.operations.office import Office
from countersign.registrar.operations.test_results import record_result
from countersign.rules.life_cycle import State
from countersign.storage.database.accounts import Account
from countersign.storage.database.money import InvoiceKind
from countersign.storage.database.promises import Sponsorship, SponsorshipState
from countersign.storage.database.servers import Server, TestRun
from tests.registrar.operations import life, treasury
from tests.registrar.web.form_filler import Filler
from tests.registrar.web.visitors import Site

OFFERED = {"registered_on": treasury.YOUNG}


def owner_of(site: Site, key: int) -> Filler:
    """Return the owner of a server at a browser."""
    with site.office.reading() as work:
        account_id = work.session.get_one(Server, key).owner_id
    return Filler(site.visitor(account_id=account_id))


def server_of(office: Office, key: int) -> Server:
    with office.reading() as work:
        return work.session.get_one(Server, key)


def suspend(office: Office, key: int) -> None:
    adjudicator = treasury.adjudicator(office)
    with office.work() as work:
        sanctions.suspend(
            work,
            adjudicator,
            work.session.get_one(Server, key),
            reason="A trap was hit.",
            public_reason="spam to a trap",
            remedy="Close the user's account.",
        )


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (life.make_submitted, "the registrar checks the application"),
        (life.make_screened, "its relay test is being made"),
        (treasury.make_offered, "Accept the contract."),
        (treasury.make_active, "the server may send"),
    ],
)
def test_the_next_step_is_named(site: Site, make: Callable[[Office], int], said: str) -> None:
    key = make(site.office)
    browser = owner_of(site, key)
    assert said in browser.open(f"/servers/{key}").text
    assert said in browser.open("/servers").text


def test_an_offer_is_taken_up_through_the_pages(site: Site, office: Office) -> None:
    key = life.make_offered(office, registered_on=treasury.YOUNG)
    browser = owner_of(site, key)
    browser.open(f"/servers/{key}")
    assert f'href="/servers/{key}/contract"' in browser.page.text
    page = browser.open(f"/servers/{key}/contract")
    assert "Registration contract for a mail server" in page.text
    page = browser.press("Accept the contract")
    assert page.status_code == 422
    assert "Tick the box" in page.text
    browser.press("Accept the contract", {"accept": "yes"})
    assert "You have accepted the contract." in browser.page.text
    (link,) = re.findall(r'href="(/servers/\d+/contracts/\d+\.pdf)"', browser.page.text)
    pdf = browser.visitor.get(link)
    assert pdf.content.startswith(b"%PDF")
    assert "attachment" in pdf.headers["content-disposition"]

    page = browser.open(f"/servers/{key}")
    assert "Pay the security bond of US$2,500.00 and the yearly fee of US$120.00" in page.text
    page = browser.open(f"/servers/{key}/money")
    assert "RF" in page.text
    treasury.pay_all(office, key)
    page = browser.open(f"/servers/{key}")
    assert "the server may send" in page.text
    assert server_of(office, key).state is State.ACTIVE


def test_a_contract_that_changed_since_it_was_read_is_shown_anew(
    site: Site, office: Office
) -> None:
    key = treasury.make_offered(office, **OFFERED)
    browser = owner_of(site, key)
    browser.open(f"/servers/{key}/contract")
    # The contract names the sponsors.
    treasury.vouch(office, key, treasury.make_trusted(office))
    page = browser.press("Accept the contract", {"accept": "yes"})
    assert page.status_code == 409
    assert "has changed since you read it" in page.text
    page = browser.press("Accept the contract", {"accept": "yes"})
    assert "You have accepted the contract." in page.text


def test_model_agreements_are_filled_in(site: Site) -> None:
    key = life.make_submitted(site.office)
    browser = owner_of(site, key)
    for kind in ("user-agreement", "privileged-user-agreement"):
        page = browser.open(f"/servers/{key}/agreements/{kind}.pdf")
        assert page.content.startswith(b"%PDF")
    assert browser.open(f"/servers/{key}/agreements/registration-contract.pdf").status_code == 404


def test_invoices_receipts_and_statements_are_documents(site: Site, office: Office) -> None:
    key = treasury.make_active(office, **OFFERED)
    browser = owner_of(site, key)
    page = browser.open(f"/servers/{key}/money")
    papers = re.findall(r'href="(/servers/\d+/(?:invoices|receipts)/\d+\.pdf)"', page.text)
    assert len(papers) == 4
    for paper in papers:
        assert browser.open(paper).content.startswith(b"%PDF")
    page = browser.open(f"/servers/{key}/statement")
    assert "US$2,500.00" in page.text
    assert "Fee charged" in page.text
    assert browser.open(f"/servers/{key}/statement.pdf").content.startswith(b"%PDF")
    rows = browser.open(f"/servers/{key}/statement.csv").text.splitlines()
    assert rows[0] == "date,entry,account,amount,balance,currency"
    assert rows[-1].endswith(",2500.00,USD")
    assert len(rows) == 4


def test_an_invoice_of_another_server_is_not_given_out(site: Site, office: Office) -> None:
    mine = treasury.make_offered(office, **OFFERED)
    other = treasury.make_offered(office, **OFFERED)
    invoice = treasury.open_invoice(office, other, InvoiceKind.FEE)
    browser = owner_of(site, mine)
    for path in (f"/servers/{mine}/invoices/{invoice.id}.pdf", f"/servers/{other}/money"):
        assert browser.open(path).status_code == 404


def test_a_sponsor_is_asked_accepts_and_the_bond_falls_away(site: Site, office: Office) -> None:
    key = treasury.make_offered(office, **OFFERED)
    sponsors = [treasury.make_trusted(office) for _ in range(3)]
    browser = owner_of(site, key)
    browser.open(f"/servers/{key}/sponsors")
    page = browser.press("Ask", {"hostname": "nobody.example.org"})
    assert page.status_code == 422
    assert 'value="nobody.example.org"' in page.text
    for sponsor in sponsors:
        name = server_of(office, sponsor).hostname
        assert "has been sent" in browser.press("Ask", {"hostname": name.upper()}).text
    for number, sponsor in enumerate(sponsors):
        other = owner_of(site, sponsor)
        page = other.open("/sponsorship")
        assert "US$833.34" in page.text
        (link,) = re.findall(r'href="(/sponsorship/\d+)"', page.text)
        page = other.open(link)
        assert "Undertaking of a sponsor" in page.text
        assert other.press("Vouch for this server").status_code == 422
        other.press("Vouch for this server", {"accept": "yes"})
        assert "You vouch for" in other.page.text
        assert f"{number + 1} of 3" in browser.open(f"/servers/{key}/sponsors").text
    assert "no bond is asked for" in browser.page.text
    with office.reading() as work:
        names = [
            work.session.get_one(Account, work.session.get_one(Server, one).owner_id).name
            for one in sponsors
        ]
    page = browser.open(f"/servers/{key}/events")
    assert f"the owner of {server_of(office, sponsors[0]).hostname}" in page.text
    assert not [name for name in names if f">{name}<" in page.text or f"{name}," in page.text]


def test_a_sponsor_declines_and_takes_back(site: Site, office: Office) -> None:
    key = treasury.make_offered(office, **OFFERED)
    one, two = treasury.make_trusted(office), treasury.make_trusted(office)
    first, second = treasury.ask(office, key, one), treasury.vouch(office, key, two)
    browser = owner_of(site, one)
    assert browser.open(f"/sponsorship/{second}").status_code == 404
    browser.open(f"/sponsorship/{first}")
    browser.press("Decline")
    assert "You have declined" in browser.page.text
    browser = owner_of(site, two)
    browser.open(f"/sponsorship/{second}")
    browser.press("Give notice")
    with office.reading() as work:
        states = [work.session.get_one(Sponsorship, k).state for k in (first, second)]
    assert states == [SponsorshipState.DECLINED, SponsorshipState.ENDED]


def test_a_question_to_a_sponsor_is_withdrawn(site: Site, office: Office) -> None:
    key = treasury.make_offered(office, **OFFERED)
    asked = treasury.ask(office, key, treasury.make_trusted(office))
    browser = owner_of(site, key)
    browser.open(f"/servers/{key}/sponsors")
    browser.press("Withdraw the question")
    with office.reading() as work:
        assert work.session.get_one(Sponsorship, asked).state is SponsorshipState.ENDED


def battery(office: Office) -> BatteryResult:
    """Return what a test found, with a line that must be escaped."""

    def outcome(verdict: Verdict, title: str, fix: str = "") -> TestOutcome:
        return TestOutcome(
            name=title.lower().replace(" ", "-"),
            title=title,
            verdict=verdict,
            explanation=f"{title} was seen.",
            how_to_fix=fix,
            is_essential=True,
            address="192.0.2.25",
            transcript=(Line(5, Direction.RECEIVED, f"250 <script>{title}</script>"),),
        )

    return BatteryResult(
        host="mail.muller.com.au",
        addresses=("192.0.2.25",),
        begun_at=office.clock(),
        ended_at=office.clock(),
        outcomes=(
            outcome(Verdict.PASSED, "Greeting"),
            outcome(Verdict.FAILED, "Relaying", "Close the relay."),
        ),
    )


def test_a_report_says_what_was_said_and_how_to_fix_it(site: Site, office: Office) -> None:
    key = life.make_screened(office)
    with office.work() as work:
        run = work.session.scalars(select(TestRun).where(TestRun.server_id == key)).one()
        record_result(work, run, "failed", battery(office).to_dict())
    browser = owner_of(site, key)
    assert "Put right what the relay test found" in browser.open(f"/servers/{key}").text
    page = browser.open(f"/servers/{key}/tests/{run.id}")
    assert "Close the relay." in page.text
    assert "250 &lt;script&gt;Relaying&lt;/script&gt;" in page.text
    assert "250 &lt;script&gt;Greeting" not in page.text
    assert "250 &lt;script&gt;Greeting" in browser.open(f"{browser.path}?all=yes").text
    browser.open(f"/servers/{key}/tests")
    browser.press("Test it now")
    assert "The test has been ordered" in browser.page.text
    page = browser.press("Test it now")
    assert page.status_code == 422
    assert "wait 10 minutes" in page.text
    other = life.make_screened(office)
    assert owner_of(site, other).open(f"/servers/{other}/tests/{run.id}").status_code == 404


def test_users_are_registered_and_revoked(site: Site, office: Office) -> None:
    key = treasury.make_active(office, **OFFERED)
    browser = owner_of(site, key)
    browser.open(f"/servers/{key}/users")
    page = browser.press("Register the user", {"identifier": "robot-7", "accepted_on": ""})
    assert page.status_code == 422
    assert 'value="robot-7"' in page.text
    browser.press("Register the user", {"accepted_on": "2026-02-01"})
    assert "The user has been registered." in browser.page.text
    assert "1 February 2026" in browser.page.text
    browser.press("Revoke")
    assert "robot-7" not in browser.page.text


def test_keys_are_registered_shown_as_records_and_revoked(site: Site, office: Office) -> None:
    key = treasury.make_active(office, **OFFERED)
    name = server_of(office, key).hostname
    browser = owner_of(site, key)
    page = browser.open(f"/servers/{key}/keys")
    assert f"{name}.registry.example. A 127.0.0.2" in page.text
    page = browser.press("Register the key", {"purpose": "tls", "content": "3 1 1 nonsense"})
    assert page.status_code == 422
    assert "3 1 1 nonsense" in page.text
    browser.press("Register the key", {"content": "3 1 1 " + "0f" * 32})
    assert f"_25._tcp.{name}. TLSA 3 1 1 {'0f' * 32}" in browser.page.text
    browser.press("Revoke this key")
    assert "No key has been registered." in browser.page.text
    traps = browser.open(f"/servers/{key}/traps").text
    assert traps.count(f"@{name}</code>") == office.config.traps
    assert office.config.mail.sender in traps


def test_the_directory_entry_is_changed_and_public(site: Site, office: Office) -> None:
    key = life.make_active(office)
    browser = owner_of(site, key)
    browser.open(f"/servers/{key}/directory-entry")
    page = browser.press("Save", {"name": "Müller & Co", "email": "nonsense"})
    assert page.status_code == 422
    assert 'value="Müller &amp; Co"' in page.text
    browser.press("Save", {"email": "info@muller.com.au"})
    assert "Müller &amp; Co" in browser.page.text
    public = site.anonymous().get("/directory?q=muller")
    assert "info@muller.com.au" in public.text
    browser.press("Save", {"listed": None})
    assert "info@muller.com.au" not in site.anonymous().get("/directory?q=muller").text


def test_a_suspended_owner_sees_what_lifts_it_and_replies(site: Site, office: Office) -> None:
    key = treasury.make_active(office, **OFFERED)
    suspend(office, key)
    adjudicator = treasury.adjudicator(office)
    with office.work() as work:
        forfeitures.propose(
            work,
            adjudicator,
            work.session.get_one(Server, key),
            amount=treasury.BOND,
            reason="Proven spam.",
            offence_on=work.today,
        )
    browser = owner_of(site, key)
    page = browser.open(f"/servers/{key}")
    assert "Reply to the proposed forfeiture of the bond." in page.text
    assert "spam to a trap" in page.text
    page = browser.open(f"/servers/{key}/cases")
    assert "Close the user&#39;s account." in page.text
    assert "Proven spam." in page.text
    assert browser.press("Send the reply", {"reply": "  "}).status_code == 422
    page = browser.press("Send the reply", {"reply": "It was <not> us."})
    assert "It was &lt;not&gt; us." in page.text
    browser.press("Tell the registrar", {"done": "The account is closed."})
    assert "The registrar has been told" in browser.page.text
    assert "The account is closed." in browser.page.text
    with office.reading() as work:
        assert adjudicator.account_id is not None
        assert work.session.get_one(Account, adjudicator.account_id).name not in browser.page.text
    for _ in range(2):
        browser.press("Tell the registrar", {"done": "Again."})
    assert browser.press("Tell the registrar", {"done": "Again."}).status_code == 422


def test_a_sponsor_replies_to_a_forfeiture(site: Site, office: Office) -> None:
    key, (sponsor, *_) = treasury.make_sponsored(office)
    adjudicator = treasury.adjudicator(office)
    with office.work() as work:
        forfeitures.propose(
            work,
            adjudicator,
            work.session.get_one(Server, key),
            amount=0,
            reason="Proven spam.",
            offence_on=work.today,
        )
    browser = owner_of(site, sponsor)
    page = browser.open("/sponsorship")
    assert "Accused of spam" in page.text
    with office.reading() as work:
        one = work.session.scalars(
            select(Sponsorship).where(Sponsorship.sponsor_id == sponsor)
        ).one()
    browser.open(f"/sponsorship/{one.id}")
    browser.press("Send the reply", {"reply": "We knew nothing of it."})
    assert "Your reply is with the registrar." in browser.page.text
    page = owner_of(site, key).open(f"/servers/{key}/cases")
    assert "We knew nothing of it." in page.text


def test_leaving_says_what_happens_to_the_bond(site: Site, office: Office) -> None:
    key = treasury.make_active(office, **OFFERED)
    browser = owner_of(site, key)
    page = browser.open(f"/servers/{key}/withdraw")
    assert "The bond of <strong>US$2,500.00</strong> is set aside" in page.text
    browser.press("End the registration", {"sure": "yes"})
    assert server_of(office, key).state is State.WITHDRAWN
    page = browser.open(f"/servers/{key}/money")
    assert "To be paid out to you" in page.text


def test_nobody_leaves_while_suspended(site: Site, office: Office) -> None:
    key = treasury.make_active(office, **OFFERED)
    suspend(office, key)
    page = owner_of(site, key).open(f"/servers/{key}/withdraw")
    assert "cannot be withdrawn" in page.text


def test_a_decision_made_meanwhile_is_not_overridden(site: Site, office: Office) -> None:
    key = treasury.make_active(office, **OFFERED)
    browser = owner_of(site, key)
    browser.open(f"/servers/{key}/withdraw")
    suspend(office, key)
    assert browser.press("End the registration", {"sure": "yes"}).status_code == 409
    assert server_of(office, key).state is State.SUSPENDED


def test_an_admin_contact_reads_and_changes_nothing(site: Site, office: Office) -> None:
    key = life.make_active(office)
    admin = life.make_account(office, "jan@muller.com.au", name="Jan Novák")
    with office.work() as work:
        work.session.get_one(Server, key).admin_contact_id = admin
    browser = Filler(site.visitor(account_id=admin))
    page = browser.open("/servers")
    assert f'href="/servers/{key}"' in page.text
    assert "Admin contact" in page.text
    for path in ("", "/money", "/users", "/keys", "/traps", "/tests", "/cases", "/sponsors"):
        page = browser.open(f"/servers/{key}{path}")
        assert page.status_code == 200, path
        assert [form.action for form in browser.forms if form.method == "post"] == ["/sign-out"]
    for path in ("/application", "/contract", "/withdraw", "/directory-entry"):
        assert browser.open(f"/servers/{key}{path}").status_code == 403, path


def test_a_stranger_finds_no_server_at_any_address(site: Site, office: Office) -> None:
    key = treasury.make_active(office, **OFFERED)
    stranger = site.visitor()
    paths = [path for path in site.app.state.paths if path.path.startswith("/servers/{server:key}")]
    assert len(paths) > 25
    for path in paths:
        address = path.path.replace("{server:key}", str(key))
        address = re.sub(r"\{\w+:key\}", "1", address)
        address = re.sub(r"\{\w+\}", "owner", address)
        for method in path.pages:
            answer = stranger.get(address) if method == "GET" else stranger.post(address)
            assert answer.status_code == 404, (method, address)
            assert server_of(office, key).hostname not in answer.text
    assert stranger.get(f"/servers/{key + 1000}").status_code == 404


def test_a_long_list_costs_no_more_questions_than_a_short_one(site: Site, office: Office) -> None:
    account = life.make_account(office)
    browser = Filler(site.visitor(account_id=account))
    counted = []
    for number in (1, 5):
        for _ in range(number):
            treasury.make_offered(office, owner=account, **OFFERED)
        asked: list[str] = []

        def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
            asked.append(statement)  # noqa: B023 - used within this turn

        event.listen(office.database.engine, "before_cursor_execute", note)
        browser.open("/servers")
        event.remove(office.database.engine, "before_cursor_execute", note)
        counted.append(len(asked))
    assert counted[0] == counted[1]


def test_a_list_of_servers_has_pages(site: Site, office: Office) -> None:
    account = life.make_account(office)
    with office.work() as work:
        for number in range(60):
            work.session.add(
                Server(
                    hostname=f"mail{number}.many.com.au",
                    state=State.DRAFT,
                    state_since=work.now,
                    owner_id=account,
                    kind="individual",
                    created_at=work.now,
                )
            )
    browser = Filler(site.visitor(account_id=account))
    seen: list[str] = []
    page = browser.open("/servers")
    while True:
        seen += re.findall(r">(mail\d+)\.<wbr>many\.", page.text)
        following = re.search(r'rel="next" href="([^"]+)"', page.text)
        if following is None:
            break
        page = browser.open(following[1])
    assert len(seen) == len(set(seen)) == 60
    assert browser.open("/servers?after=nonsense").status_code == 422


def test_events_have_pages(site: Site, office: Office) -> None:
    key = treasury.make_active(office, **OFFERED)
    browser = owner_of(site, key)
    browser.open(f"/servers/{key}/keys")
    for number in range(18):
        browser.press("Register the key", {"purpose": "tls", "content": f"3 1 1 {number:064x}"})
        browser.press("Revoke this key")
    page = browser.open(f"/servers/{key}/events")
    following = re.search(r'rel="next" href="([^"]+)"', page.text)
    assert following is not None
    assert "Registered: sending privileges granted" in browser.open(following[1]).text


def test_money_owed_as_a_sponsor_is_named(site: Site, office: Office) -> None:
    key, (sponsor, *_) = treasury.make_sponsored(office)
    adjudicator = treasury.adjudicator(office)
    with office.work() as work:
        found = forfeitures.propose(
            work,
            adjudicator,
            work.session.get_one(Server, key),
            amount=0,
            reason="Proven spam.",
            offence_on=work.today,
        )
    office.clock.advance(days=15)  # type: ignore[attr-defined]
    with office.work() as work:
        assert forfeitures.execute_if_due(work, found.id)
    browser = owner_of(site, sponsor)
    page = browser.open(f"/servers/{sponsor}")
    assert "Pay the share that you owe as a sponsor of US$833.34" in page.text
    assert "Share as a sponsor" in browser.open(f"/servers/{sponsor}/money").text
    assert "Shares that were claimed" in browser.open("/sponsorship").text
