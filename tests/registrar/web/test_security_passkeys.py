"""Passkeys with a real browser: Chromium's own authenticator, on the website as it is served."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

import cbor2
import pytest
from playwright.sync_api import BrowserContext, CDPSession, Page, expect
from sqlalchemy import select

from countersign.registrar.operations import passkeys, passwords, sessions
from countersign.registrar.operations.office import Actor, Office, OperationError
from countersign.rules.roles import Role
from countersign.storage.database.accounts import Account, Passkey
from tests.registrar.conftest import Clock
from tests.registrar.web.served import chromium, serving, watch
from tests.registrar.web.visitors import Site, add_account

PASSWORD = "orchid tractor velvet quorum"
EMAIL = "mei.chen@harbour.com.au"

pytestmark = [pytest.mark.peer, pytest.mark.slow]


@pytest.fixture
def database_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """Only the browser's part is new here: one engine is enough."""
    return f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'registrar.sqlite')}"


@dataclass
class Person:
    """Somebody at a browser with an authenticator."""

    office: Office
    account_id: int
    context: BrowserContext
    page: Page
    device: CDPSession
    authenticator: str
    complaints: list[str]

    @property
    def url(self) -> str:
        return self.office.config.url

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)

    def verify_user(self, verified: bool) -> None:
        """Say whether the authenticator recognises its user."""
        self.device.send(
            "WebAuthn.setUserVerified",
            {"authenticatorId": self.authenticator, "isUserVerified": verified},
        )

    def sign_in(self) -> None:
        self.open("/sign-in")
        self.page.get_by_label("E-mail address").fill(EMAIL)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in", exact=True).click()

    def add_passkey(self, name: str = "Laptop") -> None:
        self.open("/account/second-factor")
        self.page.get_by_label("Name for the new passkey").fill(name)
        self.page.get_by_role("button", name="Add a passkey").click()

    def sign_out(self) -> None:
        self.context.clear_cookies()


@pytest.fixture
def person(office: Office) -> Iterator[Person]:
    key = add_account(office, password_hash=passwords.hash_password(PASSWORD))
    with office.work() as work:
        work.session.get_one(Account, key).email = EMAIL
    with serving(office) as served, chromium() as browser:
        context = browser.new_context()
        page = context.new_page()
        page.set_default_timeout(20_000)
        device = context.new_cdp_session(page)
        device.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        made = device.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        yield Person(served, key, context, page, device, made["authenticatorId"], watch(page))


