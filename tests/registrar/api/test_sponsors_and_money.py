"""Sponsors, dues, invoices, and the payment provider's notices."""

from __future__ import annotations

import dataclasses
import datetime
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from httpx import Response

from countersign.registrar.money.reference import make_reference
from countersign.registrar.money.webhook import sign
from countersign.registrar.operations.office import Office
from countersign.rules.access import Scope
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.storage.database.money import InvoiceKind, InvoiceState, Payment
from tests.registrar.api.programs import Desk, Program, good, refused
from tests.registrar.operations import life, treasury

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock


def program_of(desk: Desk, server_id: int, *scopes: Scope, bound: bool = False) -> Program:
    owner = treasury.server_of(desk.office, server_id).owner_id
    return desk.program(owner, *scopes, server=server_id if bound else None)


class TestSponsors:
    @pytest.fixture
    def server_id(self, office: Office) -> int:
        return treasury.make_offered(office)

    @pytest.fixture
    def sponsor_id(self, office: Office) -> int:
        return treasury.make_trusted(office)

    def ask(self, desk: Desk, server_id: int, sponsor_id: int) -> dict[str, Any]:
        hostname = treasury.server_of(desk.office, sponsor_id).hostname
        program = program_of(desk, server_id)
        made = good(program.post(f"/servers/{server_id}/sponsors", {"hostname": hostname}), 201)
        return dict(made.json())

    def test_are_asked_read_what_they_risk_and_vouch(
        self, desk: Desk, office: Office, server_id: int, sponsor_id: int
    ) -> None:
        asked = self.ask(desk, server_id, sponsor_id)
        assert asked["state"] == "asked"
        sponsor = program_of(desk, sponsor_id)
        (question,) = good(sponsor.get("/sponsorships")).json()["items"]
        assert question["id"] == asked["id"]
        assert question["server"] == treasury.server_of(office, server_id).hostname
        assert question["share"] > 0
        where = f"/sponsorships/{asked['id']}"
        text = good(sponsor.get(where)).json()
        assert question["server"] in text.pop("markdown").replace("\\", "")
        refused(sponsor.post(f"{where}/acceptance", {**text, "sha256": "0" * 64}), 409, "changed")
        told = good(sponsor.post(f"{where}/acceptance", text, key="a")).json()
        assert told["state"] == "accepted"
        assert good(sponsor.post(f"{where}/acceptance", text, key="a")).json() == told
        refused(sponsor.post(f"{where}/acceptance", text), 409, "decided already")
        assert good(sponsor.get("/sponsorships")).json()["items"] == []
        given = good(sponsor.get("/sponsorships", params={"asked": False})).json()["items"]
        assert given == [told]
        (seen,) = good(program_of(desk, server_id).get(f"/servers/{server_id}/sponsors")).json()[
            "items"
        ]
        assert (seen["id"], seen["state"]) == (asked["id"], "accepted")

    def test_may_decline_and_give_notice(
        self, desk: Desk, office: Office, server_id: int, sponsor_id: int
    ) -> None:
        first = self.ask(desk, server_id, sponsor_id)["id"]
        sponsor = program_of(desk, sponsor_id)
        refused(sponsor.post(f"/sponsorships/{first}/notice"), 409)
        assert good(sponsor.post(f"/sponsorships/{first}/refusal")).json()["state"] == "declined"
        other_id = treasury.make_trusted(office)
        second = treasury.vouch(office, server_id, other_id)
        other = program_of(desk, other_id)
        assert good(other.post(f"/sponsorships/{second}/notice")).json()["state"] == "ended"

    def test_are_strangers_to_others_questions(
        self, desk: Desk, office: Office, server_id: int, sponsor_id: int
    ) -> None:
        number = self.ask(desk, server_id, sponsor_id)["id"]
        seen = {"version": "2026-1", "sha256": "0" * 64}
        owner = treasury.server_of(office, sponsor_id).owner_id
        elsewhere = treasury.make_active(office, owner=owner)
        for program in (
            program_of(desk, server_id),
            desk.program(life.make_account(office)),
            program_of(desk, elsewhere, bound=True),
        ):
            refused(program.get(f"/sponsorships/{number}"), 404)
            refused(program.post(f"/sponsorships/{number}/acceptance", seen), 404)
            refused(program.post(f"/sponsorships/{number}/refusal"), 404)
            assert good(program.get("/sponsorships")).json()["items"] == []
        bound = good(program_of(desk, sponsor_id, bound=True).get("/sponsorships")).json()
        assert [one["id"] for one in bound["items"]] == [number]

    def test_are_not_promised_by_a_token_that_was_not_made_for_it(
        self, desk: Desk, server_id: int, sponsor_id: int
    ) -> None:
        number = self.ask(desk, server_id, sponsor_id)["id"]
        program = program_of(desk, sponsor_id, Scope.WRITE_SERVERS, Scope.READ_SERVERS)
        seen = {"version": "2026-1", "sha256": "0" * 64}
        refused(program.post(f"/sponsorships/{number}/acceptance", seen), 403, "sponsors:answer")

    def test_need_not_answer_what_was_taken_back(
        self, desk: Desk, office: Office, server_id: int, sponsor_id: int
    ) -> None:
        number = self.ask(desk, server_id, sponsor_id)["id"]
        program = program_of(desk, server_id)
        other = treasury.make_offered(office, owner=treasury.server_of(office, server_id).owner_id)
        refused(program.delete(f"/servers/{other}/sponsors/{number}"), 404)
        good(program.delete(f"/servers/{server_id}/sponsors/{number}"), 204)
        assert good(program_of(desk, sponsor_id).get("/sponsorships")).json()["items"] == []

    def test_are_trusted_servers_of_others(
        self, desk: Desk, office: Office, server_id: int
    ) -> None:
        young = treasury.make_active(office)
        program = program_of(desk, server_id)
        path = f"/servers/{server_id}/sponsors"
        hostname = treasury.server_of(office, young).hostname
        refused(program.post(path, {"hostname": hostname}), 422, "not trusted")
        refused(program.post(path, {"hostname": "no.such.host.com.au"}), 404)
        refused(program.post(path, {"hostname": "-"}), 422)


