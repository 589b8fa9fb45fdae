"""What can go wrong where the page is served or published.

PceError
├── NoSetYet             there is no set to show
├── SetBehind            the set says something else than Gold does now
├── NotPublished         the place did not take the page
└── UsageError
    ├── PlaceRefused     the page cannot be published to this address
    └── PortTaken        the page cannot be served at this port
"""

from pce_pipeline.errors import PceError, UsageError


class NoSetYet(PceError):
    """No set was made yet, or all of it has to be made again."""

    def __init__(self, lake: str, command: str) -> None:
        self.lake = lake
        super().__init__(
            f"The page has nothing to show yet: {lake} holds no set for it.", remedy=f"Make one: {command}"
        )


class SetBehind(PceError):
    """Files of the set (`paths`) were made of something else than what is held now."""

    def __init__(self, paths: tuple[str, ...], command: str) -> None:
        self.paths = paths
        count = f"{len(paths)} file{'' if len(paths) == 1 else 's'}"
        super().__init__(
            f"The set of the page is behind the lake: {count} would say something else now, {paths[0]} among them.",
            remedy=f"Bring it up to date first: {command}",
        )


class NotPublished(PceError):
    """The place did not take the page; `reason` is what it said. What was published before is still whole."""

    def __init__(self, place: str, reason: str) -> None:
        self.place = place
        self.reason = reason
        super().__init__(
            f"The page could not be published to {place}: {reason}",
            remedy="Check the address, and that these credentials may list, read, write and delete there. What was "
            "published before is still shown; the same command again goes on.",
        )


class PlaceRefused(UsageError):
    """The page cannot be published to this address."""

    def __init__(self, place: str, problem: str, *, remedy: str) -> None:
        self.place = place
        super().__init__(f"The page cannot be published to {place}: {problem}.", remedy=remedy)


class PortTaken(UsageError):
    """The page cannot be served at this port of this machine."""

    def __init__(self, port: int, reason: str, command: str) -> None:
        self.port = port
        super().__init__(
            f"The page cannot be served at port {port}: {reason}.", remedy=f"Choose another one: {command}"
        )
