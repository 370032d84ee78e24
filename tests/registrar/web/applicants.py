"""Zoë at her browser, with an application begun."""

from __future__ import annotations

import io

from PIL import Image

from countersign.registrar.operations.office import Office
from countersign.storage.database.servers import Server
from tests.registrar.operations import life
from tests.registrar.web.form_filler import Filler
from tests.registrar.web.visitors import Site

HOST = "mail.muller.com.au"


def scan(shade: int = 180) -> bytes:
    """Return a picture as a scanner makes it."""
    file = io.BytesIO()
    Image.new("L", (300, 200), shade).save(file, "PNG")
    return file.getvalue()


def owner(site: Site) -> Filler:
    """Return Zoë at her browser."""
    account = life.make_account(site.office, life.OWNER_EMAIL, name="Zoë Müller")
    return Filler(site.visitor(account_id=account))


def begun(site: Site, kind: str = "individual") -> tuple[Filler, int]:
    """Return a browser at the second step of a new application, and the server's key."""
    browser = owner(site)
    browser.open("/servers/new")
    browser.press("Begin the application", {"hostname": HOST, "kind": kind})
    return browser, int(browser.path.split("/")[2])


def server_of(office: Office, key: int) -> Server:
    with office.reading() as work:
        return work.session.get_one(Server, key)
