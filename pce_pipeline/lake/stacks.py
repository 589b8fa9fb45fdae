"""What is provisioned on AWS around a lake, as far as people are told of it: which programs mend what.

A lake on AWS is guarded by roles and by its bucket's policy, which `infra/` makes. Where they stand in the way of
something that has to be done, messages name the program that does it. No I/O here.
"""

from collections.abc import Collection, Iterable

PROVISION = "infra/provision_aws.py"
"""Brings an environment to what this code needs."""

RESTORE = "infra/restore_object.py"
"""Writes the right bytes over a damaged object of Bronze, which nobody else may."""

_ENVIRONMENTS = ("staging", "prod")
_NAMED = 3


def is_provisioned(env: str, lake: str) -> bool:
    """Whether the lake at this address lies in the bucket of an environment on AWS."""
    return env in _ENVIRONMENTS and lake.startswith("s3://")


def how_to_restore(env: str, lake: str, keys: Collection[str]) -> str:
    """What to do about damaged or lost objects of Bronze: a sentence, which on AWS names the command.

    >>> how_to_restore("staging", "s3://lake", ["staging/bronze/bea/a/2026-02-23/b"])
    'Restore it: python infra/restore_object.py --env staging staging/bronze/bea/a/2026-02-23/b'
    """
    it = "it" if len(keys) == 1 else "them"
    if is_provisioned(env, lake):
        named = " ".join([*sorted(keys)[:_NAMED], *(["..."] if len(keys) > _NAMED else [])])
        return f"Restore {it}: python {RESTORE} --env {env} {named}"
    place = "the bucket's earlier versions" if lake.startswith("s3://") else "a backup"
    return f"Restore {it} from the second copy, if there is one (pce bronze restore URI), or from {place}."


def how_to_update(env: str, places: Iterable[str]) -> str:
    """What to do where the stack of an environment refuses what this code does: below prefixes of the lake, as a rule.

    >>> how_to_update("staging", ["staging/iceberg"])
    'The stack of staging may be older than this code: nothing may be written below staging/iceberg/. Run: python \
infra/provision_aws.py --env staging (and give a bucket that you brought the statements of DataBucketPolicy).'
    """
    named = ", ".join(f"{place}/" for place in sorted(places))
    return (
        f"The stack of {env} may be older than this code: nothing may be written below {named}. Run: python "
        f"{PROVISION} --env {env} (and give a bucket that you brought the statements of DataBucketPolicy)."
    )


def place_of(key: str) -> tuple[str, str] | None:
    """The environment on AWS and the prefix below it that a key lies in; None for keys of other lakes and of Bronze.

    Every stack lets Bronze be taken: who may not write there is not who the stack lets in.
    """
    env, _, rest = key.partition("/")
    prefix = rest.partition("/")[0]
    return (env, f"{env}/{prefix}") if env in _ENVIRONMENTS and rest and prefix != "bronze" else None
