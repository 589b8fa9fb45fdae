"""The Merkle tree of RFC 6962 over leaves in order: its root, the audit path of a leaf, and the root that a path gives.

Bytes in, bytes out; what a leaf is, is not known here. A tree is split at the largest power of two below its number of
leaves; pairing neighbours level by level, a last one without neighbour moved up as it is, gives the same tree.

    >>> root_of([]).hex()[:8]
    'e3b0c442'
"""

import hashlib
from collections.abc import Iterable, Sequence

_sha256 = hashlib.sha256


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 || leaf)."""
    return _sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return _sha256(b"\x01" + left + right).digest()


def hashes_of(leaves: Iterable[bytes]) -> list[bytes]:
    """The hash of each leaf."""
    # a tree has half a million leaves: calling nothing of ours for each halves the time
    return [_sha256(b"\x00" + leaf).digest() for leaf in leaves]


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root over the hashes of leaves; that of no leaves is the hash of nothing."""
    if not hashes:
        return _sha256().digest()
    level = hashes
    while len(level) > 1:
        level = _above(level)
    return level[0]


def root_and_size(hashes: Iterable[bytes]) -> tuple[bytes, int]:
    """The root over the hashes of leaves and how many these are; of them no more are held than the tree has levels.

    >>> root_and_size(hashes_of([b"a", b"b", b"c"])) == (root_of(hashes_of([b"a", b"b", b"c"])), 3)
    True
    """
    whole: list[tuple[int, bytes]] = []
    size = 0
    for each in hashes:
        size += 1
        leaves, root = 1, each
        while whole and whole[-1][0] == leaves:
            leaves, root = 2 * leaves, node_hash(whole.pop()[1], root)
        whole.append((leaves, root))
    if not whole:
        return root_of([]), 0
    _, root = whole.pop()
    while whole:
        root = node_hash(whole.pop()[1], root)
    return root, size


def audit_path(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """The nodes that lead from a leaf to the root, from the bottom up. Raises `IndexError`."""
    if not 0 <= index < len(hashes):
        raise IndexError(f"there is no leaf {index} among {len(hashes)}")
    path, level = [], hashes
    while len(level) > 1:
        if (beside := index ^ 1) < len(level):
            path.append(level[beside])
        level, index = _above(level), index // 2
    return path


def root_by_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that the hash of a leaf has with its audit path, as RFC 9162 (2.1.3.2) checks it.

    None where the path does not fit the place of the leaf: too long, too short, or no such place.
    """
    if not 0 <= index < size:
        return None
    place, last, root = index, size - 1, leaf
    for node in path:
        if last == 0:
            return None
        if place % 2 or place == last:
            root = node_hash(node, root)
            while place % 2 == 0 and place:
                place, last = place // 2, last // 2
        else:
            root = node_hash(root, node)
        place, last = place // 2, last // 2
    return root if last == 0 else None


def _above(level: Sequence[bytes]) -> list[bytes]:
    pairs = iter(level)
    nodes = [_sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)]
    if len(level) % 2:
        nodes.append(level[-1])
    return nodes
