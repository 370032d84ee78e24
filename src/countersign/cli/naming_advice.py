"""What is said of users' names that somebody else has checked: one user, one name in the counts."""

from __future__ import annotations

from countersign.gateway.config import Config
from countersign.gateway.submission.settings import SourceKind

_DROPPED = """\
{mark} In a user's name the gateway drops what follows the @ (sign_in.names), so that one password
{mark} has the limits of one user. Where users of several domains have passwords of their own,
{mark} let sign_in.names be "whole" and list the domains in sign_in.domains.
"""
_LISTED = """\
{mark} A user's name may end in {domains}: each counts as another user.
{mark} If one password opens under several of them, let sign_in.names be "local-part".
"""
_NONE = """\
{mark} Names with an @ are refused, as the gateway is set now. If users sign in by such names, list
{mark} their domains in sign_in.domains. If whatever checks passwords drops what follows the @
{mark} (saslauthd, Dovecot with %n), let sign_in.names be "local-part".
"""
_SASLAUTHD = """\
{mark} saslauthd drops what follows the @ of a user's name, and lets one password in under any: add
{mark} these lines to the gateway's configuration, or such names are refused.
{mark}   [sign_in]
{mark}   names = "local-part"
"""
_UNSAID = (
    "sign_in.names: users who sign in by a name with an @ are refused; list their domains in "
    "sign_in.domains, or set sign_in.names to 'local-part' if whatever checks passwords drops "
    "what follows the @"
)


def naming_lines(config: Config, mark: str) -> str:
    """Return comments for an MTA's configuration. mark: what begins a comment."""
    settings = config.sign_in
    if settings.names == "local-part":
        return _DROPPED.format(mark=mark)
    if settings.domains:
        return _LISTED.format(mark=mark, domains=" or ".join(f"@{one}" for one in settings.domains))
    return _NONE.format(mark=mark)


def saslauthd_lines(config: Config, mark: str) -> str:
    """Return comments for an MTA whose passwords saslauthd checks, as Sendmail's mostly are."""
    if config.sign_in.names == "local-part":
        return _DROPPED.format(mark=mark)
    return _SASLAUTHD.format(mark=mark)


def naming_notes(config: Config) -> list[str]:
    """Say what the milter makes of names that have an @; nothing if it has been thought of.

    No fault: most users of an MTA have names without one.
    """
    return [_UNSAID] if config.milter.enabled and _is_unsaid(config) else []


def naming_warnings(config: Config) -> list[str]:
    """Say what becomes of names that have an @ where Dovecot checks them: mostly all have one."""
    by_dovecot = config.submission.enabled and config.sign_in.source is SourceKind.DOVECOT
    return [_UNSAID] if by_dovecot and _is_unsaid(config) else []


def _is_unsaid(config: Config) -> bool:
    return config.sign_in.names == "whole" and not config.sign_in.domains
