"""After a rotation of keys all that is sealed comes under the new one."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from countersign.registrar.operations.dossier import load
from countersign.registrar.operations.office import Office
from countersign.registrar.operations.rewrapping import (
    count_to_rewrap,
    is_in_use,
    rewrap_all,
)
from countersign.registrar.vault.keyring_file import KeyringError
from countersign.storage.database.servers import DocumentContent, Particulars
from tests.registrar.operations import life


def test_everything_comes_under_the_new_key_and_opens_as_before(office: Office) -> None:
    server_id = life.make_draft(office)
    with office.reading() as work:
        before = load(work, server_id)
        version = work.session.get_one(Particulars, server_id).version
        scans = len(work.session.scalars(select(DocumentContent.document_id)).all())
    old, new = office.keyring.current_key_id, office.keyring.rotate()
    assert count_to_rewrap(office) == scans + 1
    seen: list[int] = []
    assert rewrap_all(office, at_once=1, progress=seen.append) == scans + 1 == sum(seen)
    with office.reading() as work:
        assert load(work, server_id) == before
        assert work.session.get_one(Particulars, server_id).version == version
        assert is_in_use(work, new)
        assert not is_in_use(work, old)
    assert count_to_rewrap(office) == rewrap_all(office) == 0


def test_a_key_in_use_is_not_retired_and_another_one_is(office: Office) -> None:
    life.make_draft(office)
    old = office.keyring.current_key_id
    office.keyring.rotate()
    with office.reading() as work, pytest.raises(KeyringError):
        office.keyring.retire(old, lambda key: is_in_use(work, key))
    rewrap_all(office)
    with office.reading() as work:
        office.keyring.retire(old, lambda key: is_in_use(work, key))
    assert old not in office.keyring.key_ids()


def test_what_is_damaged_is_left_and_stops_nothing(office: Office) -> None:
    first, second = life.make_draft(office), life.make_draft(office)
    with office.work() as work:
        sealed = work.session.get_one(Particulars, first).sealed
        damaged = sealed[:40] + bytes(len(sealed) - 40)
        work.session.execute(
            update(Particulars).where(Particulars.server_id == first).values(sealed=damaged)
        )
    office.keyring.rotate()
    rewrap_all(office)
    assert count_to_rewrap(office) == 1
    with office.reading() as work:
        assert load(work, second)
    # It is looked for again: somebody may have restored it.
    assert rewrap_all(office) == 0
