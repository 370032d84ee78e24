"""A probe's key, and what the registrar told it when it was enrolled: one file, mode 0600."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import stat
from pathlib import Path
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from countersign import __version__
from countersign.certification.authorization import fingerprint
from countersign.certification.exchange import Enrolled, Enrolment
from countersign.certification.signing import public_text, read_public
from countersign.probe.client import RegistrarClient, RegistrarError
from countersign.probe.config import ProbeConfig
from countersign.probe.errors import ProbeError
from countersign.probe.files import PRIVATE, read_bounded, write_private
from countersign.probe.web_address import checked_registrar

_MAX_SIZE = 64 * 1024


class KeyFile(BaseModel):
    """What the file says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    private_key: Annotated[str, Field(repr=False)]
    """Ed25519, 32 octets in base 64."""
    registrar: str
    id: Annotated[int, Field(ge=0)] = 0
    """The probe's number; 0: the key is made, and the registrar has not taken it yet."""
    name: str = ""
    network: str = ""
    as_number: int | None = None
    order_key: str = ""
    """The registrar's key for orders, 32 octets in base 64."""

    @property
    def key(self) -> Ed25519PrivateKey:
        """The probe's key. Raises :class:`ValueError`."""
        octets = base64.b64decode(self.private_key, validate=True)
        return Ed25519PrivateKey.from_private_bytes(octets)

    @property
    def registrar_key(self) -> Ed25519PublicKey:
        """The key by which orders are known. Raises :class:`ValueError`."""
        return read_public(self.order_key)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the probe's public key, the first 16 octets in hexadecimal."""
        return fingerprint(self.key.public_key())


def read_key_file(path: Path) -> KeyFile | None:
    """Return what the file says; None: there is none. Raises :class:`ProbeError`."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & ~PRIVATE:
            raise ProbeError(f"{path}: others may read it; chmod 600 {path}")
        octets = read_bounded(path, _MAX_SIZE)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ProbeError(f"{path}: {error.strerror}") from error
    try:
        found = KeyFile.model_validate_json(octets or b"")
        found.key.public_key()
        if found.id:
            found.registrar_key.public_bytes_raw()
    except (ValidationError, binascii.Error, ValueError):
        # Nothing of the content is quoted: there is a key in it.
        raise ProbeError(
            f"{path}: not a probe's key file; move it away and enrol anew: "
            "countersign probe enrol --help"
        ) from None
    return found


def enrolled(config: ProbeConfig) -> KeyFile:
    """Return the key file of a probe that is enrolled. Raises :class:`ProbeError`."""
    found = read_key_file(config.enrolment_file)
    if found is None or not found.id:
        raise ProbeError(
            "this probe is not enrolled yet: ask the registrar's staff for a token, then "
            "countersign probe enrol --registrar URL --token TOKEN --network CIDR"
        )
    return found


async def enrol(
    config: ProbeConfig, registrar: str, token: str, network: str, as_number: int | None
) -> KeyFile:
    """Make a key, make it known to the registrar, and keep what it says.

    The key is on the disk before the registrar hears of it. Raises :class:`ProbeError`.
    """
    url = checked_registrar(registrar, insecure_http=config.insecure_http)
    path = config.enrolment_file
    try:
        asked = Enrolment(
            token=token.strip(),
            public_key="A" * 43 + "=",
            network=_network(network),
            as_number=as_number,
            version=__version__,
        )
    except ValidationError as error:
        # Without the values: one of them is the token.
        faults = [f"{one['loc'][0]}: {one['msg']}" for one in error.errors()]
        raise ProbeError("; ".join(faults)) from None
    draft = _draft(path, url)
    asked = asked.model_copy(update={"public_key": public_text(draft.key.public_key())})
    try:
        async with RegistrarClient(url, config.ca) as client:
            told = await client.enrol(asked)
    except RegistrarError as error:
        raise ProbeError(f"{url}: {error}{_after(error)}") from error
    made = _complete(draft, asked, told)
    try:
        write_private(path, made.model_dump_json(indent=2).encode())
    except OSError as error:
        raise ProbeError(
            f"{path}: {error.strerror}. The registrar knows this probe as {told.name} already: "
            "have that revoked, and enrol anew"
        ) from error
    return made


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text.strip(), strict=False))
    except ValueError:
        raise ProbeError(
            "network: give the range in CIDR notation, for instance 192.0.2.0/24"
        ) from None


def _draft(path: Path, url: str) -> KeyFile:
    """Return a key that is on the disk, and that no registrar has taken yet."""
    before = read_key_file(path)
    if before is not None and before.id:
        raise ProbeError(
            f"{path}: this probe is enrolled at {before.registrar} as {before.name} already; to "
            "enrol it anew, move that file away"
        )
    if before is not None and before.registrar == url:
        return before
    private = base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode("ascii")
    draft = KeyFile(private_key=private, registrar=url)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, draft.model_dump_json(indent=2).encode())
    except OSError as error:
        raise ProbeError(f"{path}: {error.strerror}") from error
    return draft


def _complete(draft: KeyFile, asked: Enrolment, told: Enrolled) -> KeyFile:
    try:
        read_public(told.order_key)
    except ValueError:
        raise ProbeError("the registrar's answer has no key in it: is that the address?") from None
    return draft.model_copy(
        update={
            "id": told.id,
            "name": told.name,
            "network": asked.network,
            "as_number": asked.as_number,
            "order_key": told.order_key,
        }
    )


def _after(error: RegistrarError) -> str:
    if not error.is_temporary:
        return ""
    # The registrar takes the same key with the same token again.
    return ". Try again with the same token"