class TestMoney:
    def test_dues_and_invoices_say_what_is_owed_and_paid(self, desk: Desk, office: Office) -> None:
        server_id = treasury.make_offered(office)
        program = program_of(desk, server_id, Scope.READ_MONEY)
        dues = good(program.get(f"/servers/{server_id}/dues")).json()
        assert (dues["currency"], dues["bond_due"], dues["bond_held"]) == ("USD", 250_000, 0)
        items = good(program.get(f"/servers/{server_id}/invoices")).json()["items"]
        assert [(one["kind"], one["outstanding"]) for one in items] == [
            ("fee", 12_000),
            ("bond", 250_000),
        ]
        bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
        treasury.pay(office, bond, 100_000)
        (one,) = [
            one
            for one in good(program.get(f"/servers/{server_id}/invoices")).json()["items"]
            if one["id"] == bond.id
        ]
        assert (one["amount"], one["outstanding"]) == (250_000, 150_000)
        assert one["reference"] == make_reference(bond.id)
        assert good(program.get(f"/servers/{server_id}/dues")).json()["bond_held"] == 100_000

    def test_before_an_offer_nothing_is_due(self, desk: Desk, office: Office) -> None:
        server_id = life.make_draft(office)
        program = program_of(desk, server_id)
        dues = good(program.get(f"/servers/{server_id}/dues")).json()
        assert (dues["currency"], dues["bond_due"], dues["bond_held"]) == ("", 0, 0)
        assert good(program.get(f"/servers/{server_id}/invoices")).json()["items"] == []

    def test_invoices_come_in_pages(self, desk: Desk, office: Office) -> None:
        server_id = treasury.make_offered(office)
        pages = program_of(desk, server_id).pages(f"/servers/{server_id}/invoices", 1)
        numbers = [one["id"] for page in pages for one in page]
        assert len(numbers) == 2
        assert numbers == sorted(numbers, reverse=True)


SECRETS = [b"the new secret", b"the old secret"]


