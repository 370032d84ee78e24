"""Submission, measured: our milter and listener against OpenDKIM and Postfix, and a made-up day."""
