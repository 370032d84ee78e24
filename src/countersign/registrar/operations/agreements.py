"""Model agreements between a server's owner and its users, to be signed on paper (DESIGN §6)."""

from __future__ import annotations

from countersign.registrar.documents.agreement import agreement_pdf
from countersign.registrar.documents.text import Kind, current, fill
from countersign.registrar.operations.contracts import Agreement
from countersign.registrar.operations.office import NotFoundError, Work
from countersign.registrar.operations.parties import common_values, owner_party
from countersign.storage.database.servers import Server


def model_agreement(work: Work, server: Server, kind: Kind) -> Agreement:
    """Return a model agreement between owner and user, to be filled in and signed on paper.

    kind: `Kind.USER_AGREEMENT` or `Kind.PRIVILEGED_USER_AGREEMENT`.
    """
    if kind not in (Kind.USER_AGREEMENT, Kind.PRIVILEGED_USER_AGREEMENT):
        raise NotFoundError("There is no such agreement.")
    party = owner_party(work, server)
    values = common_values(work) | {
        "owner_name": party.name,
        "owner_address": party.address,
        "hostname": server.hostname,
    }
    text = fill(kind, current(kind), values)
    pdf = agreement_pdf(
        text,
        issuer=party,
        made_at=work.now,
        about=server.hostname,
        signatories=(party.name, "The user"),
    )
    return Agreement(f"{kind}-{server.hostname}-{text.text.version}.pdf", pdf)
