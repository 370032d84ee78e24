"""Words of the event log for what was done with an application or holding, its state unchanged."""

from __future__ import annotations

from enum import StrEnum


class Deed(StrEnum):
    """What was done; see `ServerEvent.action`."""

    BEGUN = "begin"
    CHANGED = "changed"
    """A step of the application was changed after it was submitted."""
    CONTACT_CONFIRMED = "contact-confirmed"
    DOCUMENT_ATTACHED = "document-attached"
    DOCUMENT_REMOVED = "document-removed"
    CONTROL_PROVEN = "control-proven"
    """Whoever applies was seen to control the host."""
    CONTROL_ASKED = "control-asked"
    """Somebody asked that it be looked for now."""
    SCREENED = "screening-made"
    DOMAIN_AGE = "domain-age"
    TEST_PASSED = "test-passed"
    TEST_FAILED = "test-failed"
    TEST_IMPOSSIBLE = "test-impossible"
    TEST_ASKED = "test-asked"
    PERSPECTIVES_DIFFER = "perspectives-differ"
    """Probes saw it pass and others saw it fail at the same time."""
    MESSAGE_ARRIVED = "test-message-arrived"
    """A message of a test that had ended came after all: it relays, or bounces."""
    SENDING_TEST_ASKED = "sending-test-asked"
    """The server is to send a message to the test mailbox."""
    SENDING_TEST_PASSED = "sending-test-passed"
    SENDING_TEST_FAILED = "sending-test-failed"
    USER_REGISTERED = "user-registered"
    USER_REVOKED = "user-revoked"
    KEY_REGISTERED = "key-registered"
    KEY_REVOKED = "key-revoked"
    TRAP_RETIRED = "trap-retired"
