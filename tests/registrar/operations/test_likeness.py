"""The sweep over all offenders finds what comparing with each of them finds."""

from __future__ import annotations

import datetime
import random
from dataclasses import replace

import pytest

from countersign.registrar.operations.dossier import load
from countersign.registrar.operations.likeness import find_likenesses, identity_of
from countersign.registrar.operations.office import Office
from countersign.registrar.particulars.extracts import subjects
from countersign.rules.screening import Identity, Level, compare, fold_name
from countersign.storage.database.screening import Offender
from tests.registrar.operations import life

NAMES = ("zoe muller", "mueller zoe", "zoé m", "jan novak", "zoe miller", "max muster", "li", "")
ADDRESSES = ("", "1 george street sydney nsw 2000 australia", "george street 1", "elsewhere 9")
BORN = (None, datetime.date(1970, 12, 31), datetime.date(1970, 12, 30), datetime.date(1950, 1, 1))


def spoil(draw: random.Random, name: str) -> str:
    letters = list(name)
    for _ in range(draw.randint(0, 3)):
        letters.insert(draw.randint(0, len(letters)), draw.choice("aeiourst "))
    return fold_name("".join(letters))


@pytest.mark.parametrize("review", [40, 70, 90])
def test_no_likely_match_is_lost_by_sweeping(office: Office, review: int) -> None:
    office = life.configured(office, screening={"review_score": review})
    draw = random.Random(review)
    server_id = life.make_draft(office)
    with office.work() as work:
        for number in range(300):
            work.session.add(
                Offender(
                    level=draw.choice(list(Level)),
                    name_key=spoil(draw, draw.choice(NAMES)),
                    birth_date=draw.choice(BORN),
                    address_key=draw.choice(ADDRESSES),
                    sealed=b"",
                    offence_on=work.today,
                    case_reference=str(number),
                    recorded_at=work.now,
                )
            )
    with office.reading() as work:
        particulars = load(work, server_id)
        expected = set()
        for subject in subjects(particulars):
            identity = replace(identity_of(work, subject), number_digests=frozenset())
            for one in work.session.query(Offender):
                other = Identity(one.name_key, one.birth_date, one.address_key)
                match = compare(identity, other, one.id, one.level)
                if match.score >= review:
                    expected.add((subject.role, one.id, match.score))
        found = {
            (one.subject, one.match.offender_id, one.match.score)
            for one in find_likenesses(work, particulars)
        }
    assert expected
    assert found == expected
