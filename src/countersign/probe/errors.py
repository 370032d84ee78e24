"""What stops a probe."""

from __future__ import annotations


class ProbeError(Exception):
    """The probe cannot be enrolled or run; the message tells its operator why, and what to do."""
