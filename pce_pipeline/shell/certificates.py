"""The certificates of releases in Dagster: one asset beside the tables of Gold, which no load waits for.

What goes wrong with one dataset is told by the asset's check and keeps nothing else from being done.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pce_pipeline import signing
from pce_pipeline.bronze.current import Holdings
from pce_pipeline.certificates.making import CODE_VERSION, Made, make_missing
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.logs import without_secrets
from pce_pipeline.observability.records import RunJournal
from pce_pipeline.quality.rules import Finding, judge, rule
from pce_pipeline.settings import Settings
from pce_pipeline.shell.checks import check_specs, report
from pce_pipeline.shell.deferring import datasets_of_run
from pce_pipeline.shell.keys import CERTIFICATES, key_of
from pce_pipeline.shell.partitions import ONE_RUN
from pce_pipeline.shell.reports import report_link
from pce_pipeline.shell.steps import recorded_step
from pce_pipeline.tables.registry import Registry

_NAME = "gold/certificates"
_DESCRIPTION = (
    "One certificate per dataset and vintage that counts: hashes of BEA's answers and of what was made of them, the "
    "root of a Merkle tree over all cells, and which accounting identities hold. Signed where a key is set.\n\n"
    "Files of JSON, written once; one is made only where it is missing or what it says has changed."
)


@dataclass(frozen=True)
class Certified:
    """What the rule of certificates looks at."""

    made: Mapping[str, Made]
    """What was done, by dataset."""
    failed: Mapping[str, str]
    """The datasets whose certificates could not be made, each with the reason."""


@rule("never")
def certificates_are_made(certified: Certified) -> Finding:
    """Each certificate that was missing or no longer fitted was made; one of months waits for all years of Silver."""
    waiting = [name for name, each in certified.made.items() if each.waiting]
    there = sum(each.fit + len(each.made) + len(each.signed) for each in certified.made.values())
    told = [f"{there} certificates"]
    told += [f"{', '.join(waiting)} waits for all years of Silver"] if waiting else []
    told += [f"those of {', '.join(certified.failed)} could not be made"] if certified.failed else []
    return Finding(
        passed=not certified.failed,
        summary="; ".join(told),
        figures={"certificates": there, "waiting": len(waiting), "violations": len(certified.failed)},
        examples=tuple(f"{name}: {why}" for name, why in certified.failed.items()),
    )


def certificates_asset(registry: Registry) -> dg.AssetsDefinition:
    """The asset of all certificates, downstream of the tables of Gold."""
    rules = [certificates_are_made]

    @dg.multi_asset(
        name=CERTIFICATES.to_python_identifier(),
        specs=[
            dg.AssetSpec(
                CERTIFICATES,
                deps=[key_of(each.table) for each in registry.derivations if each.table.layer == "gold"],
                kinds={"json"},
                code_version=CODE_VERSION,
                description=_DESCRIPTION,
                skippable=True,
            )
        ],
        check_specs=check_specs(rules, CERTIFICATES),
        backfill_policy=ONE_RUN,
        can_subset=True,
    )
    def certificates(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        holdings: dg.ResourceParam[Holdings],
        settings: dg.ResourceParam[Settings],
        journal: dg.ResourceParam[RunJournal],
    ) -> Iterator[Any]:
        with recorded_step(context, journal, _NAME, registry.datasets) as step:
            everything, key = holdings.of_run(context.run.run_id), _key_of(settings)
            made: dict[str, Made] = {}
            failed: dict[str, str] = {}
            for name in datasets_of_run(context, registry, tuple(registry.datasets)):
                if name in step.run.put_off or not everything[name].manifests:
                    continue
                try:
                    made[name] = make_missing(lake, registry, everything[name], key)
                except Exception as problem:  # noqa: BLE001 (whatever it is, the loads go on, and the check tells it)
                    failed[name] = without_secrets(f"{type(problem).__name__}: {problem}")
            step.outputs(
                made={name: each.made for name, each in made.items() if each.made},
                signed={name: each.signed for name, each in made.items() if each.signed},
                failed=failed,
            )
            yield from report(
                judge(rules, _NAME, Certified(made, failed)), CERTIFICATES, step, thresholds=settings.threshold_checks
            )
            yield dg.MaterializeResult(
                asset_key=CERTIFICATES,
                metadata={
                    "made": sum(len(each.made) for each in made.values()),
                    "signed": "yes" if key is not None else "no key is set",
                    **report_link(lake, context.run.run_id),
                    "uri": lake.uri_of(lake.layout.dataset("gold", "certificates")),
                },
            )

    return certificates


def _key_of(settings: Settings) -> Ed25519PrivateKey | None:
    secret = settings.signing_key
    return None if secret is None else signing.private_key(secret.get_secret_value())
