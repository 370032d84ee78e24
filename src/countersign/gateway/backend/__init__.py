"""The MTA behind the gateway, as receiving and submission hand mail over to it (DESIGN §4)."""
