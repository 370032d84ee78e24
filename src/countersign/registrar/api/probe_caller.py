"""Which probe calls: each request is signed with the key that the probe was enrolled with."""

from __future__ import annotations

import datetime
from typing import Annotated

from fastapi import Depends, Request

from countersign.certification.authorization import (
    MAX_SKEW,
    SCHEME,
    Authorization,
    AuthorizationError,
    parse_authorization,
)
from countersign.certification.signing import SignatureError, read_public
from countersign.registrar.api.caller import office_of
from countersign.registrar.api.problems import ProblemError
from countersign.storage.database.probing import Probe

_UNKNOWN = "There is no probe of this number with this key."


def admit_probe(request: Request) -> Authorization:
    """Return what a request says of whose it is, which is right but for the body.

    Nothing of the body has been read. Raises :class:`ProblemError`: 401.
    """
    office = office_of(request)
    try:
        said = parse_authorization(request.headers.get("authorization", ""))
    except AuthorizationError as error:
        raise _refusal(f"Sign the request: {error}.") from None
    _check_time(said, office.clock())
    with office.reading() as work:
        probe = work.session.get(Probe, said.probe)
        key = probe.public_key if probe is not None and probe.enrolled_at is not None else ""
        is_revoked = probe is not None and probe.revoked_at is not None
    # Who does not have the key learns nothing of which probes there are.
    try:
        said.verify(read_public(key), request.method, request.url.path)
    except (SignatureError, ValueError):
        raise _refusal(_UNKNOWN) from None
    if is_revoked:
        raise _refusal("This probe was revoked: its key is good for nothing any more.")
    return said


def check_body(said: Authorization, body: bytes) -> None:
    """Raise :class:`ProblemError` unless a body is the one that was signed."""
    if not said.fits(body):
        raise _refusal("The body is not the one that was signed.")


def _check_time(said: Authorization, now: datetime.datetime) -> None:
    early = (said.moment - now).total_seconds()
    if abs(early) > MAX_SKEW.total_seconds():
        direction = "ahead of" if early > 0 else "behind"
        raise _refusal(
            f"The request was signed at {said.at}, {abs(early):.0f} s {direction} the registrar's "
            "clock: set the probe's clock right."
        )


def _refusal(detail: str) -> ProblemError:
    return ProblemError(401, detail, headers={"WWW-Authenticate": SCHEME})


def _probe(request: Request) -> int:
    found = request.state.probe
    assert isinstance(found, int)
    return found


ProbeCaller = Annotated[int, Depends(_probe)]
"""The number of the probe that calls a route declared with `probe()`: see `guarding.py`."""
