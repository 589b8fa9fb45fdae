"""The verbs about certificates of releases: show those of the lake, verify files without it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from pce_pipeline import signing
from pce_pipeline.bronze.errors import NothingHeld
from pce_pipeline.certificates.errors import NoCertificate
from pce_pipeline.certificates.finding import newest_entry
from pce_pipeline.certificates.proofs import Proof, verify_certificate, verify_proof
from pce_pipeline.certificates.statement import UNSIGNED, Certificate, read
from pce_pipeline.certificates.store import CertificateStore
from pce_pipeline.cli import shown
from pce_pipeline.cli.output import FAILED
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.errors import PceError, UsageError
from pce_pipeline.gold.known import AsOf
from pce_pipeline.lake.errors import DamagedObject
from pce_pipeline.lake.layout import ExtractId

_ID_SHOWN = 16


def show(
    session: Session,
    day: Annotated[
        str | None,
        typer.Argument(metavar="DATE", help="Of what was known at the end of this day; default: the newest."),
    ] = None,
    to: Annotated[
        Path | None, typer.Option(file_okay=False, help="Write each certificate into this folder, as it is stored.")
    ] = None,
) -> Answer:
    """Show the newest certificate of each dataset, or of what was known on a day; exits 1 where one is missing."""
    as_of = None if day is None else _moment(day)
    documents, missing = [], dict[str, PceError]()
    held = session.held()
    for name, dataset in session.datasets.items():
        if not held[name].manifests:
            continue
        try:
            vintage, entry = newest_entry(session.lake, dataset, as_of)
            store = CertificateStore(session.lake, name)
            certificate, body = store.read(vintage, entry)
        except (NoCertificate, DamagedObject) as none:
            missing[name] = none
            continue
        wrong = verify_certificate(certificate, trusted_key(session))
        file = f"{name}-{vintage}-{certificate.name}"
        if to is not None:
            _write(to / file, body)
        documents.append(
            {
                **_document(certificate, wrong),
                "key": store.key_of(vintage, entry.file),
                "name": file,
                "sha256": entry.sha256,
                "written": None if to is None else str(to / file),
            }
        )
    if not any(now.manifests for now in held.values()):
        raise NothingHeld(session.lake.uri)
    said = _certificates_shown(documents) if documents else []
    said += [Text(f"{each['dataset']}: {why}", "bold red") for each in documents for why in each["problems"]]
    said += [Text(f"{name}: {none.message} {none.remedy}", "bold red") for name, none in missing.items()]
    if to is not None and documents:
        said.append(Text(f"Written into {to}. Check one with: pce certificate verify FILE"))
    return Answer(
        {"certificates": documents, "missing": {name: none.message for name, none in missing.items()}},
        said,
        exit_code=FAILED if missing or any(each["problems"] for each in documents) else 0,
    )


def verify(
    session: Session,
    certificate: Annotated[Path, typer.Argument(metavar="CERTIFICATE", help="The file of a certificate.")],
    proof: Annotated[Path | None, typer.Option(help="The file of a proof: was its cell published as it says?")] = None,
    public_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The key that must have signed it; default: PCE_SIGNING_PUBLIC_KEY."),
    ] = None,
) -> Answer:
    """Check a certificate, and a proof of one cell, from their files alone; exits 1 where anything is wrong."""
    trusted = trusted_key(session) if public_key is None else _public_key_in(public_key)
    stated = read(_bytes_of(certificate), Certificate, name=str(certificate), what="a certificate")
    shows = None if proof is None else read(_bytes_of(proof), Proof, name=str(proof), what="a proof")
    wrong = verify_certificate(stated, trusted) if shows is None else verify_proof(shows, stated, trusted)
    document = _document(stated, wrong)
    trust = "trusted" if trusted is not None and not wrong else None
    head = (
        [Text(f"Refuted: {certificate}", "bold red"), *(Text(f"- {why}") for why in wrong)]
        if wrong
        else [
            Text.assemble(
                ("Verified: ", "bold green") if trust else ("Fits its certificate: ", "bold yellow"), _what_holds(shows)
            )
        ]
    )
    facts = [
        ("data", stated.statement.data),
        ("dataset", f"{stated.statement.dataset}, vintage {stated.statement.vintage}"),
        ("root", f"{stated.statement.cells.root} over {stated.statement.cells.leaves:,} cells"),
        ("identities", _identities_in_words(document["identities"])),
        ("signature", signature_in_words(stated, is_trusted=trust is not None)),
    ]
    return Answer(
        {
            **document,
            "trusted_key": None if trusted is None else signing.key_id(trusted),
            "proof": None if shows is None else {"leaf": shows.leaf, "index": shows.index, "path": shows.path},
        },
        [*head, shown.facts(facts)],
        exit_code=FAILED if wrong else 0,
        of_world=False,
    )


def _certificates_shown(documents: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """What each is of, and the roots as one cites them."""
    return [
        shown.table(
            ["Dataset", "Vintage", ">Cells", "Identities", "Signed by"],
            [
                (
                    each["dataset"],
                    each["vintage"],
                    f"{each['leaves']:,}",
                    _identities_in_words(each["identities"]),
                    _signer_in_words(each["signed_by"]),
                )
                for each in documents
            ],
        ),
        Text("\nRoots", "bold"),
        *(Text(f"{each['root']}  {each['dataset']}", no_wrap=True) for each in documents),
    ]


def _document(certificate: Certificate, wrong: list[str]) -> dict[str, Any]:
    statement = certificate.statement
    return {
        "dataset": statement.dataset,
        "data": statement.data,
        "vintage": statement.vintage,
        "statement_sha256": certificate.statement_sha256,
        "leaves": statement.cells.leaves,
        "root": statement.cells.root,
        "identities": {each.name: each.result for each in statement.identities},
        "signed_by": None if statement.signed_by is None else statement.signed_by.key_id,
        "problems": wrong,
    }


def _what_holds(proof: Proof | None) -> str:
    if proof is None:
        return "the certificate is whole."
    fields = proof.leaf.split("\t")
    value, status, unit = fields[-3:]
    figure = f"{value} {unit}" if value else f"no number ({status})"
    return f"{', '.join(fields[:-3])} was published as {figure}."


def _identities_in_words(results: Mapping[str, str]) -> str:
    compared = [each for each in results.values() if each != "nothing to compare"]
    kept = sum(each == "holds" for each in compared)
    return f"{kept} of {len(compared)} hold" if compared else "none to compare"


def _signer_in_words(key_id: str | None) -> str:
    return UNSIGNED if key_id is None else key_id[:_ID_SHOWN]


def signature_in_words(certificate: Certificate, *, is_trusted: bool) -> str:
    """Whose signature it has, and what that is worth."""
    signer = certificate.statement.signed_by
    if signer is None:
        return f"{UNSIGNED}: whoever wrote the file could have written another"
    if is_trusted:
        return f"by the key {signer.key_id}, which you trust"
    return f"by the key {signer.key_id}; name the one that you trust with --public-key"


def trusted_key(session: Session) -> str | None:
    """The key that must have signed certificates, where the settings name one."""
    trusted = session.settings.signing_public_key
    return None if trusted is None else signing.public_key(trusted)


def _public_key_in(path: Path) -> str:
    try:
        return signing.public_key(_bytes_of(path).decode(errors="replace"))
    except ValueError as wrong:
        raise UsageError(
            f"{path} holds no public key: {wrong}.", remedy="Write it with: openssl pkey -in KEY -pubout"
        ) from None


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise UsageError(f"{path} cannot be read: {problem.strerror}.", remedy="Name a file that exists.") from None


def _write(path: Path, body: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    except OSError as problem:
        raise UsageError(f"{path} cannot be written: {problem.strerror}.", remedy="Name another folder.") from None


def _moment(text: str) -> AsOf:
    """The end of a day, or one extract of it; raises `UsageError`."""
    try:
        extract = ExtractId.parse(text.removesuffix(".1"))
    except ValueError:
        raise UsageError(f"{text!r} is not a date.", remedy="Write it as 2024-10-03, or 2024-10-03.2.") from None
    return AsOf(extract.day, None if "." not in text else extract.number)
