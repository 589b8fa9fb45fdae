"""The verbs around the pipeline: the embedded Postgres, bare Dagster's environment, BEA's look-alike, the sample."""

import os
import shlex
import time
from contextlib import suppress
from typing import Annotated

import typer
from rich.text import Text

from pce_pipeline.cli import shown
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.cli.settings_list import settings_known, settings_page
from pce_pipeline.emulator.vintages import DEFAULT_RELEASE, VINTAGES, vintage
from pce_pipeline.errors import UsageError
from pce_pipeline.local import world
from pce_pipeline.local.postgres import EmbeddedPostgres
from pce_pipeline.observability import progress
from pce_pipeline.tables.years import FIRST_YEAR
from pce_pipeline.warehouse.migrate import newest_revision

_PORT = 8765
_PAGE_PORT = 3000


def db_start(session: Session) -> Answer:
    """Start the world's Postgres, making it at the first time."""
    server = _embedded(session)
    server.start()
    return Answer(
        {"running": True, "directory": server.directory, "psql": server.psql_arguments()},
        [Text(f"Postgres of {session.settings.world} runs; open it with: {session.world_command('db psql')}")],
    )


def db_stop(session: Session) -> Answer:
    """Stop the world's Postgres; nothing committed is lost."""
    server = _embedded(session)
    server.stop()
    return Answer(
        {"running": False, "directory": server.directory}, [Text(f"Postgres of {session.settings.world} is stopped.")]
    )


def db_psql(
    session: Session,
    arguments: Annotated[list[str] | None, typer.Argument(help="For psql, after --, such as: -- -c 'select 1'")] = None,
) -> Answer:
    """Open psql on the world's database; with --json only say which command that is."""
    command, password = session.postgres.psql()
    command += arguments or []
    if not session.as_json:
        if password is not None:
            os.environ["PGPASSWORD"] = password
        os.execvp(command[0], command)  # noqa: S606 (psql takes our place, without a shell)
    return Answer({"psql": command})


def db_url(session: Session) -> Answer:
    """Print the URL of the world's database, password included."""
    url = session.postgres.url()
    return Answer({"url": url}, as_is=f"{url}\n", is_secret=True)


def db_migrate(session: Session) -> Answer:
    """Bring the database to this version's tables, roles and comments; run it as pce_owner, at first as the master."""
    server = session.postgres
    has_roles = server.establish(is_sample=session.settings.is_sample)
    who = (
        "roles pce_owner, pce_loader and pce_reader have their rights"
        if has_roles
        else "no roles, because this user may not make them: all is this user's own"
    )
    left = server.open_to_readers() if has_roles else []
    lines = [Text(f"{server.server} is at migration {newest_revision()}; {who}.")]
    if left:
        lines.append(Text(f"What the server or this user leaves open, readers can {'; '.join(left)}: see SECURITY.md."))
    return Answer(
        {"server": server.server, "migration": newest_revision(), "roles": has_roles, "open_to_readers": left}, lines
    )


def db_check(session: Session) -> Answer:
    """Say whether the database has this version's tables and views; changes nothing, exit code 1 where it has not."""
    server = session.postgres
    server.require_current()
    return Answer(
        {"server": server.server, "migration": newest_revision()},
        [Text(f"{server.server} is at migration {newest_revision()}, as this version needs it.")],
    )


def env(
    session: Session,
    *,
    settings: Annotated[
        bool, typer.Option("--settings", help="Instead: list every setting, its default and meaning, as Markdown.")
    ] = False,
) -> Answer:
    """Print what to export for bare `dagster` commands: eval "$(pce env)"."""
    if settings:
        return Answer({"settings": settings_known()}, as_is=settings_page(), of_world=False)
    exports = world.exports(session.settings)
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in exports.items()]
    return Answer(exports, as_is="".join(lines), of_world=False)


def dev(
    session: Session,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of 127.0.0.1.")] = _PAGE_PORT,
) -> None:
    """Open Dagster's page of the world until Ctrl-C."""
    from pce_pipeline.local.page import open_page  # noqa: PLC0415 (it starts servers, which other verbs do not need)

    def say(address: str) -> None:
        session.print(
            Answer(
                {"url": address, "world": session.settings.world},
                [Text.assemble(("Dagster's page ", "bold"), f"is open at {address} until Ctrl-C.")],
            )
        )

    with session.watched():
        progress.stage("starting Dagster")
        open_page(session.settings, port, is_open=say)


def emulate(
    session: Session,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1; 0 takes a free one.")] = _PORT,
    release: Annotated[int, typer.Option(help="Which of its releases it publishes.")] = DEFAULT_RELEASE,
) -> None:
    """Serve BEA's look-alike on this machine until Ctrl-C."""
    from pce_pipeline.emulator.app import create_app  # noqa: PLC0415 (a server that the other verbs do not need)
    from pce_pipeline.emulator.serve import running  # noqa: PLC0415

    try:
        app = create_app(release, catalog=session.settings.catalog)
    except LookupError as unknown:
        raise UsageError(str(unknown), remedy="Choose one of these.") from None
    with running(app, port) as url:
        point = f"PCE_BEA_URL={url} BEA_API_KEY={'0' * 36} PCE_HOME=.pce-emulated {session.command('run')}"
        session.print(
            Answer(
                {"url": url, "release": release, "environment": {"PCE_BEA_URL": url, "BEA_API_KEY": "0" * 36}},
                [
                    Text.assemble(("BEA's look-alike ", "bold"), f"publishes release {release} at {url} until Ctrl-C."),
                    Text("Invented numbers; keep them in a home of their own. Any 36 characters are a key:"),
                    Text(point, no_wrap=True, overflow="ignore"),
                ],
                of_world=False,
            )
        )
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)  # unlike a wait on a lock, it ends at Ctrl-C whatever handlers Polars has set


def sample_release(
    session: Session, release: Annotated[int, typer.Argument(metavar="K", help=f"1 to {VINTAGES[-1].number}")]
) -> Answer:
    """Let the embedded sample publish another release, as BEA does in a new year."""
    world.move_sample(session.settings, release)
    new = vintage(release)
    return Answer(
        {
            "release": release,
            "last_updated": new.last_updated,
            "first_year": FIRST_YEAR,
            "last_year": new.last_year,
        },
        [
            Text(f"The sample publishes release {release}: {FIRST_YEAR}...{new.last_year}, of {new.last_updated}."),
            shown.next_step(session.command("run")),
        ],
    )


def _embedded(session: Session) -> EmbeddedPostgres:
    """The world's own server; raises `UsageError` where PCE_DATABASE_URL names another."""
    embedded = session.postgres.embedded
    if embedded is None:
        raise UsageError(
            f"PCE_DATABASE_URL names the server at {session.postgres.server}, which is not ours to start or stop.",
            remedy="Unset it to use the embedded Postgres.",
        )
    return embedded
