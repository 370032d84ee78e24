"""Kinds of value that settings have, and the sections that all servers share."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from countersign.protocol.address import AddressSyntaxError, normalise_hostname


def _checked_hostname(value: str) -> str:
    try:
        return normalise_hostname(value)
    except AddressSyntaxError as error:
        raise ValueError(str(error)) from None


def _checked_network(value: str) -> str:
    return str(ip_network(value, strict=False))


def _checked_endpoint(value: str) -> str:
    if value.startswith("unix:"):
        if not value.removeprefix("unix:").startswith("/"):
            raise ValueError("a unix socket is written unix:/absolute/path")
        return value
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise ValueError("an endpoint is written ADDRESS:PORT, [IPV6]:PORT or unix:/path")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError("an IPv6 address is written in brackets: [::1]:25")
    return value


def _checked_if_given(value: str) -> str:
    return _checked_hostname(value) if value else ""


Hostname = Annotated[str, AfterValidator(_checked_hostname)]
OptionalHostname = Annotated[str, AfterValidator(_checked_if_given)]
Network = Annotated[str, AfterValidator(_checked_network)]
Endpoint = Annotated[str, AfterValidator(_checked_endpoint)]
Seconds = Annotated[float, Field(gt=0, le=31 * 86400)]


class Section(BaseModel):
    """A table of a configuration file: unknown settings are faults, docstrings are help."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Log(Section):
    """Structured logs, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe events that are logged."""
    format: Literal["json", "console"] = "json"
    """`json`: a line per event, for machines; `console`: for people."""


class Metrics(Section):
    """Prometheus metrics."""

    listen: Endpoint | Literal[""] = ""
    """Address of the HTTP endpoint /metrics; empty: none."""
