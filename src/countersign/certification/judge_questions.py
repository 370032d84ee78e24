"""Judges what a server answers to questions about sessions (docs/PROTOCOL.md §3, §5). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from countersign.certification.judge import (
    Judgement,
    failed,
    information,
    passed,
    says_false,
    says_true,
    untested,
)
from countersign.certification.said import Said, Trouble, is_lost, is_refused, words
from countersign.protocol.reply import Reply

NOT_OFFERED = information("XVERIFY is not offered: there is nothing to ask.")


def judge_verification(
    extensions: Mapping[str, str], said: Said | None, *, answered_elsewhere: bool
) -> Judgement:
    """Judge the answer to a question about an ID that the server never gave.

    ``answered_elsewhere``: another address of the host has answered FALSE just before.
    """
    missing = [keyword for keyword in ("XSESSIONID", "XVERIFY") if keyword not in extensions]
    if missing or said is None:
        return failed(f"Inside TLS the server does not offer {' and '.join(missing)}.")
    if says_false(said):
        return passed("About an ID that it never gave the server answers FALSE.")
    if _is_put_off(said):
        if answered_elsewhere and isinstance(said, Reply) and said.code == 450:
            return passed("After a wrong ID at another address, questions are suspended.")
        return untested(f"The server answers no questions of the tester: it {words(said)}.")
    if is_lost(said):
        return untested(f"To XVERIFY the server {words(said)}.")
    return failed(f"About an ID that it never gave the server {words(said)}, and not FALSE.")


def judge_suspension(second: Said, *, has_answered: bool) -> Judgement:
    """Judge the reply to a second question about a wrong ID, on a new connection.

    ``has_answered``: the first was answered FALSE, here or at another address.
    """
    if says_true(second):
        return failed("A second question about a wrong ID was answered TRUE.")
    if not has_answered:
        return untested("The server answered no question: whether it stops cannot be seen.")
    if says_false(second):
        return failed("A second question about a wrong ID was answered at once, with FALSE.")
    if isinstance(second, Reply) and second.code == 450:
        return passed("After a wrong ID questions are suspended.")
    if is_lost(second) or _is_put_off(second):
        return untested(f"To a second question the server {words(second)}.")
    return failed(f"To a second question the server {words(second)}, and not 450.")


def judge_sequence(said: Said) -> Judgement:
    """Judge the reply to a question that was asked inside TLS before EHLO."""
    if says_true(said) or says_false(said):
        return failed(f"To a question before EHLO the server {words(said)}.")
    if is_refused(said) and not is_lost(said):
        return passed("A question before EHLO is refused.")
    if isinstance(said, Reply) and not is_lost(said) and not _is_put_off(said):
        return failed(f"To a question before EHLO the server {words(said)}.")
    return untested(f"To a question before EHLO the server {words(said)}.")


def judge_syntax(attempts: Sequence[tuple[str, Said]]) -> Judgement:
    """Judge the replies to questions about what is no ID; each with what it was."""
    for what, said in attempts:
        if says_true(said) or says_false(said):
            return failed(f"About {what} the server {words(said)}, and not an error of syntax.")
        if isinstance(said, Reply) and said.code < 400:
            return failed(f"About {what} the server {words(said)}.")
    for what, said in attempts:
        if not is_refused(said):
            return untested(f"About {what} the server {words(said)}.")
    if not attempts:
        return untested(f"The server {Trouble.CLOSED.value}.")
    return passed("What is no session ID is refused.")


def _is_put_off(said: Said) -> bool:
    return isinstance(said, Reply) and said.is_transient and not is_lost(said)
