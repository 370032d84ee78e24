"""Certification tests: the battery against a mail server (DESIGN §8). `run` makes it."""
