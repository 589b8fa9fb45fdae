"""A second copy of a world's Bronze: made, compared, and brought back, object by object, each judged by its hash.

A copy has the lake's keys, in a directory or a bucket of its own. Nothing is ever deleted from it, and nothing that is
written once is written over. One comparison serves all three: copying brings what the copy lacks, restoring what the
lake lacks or holds damaged. Both may be killed at any point and called again.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from pce_pipeline.bronze.copied_contents import PHASES, Contents, Role, contents_of, in_batches, listing_of
from pce_pipeline.bronze.decisions import DecisionStore
from pce_pipeline.bronze.errors import CopyDiffers, NothingCopied
from pce_pipeline.bronze.manifest import Pin
from pce_pipeline.bronze.store import PIN
from pce_pipeline.decoding import decoded_json
from pce_pipeline.lake.backends import ObjectInfo
from pce_pipeline.lake.errors import LakeAccessDenied
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.layout import Layout, join
from pce_pipeline.lake.records import Record, encode_record
from pce_pipeline.lake.store import Store
from pce_pipeline.observability import progress

Problem = Literal[
    "not in the copy",
    "outdated in the copy",
    "not in the lake",
    "damaged in the lake",
    "damaged in the copy",
    "damaged in both",
    "different",
]
"""What may be wrong with one key. A damaged object is not what its record names, or not there although it is named;
`different`: both are intact, and not the same."""


@dataclass(frozen=True)
class Difference:
    """One key at which lake and copy are not both as they should be."""

    key: str
    """The key, the same in both."""
    problem: Problem
    """What is wrong."""


@dataclass(frozen=True)
class Comparison:
    """What a comparison of lake and copy found."""

    place: str
    """Where the copy is."""
    objects: int
    """How many keys were compared."""
    differences: Sequence[Difference]
    """What is wrong, by key."""
    unnamed: Sequence[str]
    """Keys in the lake that no manifest or record names: being written, or strangers. They belong into no copy."""
    state: int
    """How many objects below Bronze are written again and again: the last comparison with BEA, the pin."""
    downloads: int
    """How many downloads in progress lie where they lay up to version 0.2; they belong into no copy."""


@dataclass(frozen=True)
class Copied:
    """What `copy_bronze` did."""

    found: Comparison
    """How lake and copy stood before."""
    written: int
    """How many objects were written."""
    bytes: int
    """How many bytes they have."""
    refused: Sequence[Difference]
    """What could not be copied, because the lake's is damaged, or something that it names is not in the copy."""


@dataclass(frozen=True)
class Restored:
    """What `restore_bronze` did."""

    found: Comparison
    """How lake and copy stood before."""
    added: Sequence[str]
    """Keys that the lake lacked."""
    mended: Sequence[str]
    """Keys at which the lake's object was damaged, and is now the copy's, whose hash the manifest names."""
    refused: Sequence[Difference]
    """What could not be brought back, because the copy's is damaged, or something that it names is not there."""
    denied: Sequence[str]
    """Keys at which the lake lets nobody write over a damaged object."""


@dataclass
class _Side:
    """One of the two places: what lies there, and what was written there since."""

    store: Store
    contents: Contents
    written: dict[str, str] = field(default_factory=dict)

    def holds(self, key: str) -> bool:
        return key in self.contents.listing or key in self.written


class _Equal(msgspec.Struct, frozen=True, kw_only=True):
    """Two objects that were read and found equal; e-tags tell whether one was written again since."""

    sha256: str
    lake: str
    copy: str


class _EqualByKey(Record, frozen=True, kw_only=True):
    """What was found equal, kept in the copy. Whoever doubts it deletes it: then everything is read again."""

    objects: dict[str, _Equal]


def compare_bronze(lake: Store, copy: Store, layout: Layout) -> Comparison:
    """Read every byte of both, and say what is wrong. Raises `NewerLakeFormat`."""
    return _compared(*_sides(lake, copy, layout), {}, {})


def copy_bronze(lake: Store, copy: Store, layout: Layout) -> Copied:
    """Bring what the copy lacks, data first and the records that name it last; what was found equal is not read again.

    Raises `CopyDiffers` before anything is written, where the copy holds something else under a key that is written
    once; `NewerLakeFormat`.
    """
    mine, theirs = _sides(lake, copy, layout)
    known = _known_equal(layout, copy)
    equal: dict[str, _Equal] = {}
    found = _compared(mine, theirs, known, equal)
    _check_none_differs(found, {"different", "damaged in the copy"})
    refused = [each for each in found.differences if each.problem in {"damaged in the lake", "damaged in both"}]
    wanted = {each.key for each in found.differences if each.problem in {"not in the copy", "outdated in the copy"}}
    outdated = {each.key for each in found.differences if each.problem == "outdated in the copy"}
    size = 0

    def write(bodies: Mapping[str, bytes]) -> Collection[str]:
        nonlocal size
        _create(theirs.store, {key: body for key, body in bodies.items() if key not in outdated})
        theirs.store.put_many({key: body for key, body in bodies.items() if key in outdated})
        size += sum(map(len, bodies.values()))
        return bodies.keys()

    refused += _moved(mine, theirs, wanted, write, "damaged in the lake")
    if theirs.written or equal != known:
        _keep_equal(layout, mine, theirs, equal)
    return Copied(found, len(theirs.written), size, refused)


