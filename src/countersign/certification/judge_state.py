"""Judges what a server does around STARTTLS, but for the injection of commands. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from countersign.certification.judge import Judgement, failed, information, passed, untested
from countersign.certification.said import Said, is_accepted, is_lost, is_refused, words
from countersign.protocol.reply import Reply

_OUT_OF_ORDER = frozenset({500, 501, 502, 503, 530})


def judge_argument(said: Said) -> Judgement:
    """Judge the reply to STARTTLS with an argument (RFC 3207 §4: 501)."""
    if is_refused(said):
        return passed("STARTTLS with an argument is refused.")
    if is_accepted(said):
        return information("STARTTLS is taken with an argument, which it must not have.")
    return untested(f"To STARTTLS with an argument the server {words(said)}.")


def judge_again(hello: Said, extensions: Mapping[str, str]) -> Judgement:
    """Judge what is offered in reply to EHLO inside TLS (RFC 3207 §4.2)."""
    if not is_accepted(hello):
        return untested(f"To EHLO inside TLS the server {words(hello)}.")
    if "STARTTLS" in extensions:
        return failed("STARTTLS is offered once more inside TLS.")
    return passed("STARTTLS is not offered inside TLS.")


def judge_reset(start_tls: Said, hello: Said | None, recipient: Said | None) -> Judgement:
    """Judge whether a transaction that began in clear goes on inside TLS.

    ``start_tls``: the reply to STARTTLS after MAIL; ``hello``: to EHLO inside TLS, None where
    there was no handshake; ``recipient``: to RCPT without another MAIL.
    """
    if hello is None:
        if is_refused(start_tls):
            return passed("STARTTLS is refused within a transaction.")
        return untested(f"To STARTTLS within a transaction the server {words(start_tls)}.")
    if recipient is None:
        return untested(f"To EHLO inside TLS the server {words(hello)}.")
    if is_accepted(recipient):
        return failed("A recipient was taken inside TLS for a sender that was given in clear.")
    if isinstance(recipient, Reply) and recipient.code in _OUT_OF_ORDER and not is_lost(recipient):
        return passed("A transaction that began in clear is forgotten inside TLS.")
    return untested(f"To RCPT inside TLS without MAIL the server {words(recipient)}.")


def judge_control(hello: Said, extensions: Mapping[str, str], token: str) -> Judgement:
    """Tell whether the host's gateway announces the token of the registrar. For information."""
    if not is_accepted(hello):
        return information(f"To EHLO inside TLS the server {words(hello)}.")
    announced = extensions.get("XCONTROL")
    if announced is None:
        return information("The registrar's token is not announced inside TLS.")
    if token in announced.split():
        return information("The registrar's token is announced inside TLS.")
    return information("A token is announced inside TLS, and not the registrar's.")
