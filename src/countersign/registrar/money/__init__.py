"""Money as it comes in and goes out: bank statements, payment notices, references, CSV files.

No database here; amounts are integers in the currency's minor unit (DESIGN §6).
"""
