"""Every setting of a probe (DESIGN §8). Most probes need none."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from countersign.certification.settings import Standing
from countersign.probe.errors import ProbeError
from countersign.probe.web_address import checked_registrar
from countersign.settings.values import Log, Metrics, Section


class ProbeConfig(Section):
    """The whole configuration of `countersign probe`."""

    registrar: str = ""
    """Address of the registrar, https://HOST; empty: the one that it was enrolled with."""
    state_directory: Path = Path("/var/lib/countersign-probe")
    """Where results are kept until the registrar has them, and how the probe fares."""
    key_file: Path | None = None
    """File with the probe's key and what the registrar told it, mode 0600; default: `probe.json` \
in the state directory."""
    ca: Path | None = None
    """PEM file of authorities for the registrar's certificate; default: the system's."""
    insecure_http: bool = False
    """Go to a registrar on another machine without TLS: for trials only."""
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 100
    """Orders that are worked on, or whose results are not delivered yet, at one time."""
    standing: Standing = Standing()
    metrics: Metrics = Metrics()
    log: Log = Log()

    @field_validator("registrar")
    @classmethod
    def _check_registrar(cls, value: str) -> str:
        try:
            # Whether TLS is needed is known together with `insecure_http` only.
            return checked_registrar(value, insecure_http=True) if value else ""
        except ProbeError as error:
            raise ValueError(str(error)) from None

    @property
    def enrolment_file(self) -> Path:
        """The file with the probe's key."""
        return self.key_file or self.state_directory / "probe.json"
