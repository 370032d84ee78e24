"""A process that takes the zone as a replica does, says when it is ready, and waits.

Usage: python -m benchmarks.registry.receiver DIRECTORY ENDPOINT KEY_FILE NAMES
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from benchmarks.registry.made_zone import ZONE, MadeZone
from benchmarks.registry.reader import open_registry
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.lookup import Standing
from countersign.registry.replica.digests import Checked
from countersign.registry.replica.line import Stopper
from countersign.registry.replica.settings import ReplicaSettings
from countersign.registry.replica.transfer import Order, Transfers
from countersign.registry.transfer.keys import key_file


def main() -> None:
    directory, endpoint, key, names = sys.argv[1:]
    zone = MadeZone(int(names))
    with ZoneCopy.open(Path(directory), writable=True) as copy:
        transfers = Transfers(copy, ZONE, key_file(Path(key)), ReplicaSettings(), Stopper())
        taken = transfers.take(Order(endpoint, whole=True, checked_at=time.time()))
        if taken is None or taken.checked is not Checked.SUM:
            raise RuntimeError("the zone was not taken, or not checked")
        find = open_registry(Path(directory)).find
        for number in (0, zone.names - 1):
            expected = Standing.SUSPENDED if zone.is_suspended(number) else Standing.REGISTERED
            if find(zone.hostname(number)).standing is not expected:
                raise RuntimeError("a wrong answer")
        print("ready", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
