"""The tests of the battery but for the relay forms: names, titles, what they are for. Pure.

What a failure means for each mail server, and how it is put right, stands in `advice`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Test:
    """One test of the battery."""

    __test__ = False

    name: str
    """Stable: reports, `advice` and `battery.without` go by it."""
    title: str
    why: str
    """One sentence: what a failure would let somebody do, or what is told."""
    is_essential: bool = True
    """If it could not be made, nothing can be said of the server as a whole."""


ADDRESS = Test(
    "address",
    "The host name leads to a public address",
    "Receivers call a sender back at the address of its name.",
    # Essential is what is seen of the server itself.
    is_essential=False,
)
CONNECTION = Test(
    "connection",
    "The server answers on its port and greets",
    "Mail and questions about sessions come from anywhere.",
)
HELLO = Test(
    "hello",
    "EHLO is understood",
    "Everything that counts here is announced in the reply to EHLO.",
)
CLIENT_OVERRIDE = Test(
    "client-override",
    "Strangers cannot claim to be another client",
    "With XCLIENT or XFORWARD a stranger can claim to be a client that may relay.",
)
AUTH_IN_CLEAR = Test(
    "auth-in-clear",
    "Passwords are not taken outside TLS",
    "A password that is sent in clear can be read on the way, and used to send spam.",
)
VERIFICATION_IN_CLEAR = Test(
    "verification-in-clear",
    "Questions about sessions are not answered outside TLS",
    "An answer in clear could be changed on the way.",
)
START_TLS = Test(
    "starttls",
    "STARTTLS works, with TLS 1.2 or later",
    "Without TLS everybody on the way can read and change mail.",
)
START_TLS_ARGUMENT = Test(
    "starttls-argument",
    "STARTTLS with an argument is refused",
    "STARTTLS has no parameters (RFC 3207, section 4): who takes some reads commands carelessly.",
    is_essential=False,
)
START_TLS_AGAIN = Test(
    "starttls-again",
    "STARTTLS is not offered inside TLS",
    "A server that offers TLS inside TLS has not forgotten what was said before (RFC 3207, "
    "section 4.2).",
    is_essential=False,
)
CERTIFICATE = Test(
    "certificate",
    "The certificate is valid for the host name",
    "Some senders refuse a certificate that is expired or names another host.",
    is_essential=False,
)
INJECTION = Test(
    "starttls-injection",
    "Commands sent in clear behind STARTTLS are not obeyed",
    "Somebody on the way could put commands of his own into the session of another.",
)
RESET = Test(
    "starttls-reset",
    "A transaction that began in clear does not go on inside TLS",
    "Somebody on the way could choose the sender of a message that is then sent inside TLS.",
    is_essential=False,
)
POSTMASTER = Test(
    "postmaster",
    "Mail to postmaster@ is taken",
    "Every domain that takes mail has a postmaster (RFC 5321, section 4.5.1).",
    is_essential=False,
)
ABUSE = Test(
    "abuse",
    "Mail to abuse@ is taken",
    "Who gets spam from the server writes to abuse@ its domain (RFC 2142, section 4).",
    is_essential=False,
)
VRFY = Test(
    "vrfy",
    "VRFY does not tell who is a user",
    "Strangers could collect addresses by asking for one after the other.",
    is_essential=False,
)
EXPN = Test(
    "expn",
    "EXPN does not list the members of a mailing list",
    "Strangers could collect the addresses of all members.",
    is_essential=False,
)
AUTH_ANONYMOUS = Test(
    "auth-anonymous",
    "Nobody is taken for a user without a password",
    "Whoever is logged in may send: with AUTH ANONYMOUS that is everybody.",
    is_essential=False,
)
AUTH_WEAK = Test(
    "auth-weak",
    "No outdated AUTH mechanism is offered",
    "LOGIN, CRAM-MD5, DIGEST-MD5 and NTLM are out of date.",
    is_essential=False,
)
VERIFICATION = Test(
    "verification",
    "The server answers questions about sessions truly",
    "A host that does not answer FALSE about an ID that it never gave vouches for anybody.",
)
VERIFICATION_SEQUENCE = Test(
    "verification-sequence",
    "Questions are not answered before EHLO",
    "Inside TLS a session begins anew: nothing is answered to whoever has not said EHLO.",
    is_essential=False,
)
VERIFICATION_SYNTAX = Test(
    "verification-syntax",
    "What is no session ID is refused as an error of syntax",
    "Only whole IDs may be asked about: answers to parts of one would help to guess it.",
    is_essential=False,
)
VERIFICATION_SUSPENSION = Test(
    "verification-suspension",
    "After a wrong ID no more questions are answered",
    "Without suspension, IDs could be guessed one after the other.",
    is_essential=False,
)
CONTROL = Test(
    "control",
    "The gateway announces the registrar's token",
    "The token shows that the owner controls the host; a DNS record shows it as well.",
    is_essential=False,
)
SMUGGLING = Test(
    "smuggling",
    "A message ends only where the standard says",
    "Whoever ends messages elsewhere takes a second message out of the first, with a sender of the "
    "attacker's choice.",
    is_essential=False,
)
SMUGGLING_IN_CHUNKS = Test(
    "smuggling-chunks",
    "A message sent by BDAT is passed on as one",
    "BDAT lets bare line endings and dots through that the next host may take for an end.",
    is_essential=False,
)
REVERSE_DNS = Test(
    "reverse-dns",
    "The address leads back to a name",
    "Many receivers take no mail from addresses without a name.",
    is_essential=False,
)

TRAPS = Test(
    "traps",
    "Mail to the registrar's mailboxes is taken",
    "What these mailboxes get shows who sends spam.",
)
BACKSCATTER = Test(
    "backscatter",
    "Mail to unknown recipients is not sent back to strangers",
    "Bounces go to whoever was named as the sender, who may have sent nothing.",
    is_essential=False,
)
SUBMISSION_AUTH = Test(
    "submission-auth-in-clear",
    "The submission port takes no password before TLS",
    "A password that is sent in clear can be read on the way, and used to send spam.",
    is_essential=False,
)
SUBMISSION = Test(
    "submission",
    "The submission port relays for nobody without a password",
    "A server that passes on mail of strangers is used to send spam, on whatever port.",
    is_essential=False,
)
SUBMISSIONS = Test(
    "submissions",
    "The submission port with TLS from the first octet relays for nobody without a password",
    "A server that passes on mail of strangers is used to send spam, on whatever port.",
    is_essential=False,
)

RELAY_ADVICE = "A server that passes on mail of strangers is used to send spam."
"""Why each relay form is tried."""

IN_CLEAR = (CONNECTION, HELLO, CLIENT_OVERRIDE, VERIFICATION_IN_CLEAR, AUTH_IN_CLEAR)
"""Made on the first connection, in their order."""
AT_START_TLS = (START_TLS_ARGUMENT, START_TLS, CERTIFICATE, START_TLS_AGAIN)
IN_TLS = (*AT_START_TLS, CONTROL, POSTMASTER, ABUSE)
"""Made on the first connection with TLS, in their order."""
STATE = (INJECTION, RESET)
STRANGERS = (VRFY, EXPN, AUTH_ANONYMOUS, AUTH_WEAK)
"""What the server says to strangers inside TLS."""
QUESTIONS = (
    VERIFICATION_SEQUENCE,
    VERIFICATION_SYNTAX,
    VERIFICATION,
    VERIFICATION_SUSPENSION,
)
"""Of the verification protocol, in their order: a wrong ID suspends all that come after it."""
SUBMITTING = (SUBMISSION_AUTH, SUBMISSION, SUBMISSIONS)


def all_tests() -> tuple[Test, ...]:
    """Return every test that there is, in the battery's order."""
    # Here, as the forms are made of tests themselves.
    from countersign.certification.forms import FORMS

    relaying = (TRAPS, BACKSCATTER, *(form.test for form in FORMS))
    begin = (ADDRESS, *IN_CLEAR, *IN_TLS, *STATE, *STRANGERS, *QUESTIONS, *SUBMITTING)
    return (*begin, SMUGGLING, SMUGGLING_IN_CHUNKS, *relaying, REVERSE_DNS)
