"""Configurations that use the zone as it is, without any plug-in (RFC 5782; DESIGN §7).

They know who is registered by the client's address, by its name in the DNS, or by its DKIM
signature. None of it is the proof that the gateway asks for: an address may be shared. So they
spare a registered server other tests, and never refuse anybody.
"""

from __future__ import annotations

from enum import StrEnum

LISTED = "127.0.0.2"
"""The only answer that means 'registered'; all others are refusals or overload (DESIGN §7)."""


class Filter(StrEnum):
    """Who uses the zone."""

    POSTFIX = "postfix"
    POSTSCREEN = "postscreen"
    RSPAMD = "rspamd"
    SPAMASSASSIN = "spamassassin"


def dnswl_snippet(kind: Filter, zone: str) -> str:
    """Return lines for a program's configuration. zone: the public zone's name."""
    return _TEXTS[kind].format(zone=zone.rstrip("."), listed=LISTED)


_POSTFIX = """\
# Postfix: registered servers are spared block lists and greylisting.
#
# --- main.cf ---------------------------------------------------------------------------------
# Put the two lines after reject_unauth_destination, so that nobody may relay by them, and before
# your block lists and policy services. The first knows a client by its address, the second by
# its name, where the DNS confirms it both ways. Only the answer {listed} counts. When the list
# cannot be asked Postfix goes on, and defers (450) where it would then have refused.
smtpd_recipient_restrictions =
    permit_mynetworks,
    permit_sasl_authenticated,
    reject_unauth_destination,
    permit_dnswl_client ip.{zone}={listed},
    permit_rhswl_client {zone}={listed}
#   reject_rbl_client …, check_policy_service …
#
# Ask a validating resolver on this host, and Postfix believes the AD bit it gets:
#   smtp_dns_support_level = dnssec
"""

_POSTSCREEN = """\
# postscreen: registered servers are spared all of its tests.
#
# --- main.cf ---------------------------------------------------------------------------------
# Add the list to your others; its weight must outdo theirs together, or choose a smaller one.
postscreen_dnsbl_sites = ip.{zone}={listed}*-5
postscreen_dnsbl_action = enforce
postscreen_dnsbl_threshold = 3
# Postfix before 3.6 calls it postscreen_dnsbl_whitelist_threshold.
postscreen_dnsbl_allowlist_threshold = -5
"""

_RSPAMD = """\
# Rspamd: a registered server, known by its address or by its DKIM signature.
#
# --- /etc/rspamd/local.d/rbl.conf --------------------------------------------------------------
rbls {{
  countersign {{
    symbol = "COUNTERSIGN_UNKNOWN_ANSWER";
    rbl = "ip.{zone}";
    ipv4 = true;
    ipv6 = true;
    checks = ["from"];
    is_whitelist = true;
    whitelist_exception = "COUNTERSIGN_UNKNOWN_ANSWER";
    # Any other answer is a refusal or an overload: it gets the symbol above, without a score.
    returncodes {{
      COUNTERSIGN_REGISTERED = "{listed}";
    }}
  }}
  countersign_signed {{
    symbol = "COUNTERSIGN_SIGNED_UNKNOWN_ANSWER";
    rbl = "{zone}";
    # d= of a good signature is the registered host name itself.
    checks = ["dkim"];
    dkim_domainonly = false;
    dkim_match_from = false;
    ignore_whitelist = true;
    returncodes {{
      COUNTERSIGN_SIGNED = "{listed}";
    }}
  }}
}}
#
# --- /etc/rspamd/local.d/groups.conf -----------------------------------------------------------
group "countersign" {{
  symbols {{
    "COUNTERSIGN_REGISTERED" {{ weight = -3.0; description = "Client is a registered server"; }}
    "COUNTERSIGN_SIGNED" {{ weight = -2.0; description = "Signed by a registered server"; }}
    "COUNTERSIGN_UNKNOWN_ANSWER" {{ weight = 0.0; }}
    "COUNTERSIGN_SIGNED_UNKNOWN_ANSWER" {{ weight = 0.0; }}
  }}
}}
"""

_SPAMASSASSIN = """\
# SpamAssassin: a registered server, known by its address.
#
# --- /etc/spamassassin/countersign.cf ----------------------------------------------------------
ifplugin Mail::SpamAssassin::Plugin::DNSEval
# The last server that is not ours: its address was seen by a host that we trust.
header   __COUNTERSIGN  eval:check_rbl('countersign-lastexternal', 'ip.{zone}.')
tflags   __COUNTERSIGN  nice net
# Any other answer is a refusal or an overload and means nothing.
header   RCVD_IN_COUNTERSIGN  eval:check_rbl_sub('countersign-lastexternal', '^127\\.0\\.0\\.2$')
describe RCVD_IN_COUNTERSIGN  Client is a registered mail server
tflags   RCVD_IN_COUNTERSIGN  nice net
score    RCVD_IN_COUNTERSIGN  0 -3.0 0 -3.0
endif
"""

_TEXTS = {
    Filter.POSTFIX: _POSTFIX,
    Filter.POSTSCREEN: _POSTSCREEN,
    Filter.RSPAMD: _RSPAMD,
    Filter.SPAMASSASSIN: _SPAMASSASSIN,
}
