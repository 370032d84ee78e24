"""Waiting for what other processes do. The machine may be busy: patience costs nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

import dns.exception
import pytest

PATIENCE = 120.0


def until(
    holds: Callable[[], object],
    what: str,
    *,
    seconds: float = PATIENCE,
    pause: float = 0.05,
    otherwise: Callable[[], object] = str,
) -> float:
    """Wait until something is so; return the seconds that it took.

    An error of the DNS is no yes. otherwise: called for what a failure is to tell.
    """
    began = time.monotonic()
    while True:
        try:
            if holds():
                return time.monotonic() - began
        except (dns.exception.DNSException, OSError):
            pass
        if time.monotonic() - began > seconds:
            pytest.fail(f"not within {seconds} s: {what}\n{otherwise()}")
        time.sleep(pause)
