"""Measurements against Postfix in the same run; every figure that counts is a ratio."""
