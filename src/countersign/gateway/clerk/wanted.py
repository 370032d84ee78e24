"""Whether a gateway has a clerk; by itself, so that the supervisor stays small."""

from __future__ import annotations

from countersign.gateway.config import Config


def is_clerk_wanted(config: Config) -> bool:
    """Tell whether a gateway has work for a clerk."""
    return config.submission.enabled or config.milter.enabled or bool(config.pages.listen)
