from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.registry.comparison import (
    Difference,
    OutOfOrderError,
    content_of,
    differences,
)
from countersign.registry.zone.content import apex_node
from countersign.registry.zone.digest import SHA384, SIMPLE, digest_record
from countersign.registry.zone.names import APEX, host_key
from countersign.registry.zone.records import (
    RRSIG,
    SOA,
    ZONEMD,
    kind_of,
    make_node,
    record,
    split_node,
    text_record,
)
from tests.registry.zone.zones import APEX_FACTS, small_zone

KEYS = st.sampled_from([host_key(f"h{number}.example") for number in range(8)])
NODES = st.lists(st.sampled_from([text_record(1, word) for word in "abcd"]), min_size=1).map(
    make_node
)
ZONES = st.dictionaries(KEYS, NODES)


@given(ZONES, ZONES)
def test_all_that_differs_is_told_and_nothing_else(
    one: dict[bytes, bytes], other: dict[bytes, bytes]
) -> None:
    mended = dict(one)
    for key, ours, theirs in differences(sorted(one.items()), sorted(other.items())):
        assert not set(ours) & set(theirs)
        kept = set(split_node(mended.pop(key, b""))) - set(ours)
        if node := make_node([*kept, *theirs]):
            mended[key] = node
    assert mended == other


@given(ZONES)
def test_equal_copies_have_no_differences(zone: dict[bytes, bytes]) -> None:
    assert list(differences(sorted(zone.items()), sorted(zone.items()))) == []


def test_what_servers_make_themselves_is_no_difference() -> None:
    one = small_zone(7)
    other = small_zone(7)
    digest = digest_record(300, 9, SIMPLE, SHA384, bytes(48))
    bind_progress = record(65534, 300, bytes(5))
    # A signer counts serials of its own; the text goes on saying the registrar's.
    [soa] = [one for one in split_node(apex_node(APEX_FACTS, 9)) if kind_of(one) == SOA]
    kept = [one for one in split_node(other[APEX]) if kind_of(one) not in (SOA, ZONEMD)]
    other[APEX] = make_node([soa, *kept, digest, bind_progress])
    for key, node in other.items():
        other[key] = make_node([*split_node(node), record(RRSIG, 300, bytes(40))])
    other[host_key("nsec3hash")] = make_node([record(50, 300, bytes(20))])
    left, right = sorted(one.items()), sorted(other.items())
    assert list(differences(left, right))
    assert list(differences(content_of(left), content_of(right))) == []


def test_a_name_that_one_copy_lacks_is_told_with_its_records() -> None:
    node = make_node([text_record(1, "x")])
    zone = [(host_key("a.example"), node)]
    assert list(differences(zone, [])) == [Difference(host_key("a.example"), [node], [])]
    assert list(differences([], zone)) == [Difference(host_key("a.example"), [], [node])]


def test_copies_out_of_order_are_refused() -> None:
    node = make_node([text_record(1, "x")])
    with pytest.raises(OutOfOrderError):
        list(differences([(b".b", node), (b".a", node)], []))
