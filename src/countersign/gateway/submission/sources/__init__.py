"""Where passwords are checked: a local file, Dovecot, LDAP (DESIGN §5)."""
