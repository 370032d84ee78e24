"""Codes in words."""

from __future__ import annotations

FAILURE_WORDS = {
    "password": "Wrong password",
    "syntax": "Not understood",
    "limited": "Not looked at: too many had failed",
    "in-clear": "Outside TLS",
    "disabled": "The account is disabled",
    "authorisation": "On behalf of another user",
    "domain": "Name with a domain that is not this server's",
}
"""Why a sign-in failed."""
ORDER_WORDS = {
    "register-user": "Register a privileged user",
    "revoke-user": "End a privilege",
    "offender-query": "Ask about a new user",
}
"""What waits for the registrar."""
