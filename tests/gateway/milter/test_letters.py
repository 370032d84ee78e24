"""A gateway with the milter alone: what its administrator is told arrives."""

from __future__ import annotations

from pathlib import Path

import pytest

from countersign.gateway.clerk.notices import Notices
from countersign.storage.submission.turn import open_turn
from tests.gateway.milter.messages import CONTENTS
from tests.gateway.milter.postfix_site import RECIPIENT, Client, postfix_site, skip_without_programs
from tests.gateway.milter.site import milter_site

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]


async def test_the_letter_comes_by_the_port_where_postfix_takes_everybodys_mail(
    tmp_path: Path,
) -> None:
    skip_without_programs()
    limits = {"recipients_per_day": 1}
    async with milter_site(tmp_path, limits=limits) as site:
        with postfix_site(tmp_path, site.port) as mta:
            async with Client(mta.starttls) as client:
                await client.sign_in()
                assert (await client.message(CONTENTS["plain"]))[0] == 250
                assert (await client.message(CONTENTS["plain"]))[0] == 550
            [message] = await mta.postfix.wait_for_messages(1)
            # Port 25 of an MTA that has this host to itself.
            told = {"address": RECIPIENT, "mta": mta.postfix.listen}
            administrator = site.config.administrator.model_copy(update=told)
            config = site.config.model_copy(update={"administrator": administrator})
            turn = open_turn("", tmp_path, "clerk")
            notices = Notices(config, site.submission.tables, turn, site.submission.journal.of_user)
            assert await notices.tell_all() == 1
            await turn.aclose()
            [letter] = set(await mta.postfix.wait_for_messages(2)) - {message}
    assert b"Subject: Account locked: alice" in letter