def restore_bronze(lake: Store, copy: Store, layout: Layout) -> Restored:
    """Bring back what the lake lacks, and put the copy's object over a damaged one, if it has the hash that is named.

    What the lake holds intact stays. Raises `NothingCopied`; `CopyDiffers` before anything is written, where both
    hold intact objects that are not the same; `NewerLakeFormat`.
    """
    mine, theirs = _sides(lake, copy, layout)
    if not theirs.contents.roles:
        raise NothingCopied(str(copy), layout.world, copy.list_dirs(join(layout.env, "bronze")))
    found = _compared(mine, theirs, {}, {})
    _check_none_differs(found, {"different"})
    unmendable: set[Problem] = {"damaged in the copy", "damaged in both"}
    refused = [each for each in found.differences if each.problem in unmendable]
    lacking = {each.key for each in found.differences if each.problem == "not in the lake"}
    damaged = {each.key for each in found.differences if each.problem == "damaged in the lake"}
    denied: list[str] = []

    def write(bodies: Mapping[str, bytes]) -> Collection[str]:
        _create(mine.store, {key: body for key, body in bodies.items() if key not in damaged})
        for key in damaged & bodies.keys():
            try:
                mine.store.put(key, bodies[key])
            except LakeAccessDenied:
                denied.append(key)
        return bodies.keys() - set(denied)

    unmoved = _moved(theirs, mine, lacking | damaged, write, "damaged in the copy")
    refused += [each for each in unmoved if each.key not in denied]
    added = [key for key in mine.written if key in lacking]
    added += _pins_restored(layout, mine, theirs)
    mended = [key for key in mine.written if key in damaged]
    return Restored(found, sorted(added), sorted(mended), refused, sorted(denied))


def judged(
    lake: bytes | None, copy: bytes | None, *, lake_is_intact: bool, copy_is_intact: bool, is_state: bool
) -> Problem | None:
    """What is wrong with one key, given what lies there; None where all is well.

    >>> judged(b"1", b"2", lake_is_intact=True, copy_is_intact=True, is_state=False)
    'different'
    >>> judged(b"1", b"2", lake_is_intact=False, copy_is_intact=True, is_state=False)
    'damaged in the lake'
    """
    if copy is None:
        return "not in the copy"
    if lake is None:
        return "not in the lake"
    if lake_is_intact and copy_is_intact:
        return None if lake == copy else "outdated in the copy" if is_state else "different"
    if lake_is_intact:
        return "outdated in the copy" if is_state else "damaged in the copy"
    return "damaged in the lake" if copy_is_intact else "damaged in both"


def _sides(lake: Store, copy: Store, layout: Layout) -> tuple[_Side, _Side]:
    progress.stage("what lake and copy hold")
    return _Side(lake, contents_of(lake, layout)), _Side(copy, contents_of(copy, layout))


def _compared(mine: _Side, theirs: _Side, known: Mapping[str, _Equal], equal: dict[str, _Equal]) -> Comparison:
    """What is wrong, by key; `known` was found equal before, `equal` takes what is."""
    named = {**theirs.contents.declared, **mine.contents.declared}
    roles: dict[str, Role] = {**dict.fromkeys(named, "object"), **theirs.contents.roles, **mine.contents.roles}
    here, there = mine.contents.listing, theirs.contents.listing
    wrong: dict[str, Problem] = {}
    read = []
    for key in sorted(roles):
        if key in known and _still(known[key], here.get(key), there.get(key), mine.contents.declared.get(key)):
            equal[key] = known[key]
        elif key in here and key in there:
            read.append(key)
        elif key in here:
            wrong[key] = "not in the copy"
        elif key not in there:
            wrong[key] = "damaged in both"
        elif not _is_pin(key):  # nothing is deleted from a copy: a pin that was taken back stays there
            wrong[key] = "not in the lake"
    progress.stage("comparing with the copy")
    done = 0
    for batch in in_batches(read, {**there, **here}):
        progress.advance(done, len(read), "objects")
        done += len(batch)
        ours, others = mine.store.get_many(batch, missing_ok=True), theirs.store.get_many(batch, missing_ok=True)
        for key in batch:
            problem = _judged_on(mine, theirs, key, ours.get(key), others.get(key), is_state=roles[key] == "state")
            if problem is not None:
                wrong[key] = problem
            else:
                equal[key] = _Equal(sha256=sha256_of(ours[key]), lake=here[key].e_tag, copy=there[key].e_tag)
    return Comparison(
        place=str(theirs.store),
        objects=len(roles),
        differences=[Difference(key, wrong[key]) for key in sorted(wrong)],
        unnamed=mine.contents.unnamed,
        state=sum(role == "state" for role in mine.contents.roles.values()),
        downloads=mine.contents.downloads,
    )


