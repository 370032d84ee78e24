"""Words of the event log for what money and promises bring about, the state unchanged."""

from __future__ import annotations

from enum import StrEnum


class Happening(StrEnum):
    """What happened to a server without changing its state; see `ServerEvent.action`."""

    BOND_REVIEWED = "bond-reviewed"
    PAYMENT = "payment"
    """Money was put to one of its invoices."""
    PAYMENT_TAKEN_BACK = "payment-taken-back"
    FEE_PAID = "fee-paid"
    REFUND_SET_ASIDE = "refund-set-aside"
    PAID_OUT = "paid-out"
    PAYOUT_RETURNED = "payout-returned"
    CONTRACT_ACCEPTED = "contract-accepted"
    SPONSOR_ASKED = "sponsor-asked"
    SPONSOR_ACCEPTED = "sponsor-accepted"
    SPONSOR_DECLINED = "sponsor-declined"
    SPONSOR_NOTICE = "sponsor-notice"
    SPONSOR_ENDED = "sponsor-ended"
    VOUCHED = "vouched"
    """It vouches for another server from now on."""
    SHARE_AT_RISK = "share-at-risk"
    """A server that it vouches for may be found to have spammed."""
    SHARE_CLAIMED = "share-claimed"
    """A server that it vouched for spammed."""
    SHARE_WAIVED = "share-waived"
    FORFEITURE_PROPOSED = "forfeiture-proposed"
    """An adjudicator holds that it spammed."""
    FORFEITURE_REPLIED = "forfeiture-replied"
    FORFEITED = "forfeited"
    """It was found that it spammed: an offence, whether or not there was a bond to forfeit."""
    FORFEITURE_DROPPED = "forfeiture-dropped"
    SUSPENSION_CHANGED = "suspension-changed"
    REMEDY_REPORTED = "remedy-reported"
    """The owner says that the cause of the suspension is removed."""
    REMEDY_DONE = "remedy-done"
    DEREGISTRATION_PROPOSED = "deregistration-proposed"
    DEREGISTRATION_DROPPED = "deregistration-dropped"
