"""Lists of servers, what is next, and who may look."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from sqlalchemy import event

from countersign.registrar.operations.office import Office
from countersign.rules.life_cycle import State
from countersign.storage.database.servers import Server
from tests.registrar.operations import life, treasury
from tests.registrar.web.form_filler import Filler
from tests.registrar.web.owners import OFFERED, owner_of, server_of
from tests.registrar.web.visitors import Site


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
