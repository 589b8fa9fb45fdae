"""The Merkle tree of RFC 6962: the known vectors, another way to compute it, and paths that nothing else satisfies."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pce_pipeline.certificates.merkle import (
    audit_path,
    hashes_of,
    leaf_hash,
    node_hash,
    root_and_size,
    root_by_path,
    root_of,
)

# The leaves and roots by which implementations of Certificate Transparency are compared.
LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)

many_leaves = st.lists(st.binary(max_size=8), min_size=1, max_size=40, unique=True)


def as_the_rfc_writes_it(leaves: Sequence[bytes]) -> bytes:
    """MTH of section 2.1: split at the largest power of two below the number of leaves."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    both = as_the_rfc_writes_it(leaves[:split]) + as_the_rfc_writes_it(leaves[split:])
    return hashlib.sha256(b"\x01" + both).digest()


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_those_of_certificate_transparency(size: int) -> None:
    assert root_of(hashes_of(LEAVES[:size])).hex() == ROOTS[size]


@given(leaves=many_leaves)
def test_the_root_of_leaves_that_come_one_by_one_is_that_of_all(leaves: list[bytes]) -> None:
    assert root_and_size(iter(hashes_of(leaves))) == (root_of(hashes_of(leaves)), len(leaves))


@given(leaves=many_leaves)
def test_pairing_neighbours_gives_the_tree_of_the_rfc(leaves: list[bytes]) -> None:
    assert root_of(hashes_of(leaves)) == as_the_rfc_writes_it(leaves)


def test_the_hashes_of_many_leaves_are_those_of_each() -> None:
    assert hashes_of(LEAVES) == [leaf_hash(leaf) for leaf in LEAVES]


def test_a_leaf_never_passes_for_a_node() -> None:
    left, right = hashes_of(LEAVES[:2])
    assert leaf_hash(left + right) != node_hash(left, right) == root_of([left, right])


@given(leaves=many_leaves, data=st.data())
def test_a_path_leads_to_the_root_and_from_no_other_place(leaves: list[bytes], data: st.DataObject) -> None:
    hashes = hashes_of(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    path, root = audit_path(hashes, index), root_of(hashes)
    assert root_by_path(hashes[index], index, len(leaves), path) == root
    other = data.draw(st.integers(-2, len(leaves) + 2).filter(lambda place: place != index))
    assert root_by_path(hashes[index], other, len(leaves), path) != root
    assert root_by_path(leaf_hash(leaves[index] + b"!"), index, len(leaves), path) != root
    for place, node in enumerate(path):
        changed = bytes([node[0] ^ 1, *node[1:]])
        assert root_by_path(hashes[index], index, len(leaves), [*path[:place], changed, *path[place + 1 :]]) != root
    assert root_by_path(hashes[index], index, len(leaves), [*path, root]) is None
    assert not path or root_by_path(hashes[index], index, len(leaves), path[:-1]) is None


@pytest.mark.parametrize("index", [-1, 3])
def test_there_is_no_path_of_a_leaf_that_there_is_not(index: int) -> None:
    with pytest.raises(IndexError):
        audit_path(hashes_of(LEAVES[:3]), index)
