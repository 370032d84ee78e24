"""A process that writes versions of a zone until it is killed; each carries one marker everywhere.

Arguments: directory, how (apply, replace or change), the first serial, names.
Writes ``N\n`` before it begins version N.
"""

from __future__ import annotations

import sys
from pathlib import Path

from countersign.registry.copy import replacing
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.zone.changes import NodeChange
from countersign.registry.zone.names import APEX
from countersign.registry.zone.records import text_record
from tests.registry.copy.zones import ZONE, all_nodes, apex, fill, meta_of, records_of


def version(serial: int, names: int) -> dict[bytes, bytes]:
    """Return version ``serial``: its marker is in all nodes, and one in three is another name."""
    text = text_record(300, f"marker={serial}")
    keys = [
        b".org\0h%06d" % (number + (serial if number % 3 == 0 else 0)) for number in range(names)
    ]
    return {APEX: apex(serial), **dict.fromkeys(keys, text)}


def marker(node: bytes) -> int:
    """Return which version a node is of."""
    return int(node.rpartition(b"marker=")[2])


def write(
    copy: ZoneCopy, how: str, old: dict[bytes, bytes], new: dict[bytes, bytes], n: int
) -> None:
    """Make version n of the old one."""
    if how == "replace":
        fill(copy, new, n)
        return
    if how == "apply":
        keys = old.keys() | new.keys()
        changes = [NodeChange(key, old.get(key, b""), new.get(key, b"")) for key in sorted(keys)]
        copy.apply(changes, meta_of(new, n))
        return
    with copy.changing() as change:
        for key, record in records_of(old):
            change.remove(key, record)
        for key, record in records_of(new):
            change.add(key, record)
        change.commit(zone=ZONE, serial=n, checked_at=1000.0, source="test")


def main(directory: str, how: str, first: str, names: str) -> None:
    """Write until killed."""
    replacing._CHUNK_NODES = 50
    with ZoneCopy.open(Path(directory), writable=True) as copy:
        old = all_nodes(copy) if copy.meta() else {}
        for serial in range(int(first), 1 << 31):
            new = version(serial, int(names))
            print(serial, flush=True)
            write(copy, how, old, new, serial)
            old = new


if __name__ == "__main__":
    main(*sys.argv[1:])
