"""Processes that run beside the service, which starts them, keeps them running, and ends them.

`process.py` is the service's side, `program.py` the process's own, `metrics.py` how the service
reads what the process counts.
"""
