"""Contracts, invoices and statements: versioned texts, filled in, as HTML and as PDF (DESIGN §6).

No database, no clock: whoever calls says what is in a document and when it was made.
"""