def _judged_on(
    mine: _Side, theirs: _Side, key: str, ours: bytes | None, others: bytes | None, *, is_state: bool
) -> Problem | None:
    """Each side is judged by the hash that its own records name, else by that of the other's."""
    named_here, named_there = mine.contents.declared.get(key), theirs.contents.declared.get(key)
    return judged(
        ours,
        others,
        lake_is_intact=ours is not None and mine.contents.is_intact(key, ours, named_there),
        copy_is_intact=others is not None and theirs.contents.is_intact(key, others, named_here),
        is_state=is_state,
    )


def _still(known: _Equal, here: ObjectInfo | None, there: ObjectInfo | None, declared: str | None) -> bool:
    """Whether two objects that were equal once have not been written again since."""
    if here is None or there is None or (declared is not None and declared != known.sha256):
        return False
    return (known.lake, known.copy) == (here.e_tag, there.e_tag) and bool(here.e_tag and there.e_tag)


def _check_none_differs(found: Comparison, problems: Collection[Problem]) -> None:
    differing = [each.key for each in found.differences if each.problem in problems]
    if differing:
        raise CopyDiffers(found.place, differing)


def _moved(
    source: _Side,
    target: _Side,
    wanted: Collection[str],
    write: Callable[[Mapping[str, bytes]], Collection[str]],
    damage: Problem,
) -> list[Difference]:
    """Bring what is wanted from one side to the other in its phases; what could not be brought, because it is damaged.

    `write` returns the keys that it has written. A record is brought only where all that it names is there.
    """
    refused: dict[str, Problem] = {}
    roles, listing = source.contents.roles, source.contents.listing
    done = 0
    for phase in PHASES:
        for batch in in_batches(sorted(key for key in wanted if roles.get(key) == phase), listing):
            progress.stage("bringing what is missing")
            progress.advance(done, len(wanted), "objects")
            done += len(batch)
            bodies = source.store.get_many(batch, missing_ok=True)
            good = {
                key: body for key, body in bodies.items() if source.contents.is_intact(key, body, _named(target, key))
            }
            whole = {key: body for key, body in good.items() if _has_all(source, target, key, refused)}
            written = {key: sha256_of(whole[key]) for key in write(whole)}
            target.written |= written
            refused |= dict.fromkeys(set(batch) - written.keys(), damage)
    return [Difference(key, refused[key]) for key in sorted(refused)]


def _named(side: _Side, key: str) -> str | None:
    return side.contents.declared.get(key)


def _has_all(source: _Side, target: _Side, record: str, refused: Collection[str]) -> bool:
    """Whether everything that a record names is at the target; true of everything that names nothing."""
    return all(target.holds(key) and key not in refused for key in source.contents.named_by.get(record, ()))


def _create(store: Store, bodies: Mapping[str, bytes]) -> None:
    """Write where nothing is. Raises `CopyDiffers` where somebody else wrote something else meanwhile."""
    taken = store.create_many(bodies)
    lies = store.get_many(sorted(taken))
    if differing := [key for key, body in lies.items() if body != bodies[key]]:
        raise CopyDiffers(str(store), differing)


def _known_equal(layout: Layout, copy: Store) -> dict[str, _Equal]:
    """What was found equal when it was last copied; nothing where that cannot be read."""
    body = copy.get_many([layout.copied], missing_ok=True).get(layout.copied)
    try:
        return decoded_json(body, _EqualByKey).objects if body is not None else {}
    except msgspec.DecodeError:
        return {}


def _keep_equal(layout: Layout, mine: _Side, theirs: _Side, equal: Mapping[str, _Equal]) -> None:
    """Keep what is equal, with the e-tags that the copy's objects now have in a listing."""
    listing = listing_of(theirs.store, layout) if theirs.written else theirs.contents.listing
    written = {
        key: _Equal(sha256=digest, lake=mine.contents.listing[key].e_tag, copy=listing[key].e_tag)
        for key, digest in theirs.written.items()
        if key in listing
    }
    theirs.store.put_many({layout.copied: encode_record(_EqualByKey(objects={**equal, **written}))})


def _pins_restored(layout: Layout, mine: _Side, theirs: _Side) -> list[str]:
    """Bring pins back that the lake lacks and nobody took back; which. What was decided last says so.

    A pin that was taken back stays in a copy, from which nothing is deleted, so the copy's is believed only where no
    decision speaks of a pin: pins of before decisions were kept.
    """
    brought = []
    for dataset in mine.store.list_dirs(layout.bronze):
        key = join(layout.dataset("bronze", dataset), PIN)
        if mine.holds(key):
            continue
        decided = [each for each in DecisionStore(mine.store, layout, dataset).all() if "pin" in each.kind]
        if decided and decided[-1].kind == "pin":
            last = decided[-1]
            mine.store.put(key, encode_record(Pin(extract=last.extract, pinned_at=last.decided_at, reason=last.why)))
        elif not decided and key in theirs.contents.listing:
            mine.store.put_many(theirs.store.get_many([key]))
        else:
            continue
        brought.append(key)
    return brought


def _is_pin(key: str) -> bool:
    return key.endswith(f"/{PIN}")
