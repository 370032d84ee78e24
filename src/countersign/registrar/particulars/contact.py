"""Ways to reach somebody: telephone, e-mail, website."""

from __future__ import annotations

import unicodedata

import phonenumbers
from pydantic import HttpUrl, TypeAdapter, ValidationError

from countersign.protocol.address import AddressSyntaxError, parse_mailbox
from countersign.registrar.particulars.host import check_public_name

MAX_EMAIL = 254
"""Characters (RFC 5321 §4.5.3.1.3, less the angle brackets)."""
MAX_PHONE = 40
MAX_WEBSITE = 200

_PHONE_ADVICE = "Check the number; write it with + and the country code, such as +61 2 9876 5432."
_URL: TypeAdapter[HttpUrl] = TypeAdapter(HttpUrl)


def normalise_phone(text: str, country: str = "") -> str:
    """Return a telephone number in E.164 form, ``+61298765432``.

    country: where a number without country code is; empty: such a number is refused. Raises
    :class:`ValueError`.
    """
    try:
        number = phonenumbers.parse(text[:MAX_PHONE], country or None)
    except phonenumbers.NumberParseException:
        raise ValueError(_PHONE_ADVICE) from None
    if number.extension:
        raise ValueError("Leave out the extension, and give a number that can be dialled directly.")
    if not phonenumbers.is_valid_number(number):
        raise ValueError(_PHONE_ADVICE)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def show_phone(number: str) -> str:
    """Return a number of E.164 form as people write it, ``+61 2 9876 5432``."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def normalise_email(text: str, *, allow_reserved: bool = False) -> str:
    """Return an e-mail address, its domain in lower-case A-labels.

    Only syntax is checked: that the address works is shown by a message that is answered. Raises
    :class:`ValueError`.
    """
    address = unicodedata.normalize("NFC", text)
    try:
        mailbox = parse_mailbox(address)
    except AddressSyntaxError:
        raise ValueError("Check the e-mail address: it looks like name@example.com.") from None
    if mailbox.local_part.startswith('"') or not mailbox.domain or mailbox.domain.startswith("["):
        raise ValueError("Check the e-mail address: it looks like name@example.com.")
    check_public_name(mailbox.domain, allow_reserved=allow_reserved)
    if len(str(mailbox).encode()) > MAX_EMAIL:
        raise ValueError(f"Use an e-mail address of at most {MAX_EMAIL} characters.")
    return str(mailbox)


def normalise_website(text: str, *, allow_reserved: bool = False) -> str:
    """Return the URL of a website, http or https; a bare host name becomes https.

    Raises :class:`ValueError`.
    """
    address = text if "://" in text else f"https://{text}"
    try:
        url = _URL.validate_python(address)
    except ValidationError:
        raise ValueError("Check the website: it looks like https://www.example.com.") from None
    if url.username or url.password:
        raise ValueError("Remove the user name and password from the website's address.")
    check_public_name(url.host or "", allow_reserved=allow_reserved)
    if len(str(url)) > MAX_WEBSITE:
        raise ValueError(f"Use a website address of at most {MAX_WEBSITE} characters.")
    return str(url)