def test_a_passkey_is_second_factor_proof_and_sign_in(person: Person, clock: Clock) -> None:
    page = person.page
    person.sign_in()
    person.add_passkey()
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    assert page.locator("ul.codes li").count() == 10

    person.sign_out()
    person.sign_in()
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/servers")
    person.open("/account")
    expect(page.get_by_role("heading", name="Account and security")).to_be_visible()

    clock.advance(minutes=11)
    person.open("/account/tokens/new")
    expect(page.get_by_role("heading", name="Is it still you?")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Make a token")).to_be_visible()

    person.sign_out()
    person.open("/sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url("**/servers")
    with person.office.reading() as work:
        row = work.session.scalars(select(Passkey)).one()
        assert row.sign_count >= 3
        assert row.name == "Laptop"
    assert [one for one in person.complaints if "404" not in one] == []


def test_a_passkey_lets_in_while_the_account_is_locked(person: Person) -> None:
    person.sign_in()
    person.add_passkey()
    expect(person.page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    person.sign_out()
    stranger = Site(person.office).anonymous()
    for _ in range(5):
        stranger.post("/sign-in", {"email": EMAIL, "password": "not the password"})
    person.sign_in()
    expect(person.page.get_by_text("too many attempts")).to_be_visible()
    person.page.get_by_role("button", name="Sign in with a passkey").click()
    person.page.wait_for_url("**/servers")


def test_a_passkey_whose_user_is_not_recognised_is_refused(person: Person) -> None:
    person.sign_in()
    person.add_passkey()
    expect(person.page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    person.sign_out()
    person.verify_user(False)
    person.open("/sign-in")
    person.page.get_by_role("button", name="Sign in with a passkey").click()
    expect(person.page.get_by_text("The passkey was not used")).to_be_visible()
    person.open("/account")
    assert "/sign-in" in person.page.url


def test_an_answer_counts_once_and_for_its_own_challenge_and_account(person: Person) -> None:
    """What a thief recorded is worth nothing, in any order."""
    person.sign_in()
    person.add_passkey()
    expect(person.page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    person.sign_out()
    person.open("/sign-in")
    sent: list[str] = []
    person.page.on(
        "request",
        lambda request: (
            sent.append(request.post_data or "")
            if request.url.endswith("/sign-in/passkey")
            else None
        ),
    )
    person.page.get_by_role("button", name="Sign in with a passkey").click()
    person.page.wait_for_url("**/servers")
    credential = parse_qs(sent[0])["credential"][0]
    client_data = json.loads(credential)["response"]["clientDataJSON"]
    challenge = json.loads(_decoded(client_data))["challenge"]

    replay = Site(person.office).anonymous()
    assert replay.post("/sign-in/passkey", {"credential": credential}).status_code == 422
    replay.post("/sign-in/passkey/options")
    assert replay.post("/sign-in/passkey", {"credential": credential}).status_code == 422
    assert replay.get("/account").status_code == 303

    with person.office.work() as work, pytest.raises(OperationError):
        # The counter of the authenticator stands still: a copy of the key, or a replay.
        passkeys.authenticate(work, challenge, credential, None)
    other = add_account(person.office)
    with person.office.work() as work, pytest.raises(OperationError):
        passkeys.authenticate(work, challenge, credential, other)
    for broken in ("", "[]", "{}", "null", '{"rawId": "AA"}', credential[:-20], "[" * 5000):
        with person.office.work() as work, pytest.raises(OperationError):
            passkeys.authenticate(work, challenge, broken, None)
        with person.office.work() as work, pytest.raises(OperationError):
            passkeys.register(work, Actor(Role.OWNER, other), challenge, broken, "x")


def test_a_challenge_is_good_for_five_minutes_and_one_purpose(office: Office, clock: Clock) -> None:
    site = Site(office)
    visitor = site.anonymous()
    old = visitor.cookie
    answer = visitor.post("/sign-in/passkey/options").json()
    assert visitor.cookie != old
    assert answer["options"]["userVerification"] == "required"
    with office.reading() as work:
        found = sessions.find(work, visitor.cookie)
    assert found is not None
    assert found.data["challenge"]["value"] == answer["options"]["challenge"]
    late = visitor.post("/sign-in/passkey", {"credential": "{}"})
    assert "was not accepted" in late.text
    again = visitor.post("/sign-in/passkey", {"credential": "{}"})
    assert "Begin again" in again.text, "used up by the first answer"
    visitor.post("/sign-in/passkey/options")
    clock.advance(minutes=6)
    assert "Begin again" in visitor.post("/sign-in/passkey", {"credential": "{}"}).text


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_whatever_a_browser_answers_is_refused_in_words(office: Office) -> None:
    key = add_account(office)
    client_data = {"type": "webauthn.create", "challenge": "eHh4", "origin": office.config.url}
    head = hashlib.sha256(b"localhost").digest() + b"\x45" + bytes(20) + b"\x00\x10" + bytes(16)
    keys = [
        {1: 2, 3: -7, -1: 1},
        {1: 2, 3: -8},
        {1: 3, 3: -257, -1: b"", -2: b""},
        [1],
        1.5,
        {},
        {1: [], 3: {}},
    ]
    for public_key in keys:
        data = head + cbor2.dumps(public_key)
        for made in (data, b"", 1, data[:40]):
            for statement in ({}, [], None, {"alg": -7, "sig": b"x", "x5c": [b"x"]}):
                for form in ("none", "packed", "tpm", "fido-u2f", 1):
                    attestation = {"fmt": form, "attStmt": statement, "authData": made}
                    answer = {
                        "id": "AAAA",
                        "rawId": "AAAA",
                        "type": "public-key",
                        "response": {
                            "clientDataJSON": _encoded(json.dumps(client_data).encode()),
                            "attestationObject": _encoded(cbor2.dumps(attestation)),
                        },
                    }
                    with office.work() as work, pytest.raises(OperationError):
                        passkeys.register(
                            work, Actor(Role.OWNER, key), "eHh4", json.dumps(answer), "x"
                        )


def _encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
