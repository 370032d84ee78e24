"""Delivery to an MTA by SMTP (RFC 5321)."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage

from countersign.registrar.jobs.kinds import GiveUpError, TryLaterError

_SECONDS = 30.0


def send(endpoint: str, sender: str, message: EmailMessage) -> None:
    """Hand a message to the MTA at ADDRESS:PORT.

    Raises :class:`TryLaterError` for what may go well another time (no connection, replies
    4xx), :class:`GiveUpError` for what will not (5xx). Their texts name codes, nobody's address.
    """
    host, _, port = endpoint.rpartition(":")
    if endpoint.startswith("unix:") or not port.isdecimal():
        raise GiveUpError("mail.server is written ADDRESS:PORT for SMTP")
    try:
        with smtplib.SMTP(host.strip("[]"), int(port), timeout=_SECONDS) as client:
            client.ehlo_or_helo_if_needed()
            if client.has_extn("starttls"):
                client.starttls(context=_context())
            client.send_message(message, from_addr=sender)
    except smtplib.SMTPRecipientsRefused as error:
        (code, _text) = next(iter(error.recipients.values()))
        _judge(code, "the recipient")
    except smtplib.SMTPSenderRefused as error:
        _judge(error.smtp_code, "the sender")
    except smtplib.SMTPResponseException as error:
        _judge(error.smtp_code, "the message")
    except smtplib.SMTPNotSupportedError:
        raise GiveUpError("the mail server cannot take an internationalised address") from None
    except (OSError, smtplib.SMTPException) as error:
        raise TryLaterError(f"no dialogue with the mail server: {type(error).__name__}") from None


def _judge(code: int, what: str) -> None:
    text = f"the mail server refused {what} with {code}"
    if 500 <= code < 600:
        raise GiveUpError(text) from None
    raise TryLaterError(text) from None


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    # The MTA is the operator's own, most often on this host with a certificate of its own making;
    # the choice is between this and plain text, as between all MTAs (RFC 7435).
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
