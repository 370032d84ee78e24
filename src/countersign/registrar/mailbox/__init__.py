"""The test mailbox as a process: mail to test addresses, kept in the database (DESIGN §8).

The SMTP server is `certification/mailbox/`; `keeping.py` is between it and the operations.
"""
