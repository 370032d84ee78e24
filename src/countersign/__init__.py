"""Countersign: mail admitted only from servers that prove who they are."""

__version__ = "0.1.0"
