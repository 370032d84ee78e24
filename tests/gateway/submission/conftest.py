from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateway.world import free_port
from tests.peers.postfix import Postfix, skip_without_postfix

MTA_SETTINGS = {
    "smtpd_authorized_xclient_hosts": "127.0.0.1",
    "mynetworks": "127.0.0.0/8",
    "smtpd_relay_restrictions": "permit_mynetworks, reject",
    "virtual_mailbox_maps": r"regexp:{{/^to.*@alpha\.example/ alpha.example/user/}}",
    "smtpd_data_restrictions": "check_sender_access regexp:{{/^data@/ 450 4.7.1 not now}}",
    "header_checks": "regexp:{{/^Subject: refuse me/ REJECT}}",
    "smtputf8_enable": "yes",
}
"""Takes to…@alpha.example; refuses other recipients, a sender at DATA, a subject at the end."""


@pytest.fixture
def mta() -> Iterator[Postfix]:
    """Postfix on loopback, as it stands behind a submission listener."""
    skip_without_postfix()
    address = f"127.0.0.1:{free_port()}"
    with Postfix("mx.alpha.example", address, settings=MTA_SETTINGS) as postfix:
        yield postfix