class TestPaymentNotices:
    @pytest.fixture
    def provider(self, office: Office, tmp_path: Path) -> Provider:
        file = tmp_path / "secrets"
        file.write_bytes(b"\n".join(SECRETS) + b"\n")
        money = office.config.money.model_copy(update={"webhook_secret_file": file})
        config = office.config.model_copy(update={"money": money})
        return Provider(dataclasses.replace(office, config=config))

    @pytest.fixture
    def server_id(self, office: Office) -> int:
        server_id = treasury.make_offered(office)
        treasury.accept_contract(office, server_id)
        return server_id

    def test_put_the_payment_to_its_invoice(
        self, office: Office, provider: Provider, server_id: int
    ) -> None:
        for number, invoice in enumerate(treasury.invoices(office, server_id)):
            good(provider.tell(f"pay_{number}", invoice.id, invoice.amount))
        assert treasury.invoices(office, server_id, state=InvoiceState.OPEN) == []
        assert treasury.state_of(office, server_id) is State.ACTIVE
        treasury.check_ledger(office)

    def test_that_come_again_count_once(
        self, office: Office, provider: Provider, server_id: int
    ) -> None:
        invoice = treasury.open_invoice(office, server_id, InvoiceKind.FEE)
        first = good(provider.tell("pay_1", invoice.id, invoice.amount)).json()
        body, headers = provider.sent[-1]
        replayed = provider.post(body, headers)
        assert good(replayed).json() == first
        another = provider.tell("pay_1", invoice.id, invoice.amount, event="evt_2")
        assert good(another).json() == first
        payment: Payment = treasury.payment_of(office, first["payment"])
        assert (payment.amount, payment.allocated) == (12_000, 12_000)
        treasury.check_ledger(office)

    def test_of_the_same_payment_with_another_amount_are_refused(
        self, office: Office, provider: Provider, server_id: int
    ) -> None:
        invoice = treasury.open_invoice(office, server_id, InvoiceKind.FEE)
        good(provider.tell("pay_1", invoice.id, 12_000))
        refused(provider.tell("pay_1", invoice.id, 13_000), 409, "recorded already")

    def test_that_come_at_one_time_count_once(
        self, office: Office, provider: Provider, server_id: int
    ) -> None:
        invoice = treasury.open_invoice(office, server_id, InvoiceKind.FEE)
        found: list[Response] = []
        providers = [provider.again() for _ in range(6)]

        def tell(one: Provider) -> None:
            found.append(one.tell("pay_1", invoice.id, invoice.amount))

        threads = [threading.Thread(target=tell, args=(one,)) for one in providers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {good(one).json()["payment"] for one in found} == {found[0].json()["payment"]}
        assert treasury.payment_of(office, found[0].json()["payment"]).allocated == 12_000
        treasury.check_ledger(office)

    def test_may_be_signed_with_the_old_secret_while_it_is_changed(
        self, office: Office, provider: Provider, server_id: int
    ) -> None:
        invoice = treasury.open_invoice(office, server_id, InvoiceKind.FEE)
        good(provider.tell("pay_1", invoice.id, invoice.amount, secret=SECRETS[1]))

    def test_that_are_old_or_signed_wrongly_or_changed_are_refused(
        self, office: Office, provider: Provider, server_id: int, clock: Clock
    ) -> None:
        invoice = treasury.open_invoice(office, server_id, InvoiceKind.FEE)

        def tell(**how: Any) -> Response:
            return provider.tell("pay_1", invoice.id, invoice.amount, **how)

        refused(tell(secret=b"a guess"), 401, "signature is wrong")
        refused(tell(age=datetime.timedelta(minutes=6)), 401, "too old")
        refused(tell(age=-datetime.timedelta(minutes=6)), 401, "future")
        body, headers = provider.sent[-1]
        refused(provider.post(body, {}), 401, "missing")
        refused(provider.post(body, {"Countersign-Signature": "t=1,v1=zz"}), 401)
        good(tell())
        body, headers = provider.sent[-1]
        refused(provider.post(body.replace(b"12000", b"99000"), headers), 401)
        clock.advance(minutes=6)
        refused(provider.post(body, headers), 401, "too old")

    def test_with_a_good_signature_and_a_bad_body_say_what_is_wrong(
        self, provider: Provider
    ) -> None:
        for body in (b"", b"{}", b'{"amount": "1"}', b"\xff", b"[" * 30_000):
            told = refused(provider.post(body, provider.signed(body)), 422, "malformed")
            assert "secret" not in told["detail"]
        body = b"x" * 70_000
        refused(provider.post(body, provider.signed(body)), 413)

    def test_for_no_invoice_of_ours_wait_for_a_treasurer(
        self, office: Office, provider: Provider, server_id: int
    ) -> None:
        told = good(provider.tell("pay_1", 9_999_999, 500)).json()
        assert treasury.payment_of(office, told["payment"]).allocated == 0

    def test_are_refused_where_no_secret_is_set(self, desk: Desk) -> None:
        provider = Provider(desk.office)
        refused(provider.tell("pay_1", 1, 500), 401, "no secret")

    def test_come_again_later_where_the_secrets_cannot_be_read(
        self, provider: Provider, tmp_path: Path
    ) -> None:
        (tmp_path / "secrets").unlink()
        refused(provider.tell("pay_1", 1, 500), 503, "try again later")

    def test_need_no_token_and_take_none_instead(self, office: Office, provider: Provider) -> None:
        treasurer = life.staff(office, Role.TREASURER).account_id
        assert treasurer is not None
        provider.program.client.headers["Authorization"] = f"Bearer {Desk(office).token(treasurer)}"
        refused(provider.tell("pay_1", 1, 500, secret=b"a guess"), 401)


class Provider:
    """The payment provider."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.program = Desk(office).stranger()
        self.sent: list[tuple[bytes, dict[str, str]]] = []

    def again(self) -> Provider:
        return Provider(self.office)

    def tell(
        self,
        payment: str,
        invoice: int,
        amount: int,
        *,
        event: str = "evt_1",
        secret: bytes = SECRETS[0],
        age: datetime.timedelta = datetime.timedelta(),
    ) -> Response:
        """Tell of a payment."""
        notice = {
            "event": event,
            "payment": payment,
            "reference": make_reference(invoice),
            "amount": amount,
            "currency": "USD",
            "paid_at": "2026-03-01T10:00:00Z",
        }
        body = json.dumps(notice).encode()
        headers = self.signed(body, secret, age)
        self.sent.append((body, headers))
        return self.post(body, headers)

    def signed(
        self,
        body: bytes,
        secret: bytes = SECRETS[0],
        age: datetime.timedelta = datetime.timedelta(),
    ) -> dict[str, str]:
        return {"Countersign-Signature": sign(secret, body, self.office.clock() - age)}

    def post(self, body: bytes, headers: dict[str, str]) -> Response:
        headers = {"Content-Type": "application/json", **headers}
        return self.program.call("POST", "/payment-notices", content=body, headers=headers)
