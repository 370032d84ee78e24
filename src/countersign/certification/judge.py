"""From what a server said to a verdict, with words for its owner. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from countersign.certification.outcome import Verdict
from countersign.certification.said import (
    Said,
    Trouble,
    is_accepted,
    is_refused,
    words,
)
from countersign.protocol.reply import Reply


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a test came to."""

    verdict: Verdict
    explanation: str


def passed(explanation: str) -> Judgement:
    """Return that a test was passed."""
    return Judgement(Verdict.PASSED, explanation)


def failed(explanation: str) -> Judgement:
    """Return that a test failed."""
    return Judgement(Verdict.FAILED, explanation)


def untested(explanation: str) -> Judgement:
    """Return that nothing was found out."""
    return Judgement(Verdict.COULD_NOT_TEST, explanation)


def information(explanation: str) -> Judgement:
    """Return something worth knowing."""
    return Judgement(Verdict.INFORMATION, explanation)


def judge_greeting(said: Said) -> Judgement:
    """Judge the greeting. A refusal is no failure: the tester may be blocked by mistake."""
    if is_accepted(said):
        return passed(f"The server {words(said)}.")
    if said is Trouble.NOT_SMTP:
        return failed("What listens there is no mail server: its greeting is no SMTP reply.")
    return untested(f"The server {words(said)}. It must let the tester in to be tested.")


def judge_hello(said: Said) -> Judgement:
    """Judge the reply to EHLO in clear."""
    if is_accepted(said):
        return passed("The server speaks ESMTP.")
    if isinstance(said, Reply) and said.code in (500, 502):
        return failed(f"The server knows no EHLO: it {words(said)}.")
    return untested(f"To EHLO the server {words(said)}.")


def judge_client_override(extensions: Mapping[str, str]) -> Judgement:
    """Judge whether the tester, a stranger, may say that it is somebody else."""
    offered = [keyword for keyword in ("XCLIENT", "XFORWARD") if keyword in extensions]
    if offered:
        return failed(
            f"The server offers {' and '.join(offered)} to strangers: anybody can claim to be a "
            "client that may relay."
        )
    return passed("Neither XCLIENT nor XFORWARD is offered.")


def judge_auth_in_clear(extensions: Mapping[str, str], attempts: Mapping[str, Said]) -> Judgement:
    """Judge what was offered in clear, and the replies to AUTH by mechanism."""
    if any(keyword == "AUTH" or keyword.startswith("AUTH=") for keyword in extensions):
        return failed("AUTH is offered outside TLS: passwords can be read on the way.")
    for mechanism, said in attempts.items():
        if is_accepted(said) or (isinstance(said, Reply) and said.is_intermediate):
            return failed(f"AUTH {mechanism} is not offered outside TLS, and taken all the same.")
    if _was_looked_up(attempts):
        return failed("AUTH is not offered outside TLS, and a password is looked up all the same.")
    for mechanism, said in attempts.items():
        if not is_refused(said):
            return untested(f"To AUTH {mechanism} the server {words(said)}.")
    return passed("AUTH is neither offered nor taken outside TLS.")


GIVEN_AT_ONCE = "PLAIN with a password"
"""The attempt that gives one at once, made up by chance."""


def _was_looked_up(attempts: Mapping[str, Said]) -> bool:
    """Tell whether a wrong password was refused as wrong, where AUTH itself was not."""
    codes = {
        mechanism: said.code for mechanism, said in attempts.items() if isinstance(said, Reply)
    }
    return codes.get(GIVEN_AT_ONCE) == 535 and codes.get("PLAIN") not in (None, 535)


@dataclass(frozen=True, slots=True)
class Tls:
    """What was agreed in a handshake."""

    version: str
    cipher: str


