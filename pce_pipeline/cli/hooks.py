"""The verb that serves the endpoint of webhooks."""

from contextlib import suppress
from typing import Annotated

import typer
from rich.text import Text

from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.observability.logs import configure_logs, hide

_PORT = 8787


def serve_hooks(
    session: Session,
    host: Annotated[str, typer.Option(help="Address to listen on; put what speaks TLS before it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = _PORT,
) -> None:
    """Hear of releases: serve the endpoint of signed webhooks until Ctrl-C or SIGTERM."""
    from pce_pipeline.hooks.endpoint import PATH, create_app  # noqa: PLC0415 (a server that other verbs do not need)
    from pce_pipeline.hooks.events import EventStore  # noqa: PLC0415
    from pce_pipeline.hooks.serve import listen, serve  # noqa: PLC0415
    from pce_pipeline.hooks.signatures import HookSecretMissing, Verifier  # noqa: PLC0415

    secrets = session.settings.hook_secret
    if secrets is None:
        raise HookSecretMissing
    for secret in secrets.get_secret_value().split():
        hide(secret)
    app = create_app(EventStore.of(session.lake), Verifier(secrets.get_secret_value()))
    listening = listen(host, port)
    url = f"http://{host}:{listening.getsockname()[1]}"
    session.print(
        Answer(
            {"url": url, "path": PATH, "lake": session.lake.uri},
            [
                Text.assemble(("Events ", "bold"), f"are taken at {url}{PATH} until Ctrl-C."),
                Text(f"They are kept in {session.lake.uri}; switch on webhook_sensor to act on them within a minute."),
            ],
        )
    )
    # a server's log is what it has to say, so it goes to the terminal as well
    configure_logs(session.settings.log_level, form=session.settings.log_format)
    with suppress(KeyboardInterrupt):
        serve(app, listening)
