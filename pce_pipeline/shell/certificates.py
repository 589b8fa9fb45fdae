"""The certificates of releases in Dagster: one asset beside the tables of Gold, which no load waits for.

What goes wrong with one dataset is told by the asset's check and keeps nothing else from being done.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pce_pipeline import signing
from pce_pipeline.bronze.current import Holdings
from pce_pipeline.certificates.making import CODE_VERSION, Made, make_missing
from pce_pipeline.certificates.rules import Certified
from pce_pipeline.contracts.declared import CERTIFICATES as CERTIFICATES_NAME
from pce_pipeline.contracts.declared import Contracts
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.logs import without_secrets
from pce_pipeline.observability.records import RunJournal
from pce_pipeline.quality.rules import judge
from pce_pipeline.settings import Settings
from pce_pipeline.shell.checks import check_specs, report
from pce_pipeline.shell.deferring import datasets_of_run
from pce_pipeline.shell.keys import CERTIFICATES, key_of
from pce_pipeline.shell.partitions import ONE_RUN
from pce_pipeline.shell.reports import report_link
from pce_pipeline.shell.steps import recorded_step

_DESCRIPTION = (
    "One certificate per dataset and vintage that counts: hashes of BEA's answers and of what was made of them, the "
    "root of a Merkle tree over all cells, and which accounting identities hold. Signed where a key is set.\n\n"
    "Files of JSON, written once; one is made only where it is missing or what it says has changed."
)


def certificates_asset(contracts: Contracts) -> dg.AssetsDefinition:
    """The asset of all certificates, downstream of the tables of Gold."""
    registry, rules = contracts.registry, contracts.of(CERTIFICATES_NAME).rules

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
        with recorded_step(context, journal, CERTIFICATES_NAME, registry.datasets, settings) as step:
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
                judge(rules, CERTIFICATES_NAME, Certified(made, failed)),
                CERTIFICATES,
                step,
                thresholds=settings.threshold_checks,
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
