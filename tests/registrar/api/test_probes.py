"""Where probes get their orders and bring what they found: signed requests only."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
import structlog.testing
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from httpx import Response
from sqlalchemy import select

from countersign.certification.assignment import Order
from countersign.certification.authorization import authorize
from countersign.certification.exchange import ENROLMENTS, MAX_RESULT, ORDERS, result_path
from countersign.certification.signing import Purpose, public_text, read_public, verify
from countersign.registrar.operations.office import Office
from countersign.registrar.operations.order_signing import public_order_key
from countersign.storage.database.jobs import Job
from countersign.storage.database.probing import Probe
from tests.probe.rows import add_order, add_probe, invite, order_of, result_of, revoke
from tests.registrar.api.programs import Desk, good, refused
from tests.registrar.conftest import Clock

sqlite_only = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class SignedProgram:
    """A probe's program, reduced to its requests."""

    def __init__(self, desk: Desk, probe: int, key: Ed25519PrivateKey) -> None:
        self.program = desk.stranger()
        self.office = desk.office
        self.probe = probe
        self.key = key

    def post(self, path: str, body: bytes, **changes: Any) -> Response:
        """Post what is signed now; changes: other values than those signed."""
        now = changes.pop("now", self.office.clock())
        signed_path = changes.pop("signed_path", path)
        signed_body = changes.pop("signed_body", body)
        header = str(
            authorize(self.key, self.probe, "POST", signed_path, body=signed_body, now=now)
        )
        header = changes.pop("header", header)
        headers = {"Content-Type": "application/json", "Authorization": header}
        return self.program.call("POST", path, content=body, headers=headers)

    def order(self, **wanted: Any) -> Response:
        """Ask for an order."""
        return self.post(ORDERS, json.dumps({"version": "1", **wanted}).encode())


@pytest.fixture
def probe(desk: Desk, office: Office) -> SignedProgram:
    """An enrolled probe."""
    return SignedProgram(desk, *add_probe(office))


class TestEnrolment:
    def wanted(self, token: str, **changes: Any) -> dict[str, Any]:
        key = public_text(Ed25519PrivateKey.generate().public_key())
        return {"token": token, "public_key": key, "network": "192.0.2.0/24", **changes}

    def test_makes_the_key_known_and_tells_the_registrars(self, desk: Desk, office: Office) -> None:
        number, token = invite(office)
        wanted = self.wanted(token, version="1.2")
        answer = good(desk.stranger().post(ENROLMENTS, wanted))
        assert answer.headers["cache-control"] == "no-store"
        with office.reading() as work:
            expected = {"id": number, "name": "lima", "order_key": public_order_key(work)}
            row = work.session.get_one(Probe, number)
        assert answer.json() == expected
        assert row.public_key == wanted["public_key"]
        # The answer may have been lost.
        assert good(desk.stranger().post(ENROLMENTS, wanted)).json() == expected

    @sqlite_only
    def test_takes_no_token_twice_for_two_keys(self, desk: Desk, office: Office) -> None:
        _, token = invite(office)
        good(desk.stranger().post(ENROLMENTS, self.wanted(token)))
        refused(desk.stranger().post(ENROLMENTS, self.wanted(token)), 404, "invitation")

    @sqlite_only
    def test_refuses_what_is_not_so_and_never_repeats_the_token(
        self, desk: Desk, office: Office
    ) -> None:
        _, token = invite(office)
        with structlog.testing.capture_logs() as logs:
            for code, changes in (
                (404, {"token": f"{token}x"}),
                (422, {"network": "198.51.100.0/24"}),
                (422, {"as_number": 64500}),
                (422, {"network": "nowhere"}),
                (400, {"public_key": "short"}),
                (400, {"as_number": 0}),
                (400, {"as_number": 2**32}),
                (400, {"token": token + "x" * 200}),
                (400, {"token": [token]}),
                (400, {"more": token}),
            ):
                answer = desk.stranger().post(ENROLMENTS, {**self.wanted(token), **changes})
                refused(answer, code)
                assert token not in answer.text
        assert token not in str(logs)

    @sqlite_only
    def test_refuses_a_token_that_is_too_old(
        self, desk: Desk, office: Office, clock: Clock
    ) -> None:
        _, token = invite(office)
        clock.advance(days=7, seconds=1)
        refused(desk.stranger().post(ENROLMENTS, self.wanted(token)), 404, "too old")


