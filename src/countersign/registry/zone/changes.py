"""Changes of a zone from one version to a later one, node by node."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

from countersign.registry.zone.records import MAX_NODE, split_node

_HEAD = struct.Struct("!HII")


class ChangeError(ValueError):
    """Octets that are no changes."""


class NodeChange(NamedTuple):
    """What becomes of one node. An empty node is none."""

    key: bytes
    before: bytes
    after: bytes

    @property
    def removed(self) -> list[bytes]:
        """Records that go."""
        stay = set(split_node(self.after))
        return [one for one in split_node(self.before) if one not in stay]

    @property
    def added(self) -> list[bytes]:
        """Records that come."""
        were = set(split_node(self.before))
        return [one for one in split_node(self.after) if one not in were]


def condense(versions: Iterable[Iterable[NodeChange]]) -> list[NodeChange]:
    """Return one list of changes that does what several in turn do, in canonical order.

    Raises :class:`ChangeError` if one does not begin where another ended.
    """
    net: dict[bytes, NodeChange] = {}
    for changes in versions:
        for change in changes:
            known = net.get(change.key)
            if known is None:
                net[change.key] = change
            elif known.after != change.before:
                raise ChangeError("versions that do not follow one another")
            else:
                net[change.key] = NodeChange(change.key, known.before, change.after)
    return [net[key] for key in sorted(net) if net[key].before != net[key].after]


def pack_changes(changes: Iterable[NodeChange]) -> bytes:
    """Return changes as octets, for a journal."""
    return b"".join(
        _HEAD.pack(len(key), len(before), len(after)) + key + before + after
        for key, before, after in changes
    )


def unpack_changes(octets: bytes) -> list[NodeChange]:
    """Return changes from a journal. Raises :class:`ChangeError`."""
    changes, at, size = [], 0, len(octets)
    while at < size:
        if at + _HEAD.size > size:
            raise ChangeError("changes that are cut off")
        key_size, before_size, after_size = _HEAD.unpack_from(octets, at)
        start = at + _HEAD.size
        middle = start + key_size + before_size
        at = middle + after_size
        if at > size or max(before_size, after_size) > MAX_NODE or not key_size:
            raise ChangeError("changes that are cut off")
        changes.append(
            NodeChange(
                octets[start : start + key_size],
                octets[start + key_size : middle],
                octets[middle:at],
            )
        )
    return changes