def judge_start_tls(said: Said | None, tls: Tls | None) -> Judgement:
    """Judge STARTTLS; ``said`` is None where it is not offered."""
    if said is None:
        return failed("The server does not offer STARTTLS.")
    if tls is not None:
        agreed = f"{tls.version} with {tls.cipher}"
        if tls.version in ("TLSv1.2", "TLSv1.3"):
            return passed(f"{agreed} was agreed.")
        return failed(f"{agreed} is the best that the server can do.")
    if said in (Trouble.TLS_FAILED, Trouble.UNASKED):
        return failed(f"STARTTLS is offered, and then the server {words(said)}.")
    if is_refused(said):
        return failed(f"STARTTLS is offered, and then the server {words(said)}.")
    return untested(f"To STARTTLS the server {words(said)}.")


@dataclass(frozen=True, slots=True)
class Injected:
    """STARTTLS and NOOP were sent in one piece; inside TLS, EHLO and QUIT one by one.

    A server that threw NOOP away gives two replies inside TLS, one that obeyed it three: the
    second reply is then not the one to QUIT.
    """

    start_tls: Said
    first: Said | None = None
    """None: the handshake did not come about."""
    second: Said | None = None


def judge_injection(seen: Injected) -> Judgement:
    """Judge whether the server obeyed what came in clear behind STARTTLS."""
    if seen.first is None:
        return _judge_no_handshake(seen.start_tls)
    if Trouble.CLOSED in (seen.first, seen.second):
        return passed("The server drops a connection on which a command was injected.")
    if seen.second is None:
        return untested(f"Inside TLS the server {words(seen.first)}.")
    if isinstance(seen.second, Reply) and seen.second.code in (221, 421):
        return passed("A command sent in clear behind STARTTLS was thrown away.")
    if is_accepted(seen.second):
        return failed("A command that was sent in clear behind STARTTLS was obeyed.")
    return untested(f"To QUIT inside TLS the server {words(seen.second)}.")


def _judge_no_handshake(said: Said) -> Judgement:
    if said is Trouble.UNASKED:
        return failed("A command that was sent in clear behind STARTTLS was answered in clear.")
    if said in (Trouble.CLOSED, Trouble.TLS_FAILED) or is_refused(said):
        return passed("The server refuses a command sent in clear behind STARTTLS.")
    return untested(f"To STARTTLS with a command behind it the server {words(said)}.")


def judge_mailbox(mailbox: str, mail: Said, recipient: Said | None) -> Judgement:
    """Judge whether the server takes mail for one of the mailboxes that every domain must have."""
    if not is_accepted(mail):
        return untested(f"No mail is taken from the tester: to MAIL the server {words(mail)}.")
    if is_accepted(recipient):
        return passed(f"{mailbox} was accepted.")
    if isinstance(recipient, Reply) and recipient.is_permanent:
        if recipient.enhanced.startswith("5.7."):
            return untested(f"Refused to the tester by policy: the server {words(recipient)}.")
        return failed(f"To {mailbox} the server {words(recipient)}.")
    return untested(f"To {mailbox} the server {words(recipient or Trouble.CLOSED)}.")


def judge_verification_in_clear(extensions: Mapping[str, str], said: Said) -> Judgement:
    """Judge what the server says of sessions outside TLS."""
    offered = [keyword for keyword in ("XSESSIONID", "XVERIFY") if keyword in extensions]
    if offered:
        return failed(f"{' and '.join(offered)} must not be offered outside TLS.")
    if is_accepted(said) or says_false(said):
        return failed(f"To XVERIFY outside TLS the server {words(said)}.")
    if is_refused(said):
        return passed("Nothing is said of sessions outside TLS.")
    return untested(f"To XVERIFY outside TLS the server {words(said)}.")


def says_false(said: Said | None) -> bool:
    """Tell whether a question was answered FALSE."""
    return _says(said, 550, "FALSE")


def says_true(said: Said | None) -> bool:
    """Tell whether a question was answered TRUE."""
    return _says(said, 250, "TRUE")


def _says(said: Said | None, code: int, word: str) -> bool:
    return isinstance(said, Reply) and said.code == code and said.text.strip().upper() == word
