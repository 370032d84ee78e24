"""What a gateway does by API: users, keys, traps; and questions about offenders."""

from __future__ import annotations

import base64
import datetime
import hashlib
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from countersign.registrar.documents.text import Kind, current
from countersign.registrar.operations.offenders import Details, GivenNumber, record_offender
from countersign.registrar.operations.office import Office
from countersign.registrar.publishing.publisher import publish
from countersign.registry.zone.names import host_key
from countersign.rules.access import Scope
from countersign.rules.screening import Level
from countersign.storage.database.screening import OffenderQuery
from tests.registrar.api.programs import Desk, Program, about, good, refused
from tests.registrar.operations import life, treasury
from tests.registrar.publishing.checking import copy_now

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock


@pytest.fixture
def server_id(office: Office) -> int:
    return treasury.make_active(office)


@pytest.fixture
def gateway(desk: Desk, office: Office, server_id: int) -> Program:
    """A gateway: it has a token for its own server, and not for its applications."""
    owner = treasury.server_of(office, server_id).owner_id
    scopes = (Scope.READ_HOLDINGS, Scope.WRITE_HOLDINGS, Scope.QUERY_OFFENDERS)
    return desk.program(owner, *scopes, server=server_id)


@pytest.fixture
def where(server_id: int) -> str:
    return f"/servers/{server_id}"


def a_key() -> str:
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    return f"v=DKIM1; k=ed25519; p={base64.b64encode(public).decode()}"


def a_pin(of: str) -> str:
    return f"3 1 1 {hashlib.sha256(of.encode()).hexdigest()}"


class TestUsers:
    def test_are_registered_listed_and_revoked(self, gateway: Program, where: str) -> None:
        new = {"identifier": "17", "accepted_on": "2026-03-01"}
        made = good(gateway.post(f"{where}/privileged-users", new), 201).json()
        assert made == {
            "id": made["id"],
            "identifier": "17",
            "agreement_version": current(Kind.PRIVILEGED_USER_AGREEMENT),
            "accepted_on": "2026-03-01",
            "registered_at": "2026-03-02T09:00:00Z",
            "revoked_at": None,
        }
        shown = good(gateway.get(f"{where}/privileged-users")).json()
        assert shown == {"items": [made], "next": None}
        good(gateway.delete(f"{where}/privileged-users/{made['id']}"), 204)
        assert good(gateway.get(f"{where}/privileged-users")).json()["items"] == []
        refused(gateway.delete(f"{where}/privileged-users/{made['id']}"), 404)

    def test_come_in_pages_with_none_lost_and_none_twice_though_some_come_and_go(
        self, gateway: Program, where: str
    ) -> None:
        path = f"{where}/privileged-users"

        def register(name: str) -> int:
            new = {"identifier": name, "accepted_on": "2026-03-01"}
            return int(good(gateway.post(path, new), 201).json()["id"])

        numbers = [register(str(number)) for number in range(25)]
        pages = gateway.pages(path, 10)
        assert [len(page) for page in pages] == [10, 10, 5]
        assert [one["id"] for page in pages for one in page] == numbers[::-1]
        first = good(gateway.get(path, params={"limit": 10})).json()
        register("late")
        good(gateway.delete(f"{path}/{first['items'][9]['id']}"), 204)
        rest = good(gateway.get(path, params={"limit": 100, "cursor": first["next"]})).json()
        assert [one["id"] for one in rest["items"]] == numbers[14::-1]
        assert rest["next"] is None

    def test_are_refused_where_something_is_wrong(self, gateway: Program, where: str) -> None:
        for changes, code in (
            ({"identifier": ""}, 400),
            ({"identifier": "x" * 256}, 400),
            ({"identifier": "\u202e"}, 422),
            ({"accepted_on": "1 March"}, 400),
            ({"accepted_on": "2026-03-03"}, 422),
            ({"agreement_version": "1999-1"}, 422),
            ({"accepted_on": 1_772_000_000}, 400),
            ({"password": "secret"}, 400),
        ):
            new = {"identifier": "17", "accepted_on": "2026-03-01", **changes}
            with about(changes):
                refused(gateway.post(f"{where}/privileged-users", new), code)

    def test_are_for_active_servers(self, desk: Desk, office: Office) -> None:
        draft = life.make_draft(office)
        program = desk.program(treasury.server_of(office, draft).owner_id)
        new = {"identifier": "17", "accepted_on": "2026-03-01"}
        refused(program.post(f"/servers/{draft}/privileged-users", new), 422, "not active yet")

    def test_of_another_server_cannot_be_revoked(
        self, desk: Desk, office: Office, gateway: Program, where: str
    ) -> None:
        other = treasury.make_active(office)
        program = desk.program(treasury.server_of(office, other).owner_id)
        new = {"identifier": "17", "accepted_on": "2026-03-01"}
        user = good(program.post(f"/servers/{other}/privileged-users", new), 201).json()["id"]
        refused(gateway.delete(f"{where}/privileged-users/{user}"), 404)
        refused(gateway.delete(f"/servers/{other}/privileged-users/{user}"), 404)
        good(program.delete(f"/servers/{other}/privileged-users/{user}"), 204)


