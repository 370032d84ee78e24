"""The zone for a secondary that signs it on the way: without our digest (RFC 8976).

It makes another one of what it signs. Ours would be wrong there; and where it has put its own in
the place of ours, a change that removes ours would not fit, and it would ask for the whole zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from countersign.registry.transfer.sending import Version
from countersign.registry.zone.changes import NodeChange
from countersign.registry.zone.names import APEX
from countersign.registry.zone.records import ZONEMD, kind_of, split_node


def nodes_without_digest(nodes: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """Give (key, node) of a zone without its ZONEMD records."""
    for key, node in nodes:
        yield key, _bare(node) if key == APEX else node


def versions_without_digest(versions: Iterable[Version]) -> Iterator[Version]:
    """Give versions without what they change of ZONEMD records."""
    for before, after, changes in versions:
        yield before, after, [_bare_change(change) for change in changes]


def _bare_change(change: NodeChange) -> NodeChange:
    if change.key != APEX:
        return change
    return NodeChange(APEX, _bare(change.before), _bare(change.after))


def _bare(node: bytes) -> bytes:
    return b"".join(one for one in split_node(node) if kind_of(one) != ZONEMD)
