"""What the parts of a town are configured with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from countersign.demo.probes import Place
from tests.gateway.world import free_port

if TYPE_CHECKING:
    from tests.certification.whole.town import Town

FOREIGN = "victim.example"
"""Its MX is the registrar's test mailbox."""
ANYWHERE = "127.0.0.1"


def registrar(town: Town) -> Path:
    """Write the registrar's configuration."""
    file = town.directory / "registrar.toml"
    file.write_text(f"""\
url = "{town.url}"
listen = "{ANYWHERE}:{town.web_port}"
state_directory = "{town.directory}/registrar"
reserved_names = true
domain_age.servers = []
domain_age.bootstrap = ""
primary.inside = false

[certification]
port = {town.smtp_port}
submission_port = 0
submissions_port = 0
foreign_domain = "{FOREIGN}"
pause = 0
retry_seconds = 0
rest_seconds = 0
order_minutes = {town.order_minutes}
arrival_minutes = 0.2
networks = ["127.0.0.0/8"]
nameservers = ["{town.dns.endpoint}"]

[certification.mailbox]
listen = ["{ANYWHERE}:{town.mailbox_port}"]
hostname = "mx.{FOREIGN}"
""")
    return file


def probe(town: Town, place: Place) -> Path:
    """Write a probe's configuration."""
    file = town.directory / f"{place.name}.toml"
    file.write_text(f"""\
state_directory = "{town.directory}/{place.name}"

[standing]
sources = ["{place.address}"]
networks = ["127.0.0.0/8"]
nameservers = ["{town.dns.endpoint}"]
""")
    return file


def gateway(town: Town, domain: str, address: str) -> Path:
    """Write the configuration of a gateway which takes mail for its own domain."""
    registry = town.directory / "registry.toml"
    registry.write_text("server = []\n")
    file = town.directory / f"{domain}.toml"
    # Two tests within three minutes are no stranger's guesses here.
    file.write_text(f"""\
hostname = "mail.{domain}"
state_directory = "{town.directory}/state-{domain}"
workers = 1
shutdown_timeout = 5

[receiving]
listen = ["{address}:{town.smtp_port}"]

[receiving.backend]
kind = "maildir"
maildir = "{town.directory}/mail/{{domain}}/{{local_part}}"
domains = ["{domain}"]

[verification]
suspend_seconds = 2

[sending]
listen = ["{address}:{free_port()}"]
port = {town.smtp_port}
source_addresses = ["{address}"]

[registry]
kind = "file"
path = "{registry}"

[dns]
nameservers = ["{town.dns.endpoint}"]
""")
    return file