class TestKeys:
    def test_are_published_and_their_end_is(
        self, desk: Desk, office: Office, gateway: Program, where: str, server_id: int
    ) -> None:
        before = len(treasury.jobs(office, "publish"))
        signing = {"purpose": "dkim", "content": a_key(), "selector": "S2026"}
        made = good(gateway.post(f"{where}/keys", signing), 201).json()
        assert (made["selector"], made["content"]) == ("s2026", signing["content"])
        pin = {"purpose": "tls", "content": a_pin("one").upper()}
        pinned = good(gateway.post(f"{where}/keys", pin), 201).json()
        assert pinned["content"] == a_pin("one")
        assert good(gateway.get(f"{where}/keys")).json()["items"] == [made, pinned]
        assert len(treasury.jobs(office, "publish")) == before + 2
        published = self.published(office, server_id)
        assert hashlib.sha256(b"one").hexdigest() in published
        good(gateway.delete(f"{where}/keys/{pinned['id']}"), 204)
        assert len(treasury.jobs(office, "publish")) == before + 3
        assert hashlib.sha256(b"one").hexdigest() not in self.published(office, server_id)
        assert good(gateway.get(f"{where}/keys")).json()["items"] == [made]

    def published(self, office: Office, server_id: int) -> str:
        """Return what the zone says of a server, once it is published."""
        publish(office)
        node = copy_now(office)[host_key(treasury.server_of(office, server_id).hostname)]
        return node.decode("latin-1")

    def test_are_refused_where_something_is_wrong(self, gateway: Program, where: str) -> None:
        for changes, code in (
            ({"purpose": "ssh"}, 400),
            ({"content": ""}, 400),
            ({"content": "x" * 20_001}, 400),
            ({"content": "v=DKIM1; p=AAAA"}, 422),
            ({"selector": "a b"}, 422),
            ({"selector": ""}, 422),
        ):
            new = {"purpose": "dkim", "content": a_key(), "selector": "s1", **changes}
            with about(changes):
                refused(gateway.post(f"{where}/keys", new), code)


class TestTraps:
    def test_are_listed_with_a_tag_that_changes_with_them(
        self, office: Office, gateway: Program, where: str
    ) -> None:
        answer = good(gateway.get(f"{where}/traps"))
        items = answer.json()["items"]
        assert len(items) == office.config.traps
        assert all(one["local_part"].count(".") == 2 for one in items)
        tag = answer.headers["ETag"]
        for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            again = good(gateway.get(f"{where}/traps", headers={"If-None-Match": known}), 304)
            assert again.content == b""
            assert again.headers["ETag"] == tag
        good(gateway.get(f"{where}/traps", headers={"If-None-Match": '"x"'}))


QUESTION = {"purpose": "A new user.", "name": "Max Spammer", "birth_date": "1980-01-31"}


class TestQuestions:
    @pytest.fixture
    def path(self, where: str) -> str:
        return f"{where}/offender-queries"

    def test_are_answered_by_level_and_month_and_recorded(
        self, office: Office, gateway: Program, path: str
    ) -> None:
        make_offender(office)
        told = good(gateway.post(path, QUESTION)).json()
        assert told == {"level": "barred", "month": "2025-11-01", "questions_left": 19}
        number = {"kind": "passport", "country": "AU", "number": "N1234567"}
        by_number = good(gateway.post(path, {"purpose": "x", "numbers": [number]})).json()
        assert by_number == {"level": "barred", "month": "2025-11-01", "questions_left": 18}
        unknown = {**QUESTION, "name": "Zoë Müller"}
        assert good(gateway.post(path, unknown)).json() == {
            "level": None,
            "month": None,
            "questions_left": 17,
        }
        with office.reading() as work:
            rows = work.session.scalars(select(OffenderQuery).order_by(OffenderQuery.id)).all()
        assert [row.answer for row in rows] == ["barred", "barred", "none"]

    def test_are_few_in_a_day_whichever_token_asks(
        self, desk: Desk, office: Office, gateway: Program, path: str, server_id: int, clock: Clock
    ) -> None:
        other = desk.program(treasury.server_of(office, server_id).owner_id)
        limit = office.config.security.offender_queries
        for number in range(limit):
            asker = (gateway, other)[number % 2]
            left = good(asker.post(path, QUESTION)).json()["questions_left"]
            assert left == limit - number - 1
        refused(gateway.post(path, QUESTION), 422, "questions in 24 hours")
        refused(other.post(path, QUESTION), 422)
        assert good(gateway.get("/me")).json()["questions_left"] == 0
        clock.advance(hours=24)
        good(gateway.post(path, QUESTION))

    def test_that_are_repeated_with_a_key_count_once(self, gateway: Program, path: str) -> None:
        for _ in range(3):
            told = good(gateway.post(path, QUESTION, key="a")).json()
            assert told["questions_left"] == 19

    def test_say_enough_of_whom_and_why(self, gateway: Program, path: str) -> None:
        number = {"kind": "passport", "country": "AU", "number": "N1234567"}
        for question, code in (
            ({"purpose": "x"}, 422),
            ({"purpose": "x", "name": "Max Spammer"}, 422),
            ({"purpose": "x", "birth_date": "1980-01-31"}, 422),
            ({**QUESTION, "purpose": ""}, 400),
            ({"name": "Max Spammer", "birth_date": "1980-01-31"}, 400),
            ({**QUESTION, "birth_date": 318_124_800}, 400),
            ({**QUESTION, "name": "x" * 256}, 400),
            ({"purpose": "x", "numbers": [{**number, "kind": "fax"}]}, 400),
            ({"purpose": "x", "numbers": [number] * 21}, 400),
        ):
            with about(question):
                refused(gateway.post(path, question), code)
        assert good(gateway.get("/me")).json()["questions_left"] == 20


def make_offender(office: Office) -> None:
    details = Details(
        name="Max Spammer",
        birth_date=datetime.date(1980, 1, 31),
        numbers=(GivenNumber("passport", "AU", "N1234567"),),
    )
    actor = treasury.adjudicator(office)
    with office.work() as work:
        record_offender(
            work,
            actor,
            details,
            level=Level.BARRED,
            offence_on=datetime.date(2025, 11, 17),
            case_reference="case 12",
        )
