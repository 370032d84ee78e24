"""Scans: attached by applicants, seen by screeners only, each look on record."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from countersign.registrar.operations import documents_of
from countersign.registrar.operations.documents_of import (
    attach,
    open_document,
    receive,
    remove,
)
from countersign.registrar.operations.documents_of import (
    documents_of as list_documents,
)
from countersign.registrar.operations.dossier import open_particulars, what_is_missing
from countersign.registrar.operations.office import (
    Actor,
    ForbiddenError,
    NotFoundError,
    Office,
    OperationError,
)
from countersign.registrar.particulars.steps import Step
from countersign.rules.roles import Role
from countersign.storage.database.accounts import AccessRecord
from countersign.storage.database.servers import (
    ApplicantKind,
    Document,
    DocumentContent,
    Server,
    ServerEvent,
)
from tests.registrar.operations import life


def documents(office: Office, server_id: int) -> list[Document]:
    with office.reading() as work:
        return list_documents(work, work.session.get_one(Server, server_id))


def add(
    office: Office,
    server_id: int,
    kind: str,
    subject: str,
    *,
    shade: int = 90,
    actor: Actor | None = None,
) -> Document:
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        return attach(
            work,
            actor or life.applicant_of(server),
            server,
            kind=kind,
            subject=subject,
            upload=life.a_scan(shade),
        )


def looks(office: Office) -> list[AccessRecord]:
    with office.reading() as work:
        return list(work.session.scalars(select(AccessRecord).order_by(AccessRecord.id)))


def test_a_scan_is_kept_sealed_and_opens_for_a_screener_as_it_was(office: Office) -> None:
    server_id = life.make_submitted(office)
    screener = life.staff(office, Role.SCREENER)
    first = documents(office, server_id)[0]
    scan = life.a_scan()
    with office.work() as work:
        sealed = work.session.get_one(DocumentContent, first.id).sealed
        opened = open_document(work, screener, first.id)
    assert scan.content not in sealed
    assert (opened.content, opened.content_type) == (scan.content, scan.content_type)
    assert (first.sha256, first.size, first.pages) == (scan.sha256, len(scan.content), 1)


def test_each_look_at_a_scan_is_on_record(office: Office) -> None:
    server_id = life.make_submitted(office)
    screener = life.staff(office, Role.SCREENER)
    first = documents(office, server_id)[0]
    for _ in range(2):
        with office.work() as work:
            open_document(work, screener, first.id)
    assert [(one.what, one.subject, one.account_id) for one in looks(office)] == [
        ("document seen", f"document:{first.id}", screener.account_id)
    ] * 2


def test_a_look_that_fails_to_be_recorded_shows_nothing(office: Office) -> None:
    server_id = life.make_submitted(office)
    ghost = Actor(Role.SCREENER, 999_999)
    first = documents(office, server_id)[0]
    with pytest.raises(Exception, match=r"(?i)foreign key"), office.work() as work:
        open_document(work, ghost, first.id)


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.SCREENER}))
def test_nobody_but_a_screener_opens_a_scan(office: Office, role: Role) -> None:
    server_id = life.make_submitted(office)
    actor = life.staff(office, role)
    first = documents(office, server_id)[0]
    with pytest.raises(ForbiddenError), office.work() as work:
        open_document(work, actor, first.id)
    assert looks(office) == []


def test_a_screener_does_not_see_the_papers_of_his_own_application(office: Office) -> None:
    screener = life.staff(office, Role.SCREENER)
    server_id = life.make_draft(office, owner=screener.account_id)
    life.confirm_contacts(office, server_id)
    life.hand_in(office, server_id)
    with pytest.raises(ForbiddenError, match="own application"), office.work() as work:
        open_document(work, screener, documents(office, server_id)[0].id)


def test_papers_that_were_not_handed_in_are_not_seen(office: Office) -> None:
    server_id = life.make_draft(office)
    screener = life.staff(office, Role.SCREENER)
    first = documents(office, server_id)[0]
    with pytest.raises(ForbiddenError, match="handed in"), office.work() as work:
        open_document(work, screener, first.id)
    with pytest.raises(ForbiddenError, match="handed in"), office.work() as work:
        open_particulars(work, screener, work.session.get_one(Server, server_id))


def test_after_the_screening_a_look_needs_a_reason(office: Office) -> None:
    server_id = life.make_tested(office)
    screener = life.staff(office, Role.SCREENER)
    first = documents(office, server_id)[0]
    with pytest.raises(OperationError, match="say why"), office.work() as work:
        open_document(work, screener, first.id)
    with office.work() as work:
        open_document(work, screener, first.id, "An objection by the owner.")
    assert looks(office)[-1].details["reason"] == "An objection by the owner."


def test_a_scan_moved_to_another_document_does_not_open(office: Office) -> None:
    server_id = life.make_submitted(office)
    screener = life.staff(office, Role.SCREENER)
    one, other = documents(office, server_id)[:2]
    with office.work() as work:
        rows = [work.session.get_one(DocumentContent, key.id) for key in (one, other)]
        rows[0].sealed, rows[1].sealed = rows[1].sealed, rows[0].sealed
    with pytest.raises(Exception, match="another place"), office.work() as work:
        open_document(work, screener, one.id)


def test_only_papers_that_are_asked_for_are_taken(office: Office) -> None:
    server_id = life.make_draft(office)
    for kind, subject in (
        ("passport", "owner"),
        ("drivers-licence", "somebody"),
        ("incorporation", "company"),
        ("virus", "owner"),
    ):
        with pytest.raises(OperationError, match="not asked for"):
            add(office, server_id, kind, subject)


def test_the_same_scan_twice_and_too_many_of_one_kind_are_refused(office: Office) -> None:
    server_id = life.make_draft(office)
    with pytest.raises(OperationError, match="already"):
        add(office, server_id, "drivers-licence", "owner", shade=200)
    for shade in range(1, documents_of.SCANS_OF_KIND):
        add(office, server_id, "drivers-licence", "owner", shade=shade)
    with pytest.raises(OperationError, match="enough"):
        add(office, server_id, "drivers-licence", "owner", shade=99)


def test_an_account_cannot_fill_the_disk_with_drafts(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = sum(one.size for one in documents(office, life.make_draft(office)))
    largest = office.config.security.upload_size
    monkeypatch.setattr(documents_of, "SCANS_IN_DRAFTS", (2 * used - 1) / largest)
    with pytest.raises(OperationError, match="no more room"):
        life.make_draft(office)


def test_a_removed_scan_is_deleted_and_that_it_was_there_stays_on_record(office: Office) -> None:
    server_id = life.make_draft(office)
    first = documents(office, server_id)[0]
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        remove(work, life.applicant_of(server), server, first.id)
    with office.reading() as work:
        server = work.session.get_one(Server, server_id)
        assert work.session.get(DocumentContent, first.id) is None
        assert first.id in {one.id for one in list_documents(work, server, removed=True)}
        assert Step.DOCUMENTS in {one.step for one in what_is_missing(work, server)}
        actions = work.session.scalars(select(ServerEvent.action)).all()
    assert "document-removed" in actions
    with pytest.raises(NotFoundError), office.work() as work:
        server = work.session.get_one(Server, server_id)
        remove(work, life.applicant_of(server), server, first.id)


def test_papers_that_were_handed_in_are_neither_removed_nor_added_to(office: Office) -> None:
    server_id = life.make_submitted(office)
    first = documents(office, server_id)[0]
    with pytest.raises(OperationError, match="stay"), office.work() as work:
        server = work.session.get_one(Server, server_id)
        remove(work, life.applicant_of(server), server, first.id)
    with pytest.raises(OperationError, match="being checked"):
        add(office, server_id, "drivers-licence", "owner")


def test_a_scan_of_another_application_cannot_be_removed(office: Office) -> None:
    mine, others = life.make_draft(office), life.make_draft(office)
    with pytest.raises(NotFoundError), office.work() as work:
        server = work.session.get_one(Server, mine)
        remove(work, life.applicant_of(server), server, documents(office, others)[0].id)


def test_a_screener_adds_evidence_of_a_domains_age_and_nothing_else(office: Office) -> None:
    server_id = life.make_submitted(office)
    screener = life.staff(office, Role.SCREENER)
    add(office, server_id, documents_of.DOMAIN_AGE, documents_of.DOMAIN, actor=screener)
    with pytest.raises(ForbiddenError):
        add(office, server_id, "drivers-licence", "owner", actor=screener)


def test_every_director_of_a_company_shows_papers(office: Office) -> None:
    server_id = life.make_draft(office, kind=ApplicantKind.BUSINESS)
    wanted = {(one.subject.partition("-")[0], one.kind) for one in documents(office, server_id)}
    assert ("company", "incorporation") in wanted
    assert ("director", "drivers-licence") in wanted
    directors = {one.subject for one in documents(office, server_id)} - {"company"}
    assert len([one for one in directors if one.startswith("director-")]) == 2
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        assert what_is_missing(work, server) == []


def test_a_file_that_is_no_scan_is_refused_with_advice(office: Office) -> None:
    for data in (b"", b"MZ this is a program", b"x" * 100):
        with pytest.raises(OperationError):
            receive(office, data)


def test_staffs_look_at_the_particulars_is_on_record_and_the_owners_is_not(
    office: Office,
) -> None:
    server_id = life.make_submitted(office)
    screener = life.staff(office, Role.SCREENER)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        own = open_particulars(work, life.applicant_of(server), server)
        seen = open_particulars(work, screener, server)
    assert own == seen
    assert [(one.what, one.account_id) for one in looks(office)] == [
        ("particulars seen", screener.account_id)
    ]


@pytest.mark.parametrize("role", [Role.ADMIN_CONTACT, Role.TREASURER, Role.AUDITOR, Role.SYSTEM])
def test_particulars_are_not_for_everybody(office: Office, role: Role) -> None:
    server_id = life.make_submitted(office)
    actor = life.staff(office, role)
    with pytest.raises(ForbiddenError), office.work() as work:
        open_particulars(work, actor, work.session.get_one(Server, server_id))
