"""The markup of all pages of the portal, and their conduct in a browser, with scripts or not."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, sync_playwright

from countersign.registrar.operations import holdings, sessions
from countersign.registrar.operations.office import Office
from countersign.registrar.operations.test_results import ask_test
from countersign.registrar.web.app import make_app
from countersign.rules.roles import Role
from countersign.storage.database.accounts import Account
from countersign.storage.database.servers import ApplicantKind, Server
from tests.registrar.operations import life, treasury
from tests.registrar.reports import differing, end_with
from tests.registrar.web.owners import OFFERED, suspend
from tests.registrar.web.test_look import Page
from tests.registrar.web.visitors import Site

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

TABS = ("", "/events", "/application/review", "/money", "/statement", "/sponsors", "/contract")
TABS += (
    "/control",
    "/tests",
    "/sending-test",
    "/users",
    "/keys",
    "/traps",
    "/directory-entry",
    "/cases",
    "/withdraw",
)
STEPS = ("host", "company", "directors", "admin-contact", "location", "directory", "documents")


def pages_of(office: Office) -> tuple[int, list[str]]:
    """Return an owner of servers in many states, and the addresses of all pages."""
    owner = life.make_account(office, life.OWNER_EMAIL, Role.AGENT, name="Zoë Müller")
    draft = life.make_draft(office, kind=ApplicantKind.BUSINESS)
    empty = life.make_draft(office, complete=False)
    life.make_draft(office, owner=life.make_account(office), agent=owner)
    offered = treasury.make_offered(office, owner=owner, **OFFERED)
    active = life.make_active(office, registered_on=treasury.YOUNG)
    suspended = treasury.make_active(office, owner=owner, **OFFERED)
    suspend(office, suspended)
    trusted = treasury.make_trusted(office, owner=owner)
    asking = treasury.make_offered(office, **OFFERED)
    question = treasury.ask(office, asking, trusted)
    treasury.ask(office, offered, treasury.make_trusted(office))
    with office.work() as work:
        server = work.session.get_one(Server, active)
        holdings.register_user(
            work,
            treasury.owner_of(work, server),
            server,
            identifier="<b>robot</b>",
            agreement_version="2026-1",
            accepted_on=work.today,
        )
    with office.work() as work:
        server = work.session.get_one(Server, active)
        ask_test(work, treasury.owner_of(work, server), server)
    run = end_with(office, active, differing(office))
    return owner, [
        *(f"/servers/{active}/tests/{run}", f"/servers/{draft}/control"),
        *("/servers", "/servers/new", "/sponsorship", f"/sponsorship/{question}"),
        *("/offender-query", "/agent", "/agent/new", f"/servers/{empty}"),
        *(f"/servers/{draft}/application/{step}" for step in (*STEPS, "review")),
        *(f"/servers/{empty}/application/{step}" for step in ("owner", "documents", "review")),
        *(f"/servers/{active}{tab}" for tab in TABS),
        *(f"/servers/{offered}{tab}" for tab in ("", "/money", "/sponsors", "/contract")),
        *(f"/servers/{suspended}{tab}" for tab in ("", "/cases")),
    ]


def test_every_page_is_sound(site: Site, office: Office) -> None:
    owner, addresses = pages_of(office)
    visitor = site.visitor(account_id=owner)
    for address in addresses:
        answer = visitor.get(address)
        assert answer.status_code == 200, address
        page = Page(answer.text)
        ids = page.values("id")
        assert len(ids) == len(set(ids)), address
        for attribute in ("for", "aria-describedby", "aria-labelledby", "popovertarget"):
            for value in page.values(attribute):
                assert set(value.split()) <= set(ids), (address, value)
        for url in page.values("href"):
            assert not url.startswith("#") or url[1:] in ids, (address, url)
        labels = set(page.values("for"))
        for tag, attributes in page.elements:
            assert tag != "style"
            assert not [name for name in attributes if name == "style" or name.startswith("on")]
            if tag in {"input", "select", "textarea"} and attributes.get("type") != "hidden":
                assert attributes.get("id") in labels, (address, attributes)
        for form in re.findall(r'<form[^>]*method="post".*?</form>', answer.text, re.DOTALL):
            assert 'name="csrf_token"' in form, address
        tags = [tag for tag, _ in page.elements]
        assert tags.count("h1") == tags.count("main") == 1, address
        assert "<b>robot" not in answer.text
    assert "&lt;b&gt;robot" in visitor.get(next(a for a in addresses if "/users" in a)).text


@pytest.fixture
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs Chromium")
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        made = playwright.chromium.launch(executable_path=path, args=options)
        yield made
        made.close()


@pytest.fixture
def address(office: Office) -> Iterator[str]:
    """The address of the website, served by uvicorn."""
    from dataclasses import replace

    listener = uvicorn.Config("", port=0).bind_socket()
    port = listener.getsockname()[1]
    url = f"http://localhost:{port}"
    here = replace(office, config=office.config.model_copy(update={"url": url}))
    server = uvicorn.Server(uvicorn.Config(make_app(here), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield url
    server.should_exit = True
    thread.join(10)


def cookie(office: Office, account_id: int, url: str) -> dict[str, str]:
    """Return the cookie of a new session."""
    with office.work() as work:
        account = work.session.get_one(Account, account_id)
        value = sessions.begin(work, account, factor="", device="Test")
    return {"name": "session", "value": value, "url": url}


@pytest.mark.slow
def test_pages_break_no_policy_and_fit_a_narrow_screen(
    office: Office, address: str, browser: Browser
) -> None:
    owner, addresses = pages_of(office)
    context = browser.new_context(viewport={"width": 320, "height": 640})
    context.add_cookies([cookie(office, owner, address)])  # type: ignore[list-item]
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    for path in addresses:
        page.goto(address + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
        assert said == [], path
    context.close()


@pytest.mark.slow
def test_a_city_is_suggested_while_one_types(
    office: Office, address: str, browser: Browser
) -> None:
    key = life.make_draft(office)
    owner = life.make_account(office, life.OWNER_EMAIL)
    context = browser.new_context()
    context.add_cookies([cookie(office, owner, address)])  # type: ignore[list-item]
    page = context.new_page()
    page.goto(f"{address}/servers/{key}/application/location")
    page.get_by_label("Search for a city").fill("Frankf")
    choice = page.get_by_label("Frankfurt (Oder), Germany")
    choice.wait_for()
    choice.check()
    page.get_by_role("button", name="Save and continue").last.click()
    page.wait_for_url("**/directory")
    with office.reading() as work:
        assert work.session.get_one(Server, key).city == "Frankfurt (Oder)"
    context.close()


@pytest.mark.slow
def test_a_scan_is_uploaded_without_scripts(
    office: Office, address: str, browser: Browser, tmp_path: Path
) -> None:
    from PIL import Image

    file = tmp_path / "scan.png"
    Image.new("L", (300, 200), 90).save(file)
    key = life.make_draft(office)
    owner = life.make_account(office, life.OWNER_EMAIL)
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies([cookie(office, owner, address)])  # type: ignore[list-item]
    page = context.new_page()
    page.goto(f"{address}/servers/{key}/application/documents")
    page.get_by_text("Add another page or a better scan").first.click()
    page.get_by_label("File").first.set_input_files(file)
    page.get_by_role("button", name="Upload Driver's licence").click()
    assert page.get_by_text("kept encrypted").is_visible()
    context.close()
