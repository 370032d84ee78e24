"""Users, keys, traps and the directory entry of a server, through the pages."""

from __future__ import annotations

from countersign.registrar.operations.office import Office
from tests.registrar.operations import life, treasury
from tests.registrar.web.owners import OFFERED, owner_of, server_of
from tests.registrar.web.visitors import Site


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
