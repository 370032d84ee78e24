"""The modules that have pages: each keeps them as ``pages`` (a `Pages`). One line for each."""

from __future__ import annotations

from importlib import import_module

from countersign.registrar.web.pages import Page, Pages

MODULES = (
    "portal.health",
    "portal.signing_up",
    "portal.signing_in",
    "portal.forgotten",
    "portal.proving",
    "portal.account",
    "portal.second_factor",
    "portal.programs",
    "portal.agents",
    "staff.accounts",
    "staff.accreditations",
    "staff.home",
    "staff.screening",
    "staff.scans",
    "staff.servers",
    "staff.sanctions",
    "staff.forfeitures",
    "staff.deregistrations",
    "staff.shares",
    "staff.cases",
    "staff.offenders",
    "staff.payments",
    "staff.payment_uses",
    "staff.payment_corrections",
    "staff.debits",
    "staff.bank_statements",
    "staff.ledger",
    "staff.audit",
    "staff.jobs",
    "staff.secondaries",
    "staff.secondary_keys",
    "staff.probes",
    "owner.confirming",
    "owner.servers",
    "owner.overview",
    # Before the steps: their paths are steps by name, too.
    "owner.review",
    "owner.documents",
    "owner.steps",
    "owner.money",
    "owner.sponsors",
    "owner.contract",
    "owner.control",
    "owner.tests",
    "owner.sending",
    "owner.holdings",
    "owner.directory_entry",
    "owner.cases",
    "owner.sponsoring",
    "owner.offender_query",
    "agent.applicants",
    "public.home",
    "public.directory",
    "public.hosts",
    "public.testing",
    "public.transparency",
    "public.api",
)
"""Below `countersign.registrar.web`."""


def all_pages() -> list[Page]:
    """Return every page of the website, in the order of the modules."""
    found: list[Page] = []
    for name in MODULES:
        pages = import_module(f"countersign.registrar.web.{name}").pages
        assert isinstance(pages, Pages)
        found.extend(pages.all)
    return found
