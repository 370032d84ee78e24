from __future__ import annotations

import pytest

from countersign.rules.network import is_callback_target


def is_target(address: str, *own: str, permitted: tuple[str, ...] = ()) -> bool:
    return is_callback_target(address, own_addresses=own, permitted_networks=permitted)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_public_addresses_are_targets_unless_they_are_our_own(address: str) -> None:
    assert is_target(address)
    assert not is_target(address, address)


@pytest.mark.parametrize(
    "address", ["64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "::7f00:1", "2002:e000:1::"]
)
def test_an_inner_address_inside_an_ipv6_address_is_no_target(address: str) -> None:
    assert not is_target(address)
    assert is_target(address, permitted=("::/0",))
