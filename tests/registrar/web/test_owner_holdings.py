"""Tests, users, keys, traps and the directory entry of a server, through the pages."""

from __future__ import annotations

from sqlalchemy import select

from countersign.certification.outcome import (
    BatteryResult,
    Direction,
    Line,
    TestOutcome,
    Verdict,
)
from countersign.registrar.operations.office import Office
from countersign.registrar.operations.test_results import record_result
from countersign.storage.database.servers import TestRun
from tests.registrar.operations import life, treasury
from tests.registrar.web.owners import OFFERED, owner_of, server_of
from tests.registrar.web.visitors import Site


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
