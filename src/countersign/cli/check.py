"""countersign check: looks at the configuration and at hosts, changes nothing."""

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from rich.console import Console
from rich.markup import escape

from countersign.cli.check_replica import replica_warnings
from countersign.cli.check_server import check_server
from countersign.cli.check_submission import backend_warnings, submission_warnings
from countersign.cli.common import DEFAULT_CONFIG, ConfigOption, fail, read_config
from countersign.cli.naming_advice import naming_notes, naming_warnings
from countersign.gateway.backend.settings import BackendKind
from countersign.gateway.config import Config
from countersign.gateway.parts import open_registry, open_resolver
from countersign.gateway.tls import TlsError, certificate_files
from countersign.protocol.address import AddressSyntaxError, normalise_hostname
from countersign.registry.lookup import RegistryUnavailableError, Standing
from countersign.transport.resolver import NameNotFoundError, ResolutionFailedError

app = typer.Typer(
    help="Check a configuration, how a host stands, or a server before you apply.",
    no_args_is_help=True,
)
app.command("server")(check_server)
console = Console(soft_wrap=True)


@app.command("config")
def check_config(
    file: Annotated[Path, typer.Argument(help="The configuration file.")] = DEFAULT_CONFIG,
    faults_only: Annotated[
        bool, typer.Option("--faults-only", help="Look at the file alone, and try nothing.")
    ] = False,
) -> None:
    """Check a configuration file: each fault with its line, its setting and the reason.

    Also tried: the certificate, the registry, the TSIG key, the primaries and the copy of the
    replica, whether the backends answer, and whether a key signs users' mail. The exit status
    is 2 for faults, 1 for warnings only.

    Example: countersign check config /etc/countersign/gateway.toml
    """
    config = read_config(file)
    warnings = []
    if not faults_only:
        warnings += _check_certificate(config)
        warnings += replica_warnings(config)
        warnings += _check_registry(config)
        warnings += _check_backend(config)
        warnings += submission_warnings(config)
    warnings += naming_warnings(config)
    for note in naming_notes(config):
        console.print("[cyan]note:[/]", escape(note))
    for warning in warnings:
        console.print("[yellow]warning:[/]", escape(warning))
    if warnings:
        raise typer.Exit(1)
    console.print(f"[green]{file} is good.[/]")


@app.command("host")
def check_host(
    hostname: Annotated[str, typer.Argument(help="A server's hostname.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Tell how a host stands in the registry, and where it would be called back.

    Example: countersign check host mail.example.org
    """
    settings = read_config(config)
    try:
        name = normalise_hostname(hostname)
    except AddressSyntaxError as error:
        fail(f"{hostname}: {error}")
    try:
        text = asyncio.run(_describe(settings, name))
    except RegistryUnavailableError as error:
        fail(f"the registry could not be asked: {error}", 1)
    console.print(text)


async def _describe(config: Config, name: str) -> str:
    entry = await open_registry(config).look_up(name)
    words = {
        Standing.REGISTERED: "registered, with sending privileges",
        Standing.SUSPENDED: f"registered, but suspended: {entry.reason or 'no reason published'}",
        Standing.ABSENT: "not registered",
    }
    try:
        addresses = ", ".join(await open_resolver(config).addresses(name)) or "none"
    except NameNotFoundError:
        addresses = "the name does not exist"
    except ResolutionFailedError:
        addresses = "the DNS did not answer"
    pins = f"\nkey pins: {len(entry.pins)}" if entry.pins else ""
    stale = "\nthe copy of the registry is stale, and the DNS did not answer"
    return f"{name}: {words[entry.standing]}\naddresses: {addresses}{pins}" + (
        stale if entry.is_stale else ""
    )


def _check_certificate(config: Config) -> list[str]:
    try:
        file, _ = certificate_files(config)
        certificate = x509.load_pem_x509_certificates(file.read_bytes())[0]
    except (TlsError, OSError, ValueError, IndexError) as error:
        return [f"tls: {error}"]
    warnings = []
    left = certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    if left < datetime.timedelta(days=14):
        warnings.append(f"tls: {file} expires, or has expired: {left.days} days are left")
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        listed = names.value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        listed = []
    wildcard = f"*.{config.hostname.partition('.')[2]}"
    if config.hostname not in listed and wildcard not in listed:
        warnings.append(f"tls: {file} does not name {config.hostname}")
    return warnings


def _check_registry(config: Config) -> list[str]:
    try:
        entry = asyncio.run(open_registry(config).look_up(config.hostname))
    except RegistryUnavailableError as error:
        return [f"registry: {error}"]
    if entry.standing is not Standing.REGISTERED:
        return [f"registry: {config.hostname} is {entry.standing}: receivers will refuse its mail"]
    return []


def _check_backend(config: Config) -> list[str]:
    backend = config.receiving.backend
    if not config.receiving.enabled or backend.kind is BackendKind.MAILDIR:
        return []
    return backend_warnings("receiving.backend", backend)
