"""From the replies to an envelope and its message to a verdict (DESIGN §8). Pure.

A 250 alone neither fails a server nor passes it: only what arrives does, see `settling`.
"""

from __future__ import annotations

from dataclasses import dataclass

from countersign.certification.delivery import Delivered
from countersign.certification.judge import Judgement, failed, information, passed, untested
from countersign.certification.outcome import Verdict
from countersign.certification.said import Said, Trouble, is_accepted, is_put_off, is_refused, words


@dataclass(frozen=True, slots=True)
class Relayed:
    """The replies to one envelope, and to its message."""

    mail: Said
    recipient: Said | None = None
    control: Said | None = None
    """To a recipient that is unknown in the same place; None: not asked, or there is none."""
    delivered: Delivered | None = None
    """None: no message was sent, though the recipient may have been accepted."""
    auth: Said | None = None
    """To a password made up by chance; None: none was tried."""

    @property
    def last(self) -> Said:
        """The reply after which it ended, or the one to the recipient."""
        if not is_accepted(self.mail):
            return self.mail
        return self.recipient if self.recipient is not None else Trouble.CLOSED

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers of messages that the server took, or may have taken."""
        return self.delivered.numbers if self.delivered is not None else ()


def judge_relay(seen: Relayed, *, has_mailbox: bool, is_local: bool = False) -> Judgement:
    """Judge one relay form as it stands if no message arrives.

    ``has_mailbox``: there is a test mailbox, so that messages are sent. ``is_local``: the
    recipient may well be accepted.
    """
    if is_accepted(seen.auth):
        return failed("The server took a password that was made up by chance.")
    if seen.delivered is not None and _is_for_what_it_says(seen.delivered.content) and not is_local:
        return _judge_refused_content(seen)
    if (stopped := judge_refusal(seen)) is not None:
        return stopped
    if is_local:
        return information("The server accepted the local recipient, as it should.")
    if is_accepted(seen.control) and (seen.delivered is not None or not has_mailbox):
        return information(
            "The server accepted this recipient, but it accepts unknown local recipients in the "
            "same way: only a message that arrives would show that it relays."
        )
    return untested(_unproven(seen.delivered, has_mailbox))


def _is_for_what_it_says(content: Said | None) -> bool:
    """Tell whether a message was refused at its end, and not because of its recipient."""
    if not is_refused(content):
        return False
    # RFC 3463: X.1 is about addresses.
    return not content.enhanced.startswith("5.1.") and "relay" not in content.text.lower()


def _judge_refused_content(seen: Relayed) -> Judgement:
    assert seen.delivered is not None and seen.delivered.content is not None
    told = words(seen.delivered.content)
    if is_accepted(seen.control):
        return information(
            "The server accepted this recipient, as it accepts unknown local recipients, and "
            f"refused the message: it {told}."
        )
    return untested(
        f"The server accepted the recipient, and refused this message only: it {told}. Whether "
        "it passes on others is not known: refuse the recipient."
    )


def leaves_doubt(seen: Relayed, judgement: Judgement) -> bool:
    """Tell whether nothing can be said of the server as a whole, whatever the form.

    It took a recipient that it should have refused, and what it does with messages is not known.
    """
    is_taken = is_accepted(seen.mail) and is_accepted(seen.recipient)
    return is_taken and judgement.verdict is Verdict.COULD_NOT_TEST


def _unproven(delivered: Delivered | None, has_mailbox: bool) -> str:
    if delivered is not None and delivered.content is not None:
        return (
            f"The server took the message: it {words(delivered.content)}. It has not arrived at "
            "the registrar's test mailbox: whether the server relays is not known."
        )
    if not has_mailbox:
        return (
            "The server accepted the recipient. Whether it relays is proven only by a message that "
            "arrives at a test mailbox, and there is none."
        )
    return "The server accepted the recipient; no further message was sent."


def judge_refusal(seen: Relayed) -> Judgement | None:
    """Judge that something on the way to a taken message was not accepted; None: all was."""
    for command, said in (("MAIL", seen.mail), ("RCPT", seen.recipient)):
        if not is_accepted(said):
            return _judge_no_acceptance(command, said or Trouble.CLOSED)
    if seen.delivered is None:
        return None
    data, content = seen.delivered.data, seen.delivered.content
    if content is None:
        return _judge_no_acceptance("DATA", data)
    return None if is_accepted(content) else _judge_no_acceptance("the message", content)


def _judge_no_acceptance(command: str, said: Said) -> Judgement:
    if is_refused(said):
        return passed(f"Refused: to {command} the server {words(said)}.")
    if is_put_off(said):
        return untested(f"Put off: to {command} the server {words(said)}.")
    return untested(f"To {command} the server {words(said)}.")
