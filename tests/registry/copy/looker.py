"""A process that reads a copy. Arguments: directory, and how many versions to see; or ``hold``.

Exits with an error if what it reads at one time is not of one version; prints how often it
looked. ``hold``: prints 1 and keeps reading one state until it is killed.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from countersign.registry.copy.store import ZoneCopy
from countersign.registry.zone.names import APEX
from tests.registry.copy.writer import marker
from tests.registry.copy.zones import apex


def look(copy: ZoneCopy) -> int:
    """Read one state; return its version."""
    reader = copy.reader()
    with reader.snapshot() as snapshot:
        nodes = dict(snapshot.nodes())
        serial = snapshot.meta.serial
        # Another version may be newer by now, never older.
        meta = reader.meta()
        assert meta is not None
        assert meta.serial >= serial
        assert nodes.pop(APEX) == apex(serial) == snapshot.get(APEX)
        markers = {marker(node) for node in nodes.values()}
        assert markers == {serial}, f"{markers} in version {serial}"
        again = dict(snapshot.nodes())
        assert again.pop(APEX) == apex(serial)
        assert again == nodes, "the state changed while it was read"
        return serial


def main(directory: str, versions: str) -> None:
    """Look until as many versions were seen as told."""
    with ZoneCopy.open(Path(directory), writable=False) as copy:
        if versions == "hold":
            with copy.reader().snapshot():
                print(1, flush=True)
                signal.pause()
        seen, looks = set[int](), 0
        while len(seen) < int(versions):
            seen.add(look(copy))
            looks += 1
        print(looks)


if __name__ == "__main__":
    main(*sys.argv[1:])
