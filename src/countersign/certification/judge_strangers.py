"""Judges what a server tells strangers of its users, and how they may log in. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from countersign.certification.judge import Judgement, failed, information, passed, untested
from countersign.certification.said import Said, is_accepted, is_lost, is_refused, words
from countersign.protocol.reply import Reply

WEAK = frozenset({"LOGIN", "CRAM-MD5", "DIGEST-MD5", "NTLM"})
"""Obsolete, or with passwords that must be kept in clear; of use inside TLS only (RFC 8314)."""
_MOST = 4000
"""Characters of a list that are looked at."""
_ADDRESS = re.compile(r"[^\s<>@]{1,64}@[^\s<>@]{1,255}")


def mechanisms_of(extensions: Mapping[str, str]) -> tuple[str, ...]:
    """Return the AUTH mechanisms offered in reply to EHLO, in upper case and in order."""
    offered: list[str] = []
    for keyword, parameters in extensions.items():
        # Some programs say AUTH=LOGIN, as was usual before RFC 2554.
        name, _, first = keyword.partition("=")
        if name == "AUTH":
            offered += [first, *parameters.upper().split()]
    return tuple(dict.fromkeys(mechanism for mechanism in offered if mechanism))


def judge_weak(mechanisms: tuple[str, ...]) -> Judgement:
    """Judge the mechanisms that are offered. For information."""
    weak = [mechanism for mechanism in mechanisms if mechanism in WEAK]
    if weak:
        return information(f"Outdated mechanisms are offered inside TLS: {', '.join(weak)}.")
    if mechanisms:
        return passed("No outdated mechanism is offered.")
    return passed("AUTH is not offered.")


def judge_anonymous(said: Said | None) -> Judgement:
    """Judge the reply to AUTH ANONYMOUS (RFC 4505); None: AUTH is not offered at all."""
    if said is None:
        return passed("AUTH is not offered.")
    if is_accepted(said):
        return failed(f"AUTH ANONYMOUS was taken: the server {words(said)}.")
    if is_refused(said):
        return passed("AUTH ANONYMOUS is refused.")
    return untested(f"To AUTH ANONYMOUS the server {words(said)}.")


def judge_vrfy(known: Said, unknown: Said | None) -> Judgement:
    """Judge the replies to VRFY of a mailbox that every domain has, and of one by chance."""
    for said in (known, unknown):
        if said is None or is_lost(said):
            return untested(f"To VRFY the server {words(said or known)}.")
    if not isinstance(known, Reply) or not isinstance(unknown, Reply):
        return untested(f"To VRFY the server {words(known)}.")
    if known.is_transient or unknown.is_transient:
        return untested(f"To VRFY the server {words(known)}.")
    if known.code != unknown.code:
        return information(
            f"VRFY tells users ({known.code}) from others ({unknown.code}): addresses can be "
            "collected by asking."
        )
    return passed("VRFY tells nothing of users.")


def judge_expn(said: Said, asked: str) -> Judgement:
    """Judge the reply to EXPN of a mailbox."""
    if is_accepted(said) and said.code != 252:
        members = {found.lower() for found in _ADDRESS.findall("\n".join(said.lines)[:_MOST])}
        if members - {asked.lower()}:
            return failed(f"EXPN {asked} lists addresses: the server {words(said)}.")
        return information(f"EXPN is answered: the server {words(said)}.")
    if is_accepted(said) or is_refused(said):
        return passed("EXPN tells nothing of mailing lists.")
    return untested(f"To EXPN the server {words(said)}.")