class TestOrders:
    def test_come_signed_and_once_to_who_has_them(
        self, probe: SignedProgram, office: Office
    ) -> None:
        number = add_order(office, probe.probe, "mail.muller.com.au")
        answer = good(probe.order())
        assert answer.headers["cache-control"] == "no-store"
        told = answer.json()
        with office.reading() as work:
            key = read_public(public_order_key(work))
        verify(key, Purpose.ORDER, told["order"].encode(), told["signature"])
        order = Order.model_validate_json(told["order"])
        assert (order.id, order.probe) == (number, probe.probe)
        assert order.assignment.host == "mail.muller.com.au"
        assert good(probe.order(held=[number]), 204).content == b""

    @sqlite_only
    def test_that_got_lost_come_again_and_those_that_the_probe_has_do_not(
        self, probe: SignedProgram, office: Office, clock: Clock
    ) -> None:
        number = add_order(office, probe.probe)
        good(probe.order())
        clock.advance(minutes=2)
        good(probe.order(held=[number]), 204)
        clock.advance(minutes=2)
        good(probe.order(held=[number + 1]), 200)

    @sqlite_only
    def test_of_others_are_not_seen(self, desk: Desk, probe: SignedProgram, office: Office) -> None:
        other = SignedProgram(desk, *add_probe(office, "oslo", "198.51.100.0/24"))
        add_order(office, other.probe)
        good(probe.order(), 204)
        good(other.order())

    @sqlite_only
    def test_are_asked_for_in_the_form_that_is_described(self, probe: SignedProgram) -> None:
        for body in (b"", b"{", b"[]", b'{"wait": 26}', b'{"wait": 1e999}', b'{"x": 1}'):
            refused(probe.post(ORDERS, body), 400)
        refused(probe.post(ORDERS, b'{"version": "\\u0000"}'), 400)
        refused(probe.post(ORDERS, b"[" * 100_000), 400)
        refused(probe.post(ORDERS, b" " * (1024 * 1024 + 1)), 413)

    def test_note_that_the_probe_was_seen(
        self, probe: SignedProgram, office: Office, clock: Clock
    ) -> None:
        clock.advance(hours=1)
        good(probe.order(version="9.9"), 204)
        with office.reading() as work:
            row = work.session.get_one(Probe, probe.probe)
        assert (row.seen_at, row.version) == (clock.now, "9.9")


class TestResults:
    def fetched(self, probe: SignedProgram, office: Office) -> int:
        number = add_order(office, probe.probe, "mail.muller.com.au")
        good(probe.order())
        return number

    def test_are_taken_and_settled_and_may_come_twice(
        self, probe: SignedProgram, office: Office, clock: Clock
    ) -> None:
        number = self.fetched(probe, office)
        result = result_of("mail.muller.com.au", "Größe: 1 ≠ 2 \\u0000")
        body = result.model_dump_json().encode()
        for _ in range(2):
            assert good(probe.post(result_path(number), body), 204).content == b""
        row = order_of(office, number)
        assert row.result == result.to_dict()
        assert row.ended_at == clock.now
        with office.reading() as work:
            jobs = work.session.scalars(select(Job).where(Job.kind == "settle")).all()
        assert [job.payload for job in jobs] == [{"run": row.run_id}]

    @sqlite_only
    def test_of_another_probe_host_or_time_are_refused(
        self, desk: Desk, probe: SignedProgram, office: Office, clock: Clock
    ) -> None:
        number = self.fetched(probe, office)
        body = result_of("mail.muller.com.au").model_dump_json().encode()
        other = SignedProgram(desk, *add_probe(office, "oslo", "198.51.100.0/24"))
        refused(other.post(result_path(number), body), 404)
        refused(probe.post(result_path(number + 1), body), 404)
        elsewhere = result_of("mail.example.net").model_dump_json().encode()
        refused(probe.post(result_path(number), elsewhere), 422, "host")
        clock.advance(hours=2)
        refused(probe.post(result_path(number), body), 422, "too late")
        assert order_of(office, number).result == {}

    @sqlite_only
    def test_that_are_none_are_refused_without_repeating_them(
        self, probe: SignedProgram, office: Office
    ) -> None:
        number = self.fetched(probe, office)
        good_body = result_of("mail.muller.com.au", "secretive").model_dump_json()
        for body in (
            "",
            "{",
            "[]",
            "[" * 100_000,
            good_body.replace("passed", "secretive"),
            good_body.replace("secretive", "\\u0000"),
            good_body.replace("secretive", "\\\\\\u0000"),
            good_body.replace("secretive", "\\ud800"),
            good_body.replace('"host"', '"hosts"'),
        ):
            answer = probe.post(result_path(number), body.encode())
            refused(answer, 400)
            assert "secretive" not in answer.text
        assert order_of(office, number).ended_at is None

    @sqlite_only
    def test_may_have_eight_megabytes_and_no_more(
        self, probe: SignedProgram, office: Office
    ) -> None:
        number = self.fetched(probe, office)
        body = result_of("mail.muller.com.au").model_dump_json().encode()
        refused(probe.post(result_path(number), body.ljust(MAX_RESULT + 1)), 413)
        good(probe.post(result_path(number), body.ljust(MAX_RESULT)), 204)


