"""How a demo's server comes into the registry: what its owner and the staff do in a browser."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path

from sqlalchemy import select

from countersign.demo import papers
from countersign.demo.dns_server import DnsServer
from countersign.demo.world import REGISTRAR_URL, DemoError, Host
from countersign.protocol.control import control_name, control_text
from countersign.registrar.dns_presence import has_address
from countersign.registrar.mail.facts import TOKEN_PAGES
from countersign.registrar.money.reference import make_reference
from countersign.registrar.operations import (
    applications,
    contacts,
    contracts,
    control,
    documents_of,
    dossier,
    payments,
    screenings,
)
from countersign.registrar.operations.intake import Receipt
from countersign.registrar.operations.invoices import open_invoices
from countersign.registrar.operations.office import Actor, Office, Work
from countersign.registrar.particulars.documents import documents_wanted
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.rules.screening import Verdict
from countersign.storage.database.money import InvoiceKind
from countersign.storage.database.screening import DomainAgeRecord, ScreeningRecord
from countersign.storage.database.servers import Server

_PATIENCE_SECONDS = 300
_POLL_SECONDS = 0.1
_LINK = re.compile(rf"{REGISTRAR_URL}/{TOKEN_PAGES[contacts.PURPOSE]}/([A-Za-z0-9_-]+)")


class Registration:
    """One host's way from the first form to sending privileges."""

    def __init__(
        self, office: Office, host: Host, *, owner: int, staff: int, mail_directory: Path
    ) -> None:
        """owner, staff: accounts. mail_directory: the Maildir where the registrar's letters go."""
        self.office = office
        self.host = host
        self.server_id = 0
        self._applicant = Actor(Role.OWNER, owner)
        self._staff = staff
        self._mail_directory = mail_directory

    def certify(self, dns: DnsServer) -> None:
        """Go the whole way. Raises :class:`DemoError` and :class:`OperationError`.

        dns: what answers for the host, where its owner publishes the proof of control.
        """
        host, applicant = self.host, self._applicant
        with self.office.work() as work:
            server = applications.begin(work, applicant, host.name, papers.KINDS[host.name])
            self.server_id = server.id
            for step, form in papers.forms(host).items():
                result = applications.save_step(work, applicant, server, step, form, is_form=True)
                if not result.ok:
                    raise DemoError(f"{host.name}, {step}: {result.errors}")
            token = control.token_of(work, server)
        dns.set(control_name(host.name), "TXT", f'"{control_text(token)}"', ttl=5)
        self._attach_scans()
        self._confirm_contacts()
        applications.submit(
            self.office,
            applicant,
            self.server_id,
            lambda name: has_address(name, self.office.config.certification),
        )
        self._wait(_is_compared, "the comparison with known offenders")
        self.change(self._clear)
        self._wait(lambda _work, server: server.state is State.OFFERED, "the relay test")
        self.change(lambda work, server: _accept_contract(work, applicant, server))
        self.change(self._pay)
        self._wait(lambda _work, server: server.state is State.ACTIVE, "the activation")

    def _attach_scans(self) -> None:
        with self.office.reading() as work:
            wishes = documents_wanted(dossier.load(work, self.server_id))
        for wish in wishes:
            upload = documents_of.receive(self.office, papers.scan(wish.label))
            self.change(
                lambda work, server, wish=wish, upload=upload: documents_of.attach(  # type: ignore[misc]
                    work,
                    self._applicant,
                    server,
                    kind=wish.kinds[0],
                    subject=wish.subject,
                    upload=upload,
                ),
            )

    def _confirm_contacts(self) -> None:
        """Read the letters that the service has written, and follow their links."""
        used: set[str] = set()

        def all_confirmed(work: Work, server: Server) -> bool:
            return not dossier.unconfirmed_contacts(work, server)

        def follow_links() -> None:
            for token in _links_in(self._mail_directory, self.host.name):
                if token not in used:
                    used.add(token)
                    with self.office.work() as work:
                        contacts.confirm(work, token)

        self._wait(all_confirmed, "letters to the contacts", meanwhile=follow_links)

    def _clear(self, work: Work, server: Server) -> None:
        screenings.decide(
            work,
            Actor(Role.SCREENER, self._staff),
            server,
            Verdict.CLEAN,
            reason="The papers show who the applicant is.",
            seen_version=server.version,
        )

    def _pay(self, work: Work, server: Server) -> None:
        for invoice in [one for kind in InvoiceKind for one in open_invoices(work, server, kind)]:
            payments.record(
                work,
                Actor(Role.TREASURER, self._staff),
                Receipt(
                    key=f"transfer-{invoice.id}",
                    amount=invoice.amount,
                    currency=invoice.currency,
                    received_on=work.today,
                    text=make_reference(invoice.id),
                ),
            )

    def change(self, operation: Callable[[Work, Server], object]) -> None:
        """Do something with the server."""
        with self.office.work() as work:
            operation(work, work.session.get_one(Server, self.server_id))

    def _wait(
        self,
        holds: Callable[[Work, Server], bool],
        what: str,
        *,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """Wait for what the service's workers do, in a process of their own."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < end:
            with self.office.reading() as work:
                if holds(work, work.session.get_one(Server, self.server_id)):
                    return
            meanwhile()
            time.sleep(_POLL_SECONDS)
        raise DemoError(f"{self.host.name}: {what} did not come; see the registrar's log")


def _is_compared(work: Work, server: Server) -> bool:
    return all(
        work.session.scalar(select(model.id).where(model.server_id == server.id)) is not None
        for model in (ScreeningRecord, DomainAgeRecord)
    )


def _accept_contract(work: Work, owner: Actor, server: Server) -> None:
    text = contracts.contract(work, server)
    contracts.accept(work, owner, server, version=text.text.version, seen=text.sha256)


def _links_in(maildir: Path, hostname: str) -> Iterator[str]:
    """Return the tokens of all links in letters that name a host."""
    for file in sorted((maildir / "new").glob("*")):
        letter = message_from_bytes(file.read_bytes(), policy=default)
        body = letter.get_body(("plain",))
        text = body.get_content() if body is not None else ""
        if hostname in text:
            yield from _LINK.findall(text)
