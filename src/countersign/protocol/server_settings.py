"""What a server dialogue allows: its bounds, and the extensions that it offers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What a server dialogue allows."""

    lmtp: bool = False
    start_tls: bool = False
    """STARTTLS is offered while the connection is in clear."""
    verification: bool = False
    """XSESSIONID and XVERIFY are offered inside TLS."""
    control_token: str = ""
    """Announced as XCONTROL inside TLS (docs/PROTOCOL.md §5.4); empty: nothing is."""
    mechanisms: tuple[str, ...] = ()
    """SASL mechanisms that AUTH offers inside TLS, by upper-case name, the best first."""
    requires_sign_in: bool = False
    """MAIL is refused until the client has signed in (RFC 6409 §4.3)."""
    session_id_length: int = 128
    max_command_line: int = 2048
    """Octets with CRLF: 512 of RFC 5321 §4.5.3.1.4 and room for the extensions."""
    max_text_line: int = 998
    max_message_size: int = 50 * 1024 * 1024
    max_recipients: int = 1000
    max_errors: int = 10
    max_commands: int | None = None
    """Command lines of one connection; None: any number."""
    max_commands_before_sign_in: int | None = None
    """Command lines until the client has signed in; None: any number."""