@sqlite_only
class TestSignature:
    def test_of_another_key_number_path_or_body_is_refused(
        self, desk: Desk, probe: SignedProgram, office: Office
    ) -> None:
        add_order(office, probe.probe)
        body = b'{"version": "1"}'
        refused(probe.post(ORDERS, body, signed_path=ENROLMENTS), 401, "no probe")
        refused(probe.post(ORDERS, body, signed_body=b"{}"), 401, "body")
        other = SignedProgram(desk, probe.probe, Ed25519PrivateKey.generate())
        refused(other.post(ORDERS, body), 401, "no probe")
        nobody = SignedProgram(desk, probe.probe + 7, probe.key)
        # A stranger is not told which probes there are.
        assert nobody.post(ORDERS, body).json() == other.post(ORDERS, body).json()
        good(probe.post(ORDERS, body))

    def test_of_an_order_is_none_of_a_request(self, probe: SignedProgram) -> None:
        header = str(
            authorize(probe.key, probe.probe, "GET", ORDERS, body=b"{}", now=probe.office.clock())
        )
        refused(probe.post(ORDERS, b"{}", header=header), 401)

    def test_is_good_for_a_minute(self, probe: SignedProgram, clock: Clock) -> None:
        for seconds, words in ((61, "61 s behind"), (-61, "61 s ahead of")):
            then = clock.now - datetime.timedelta(seconds=seconds)
            refused(probe.post(ORDERS, b"{}", now=then), 401, words, "clock")
        for seconds in (60, -60):
            then = clock.now - datetime.timedelta(seconds=seconds)
            good(probe.post(ORDERS, b"{}", now=then), 204)

    def test_must_be_there_and_of_its_form(self, probe: SignedProgram) -> None:
        for header in ("", "Bearer x", "Countersign-Probe", 'Countersign-Probe id="1"', "x" * 5000):
            answer = probe.post(ORDERS, b"{", header=header)
            refused(answer, 401, "of the form")
            assert answer.headers["www-authenticate"] == "Countersign-Probe"

    def test_of_a_revoked_probe_is_refused_and_it_is_told_why(
        self, probe: SignedProgram, office: Office
    ) -> None:
        number = add_order(office, probe.probe)
        good(probe.order())
        revoke(office, probe.probe)
        body = result_of("mail.muller.com.au").model_dump_json().encode()
        for answer in (probe.order(), probe.post(result_path(number), body)):
            refused(answer, 401, "revoked")

    def test_of_an_invited_probe_that_is_not_enrolled_is_none(
        self, desk: Desk, office: Office
    ) -> None:
        number, _ = invite(office)
        stranger = SignedProgram(desk, number, Ed25519PrivateKey.generate())
        refused(stranger.order(), 401, "no probe")

    def test_is_in_no_log(self, probe: SignedProgram, office: Office) -> None:
        number = add_order(office, probe.probe)
        with structlog.testing.capture_logs() as logs:
            good(probe.order())
            probe.post(result_path(number), b"{")
            probe.post(ORDERS, b"{}", signed_body=b"x")
        assert "signature" not in str(logs)
