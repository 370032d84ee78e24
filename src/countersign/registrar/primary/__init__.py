"""The hidden primary name server: the zone for secondaries with a TSIG key, and nobody else.

It is a process of its own (DESIGN §7). `process.py` wires it: `watching.py` learns of versions,
`serving.py` answers, `notifying.py` and `monitoring.py` look after the secondaries, `states.py`
keeps and stores what is known of each.
"""
