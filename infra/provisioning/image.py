"""Which image tasks run: what the tag `current` stands for, by digest, and that it stays the same in a whole run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.provisioning.cloud import Client
from infra.provisioning.errors import ProvisioningError

TAG = "current"
"""The tag that task definitions name."""

VARIABLES = ("PCE_IMAGE_REPOSITORY", "PCE_IMAGE_DIGEST")
"""Where the image lies, and which one a run began with."""


class ImageChanged(ProvisioningError):
    """The tag stands for another image than when the run began; `began`, `found` are digests."""

    def __init__(self, began: str, found: str) -> None:
        super().__init__(
            f"This run began with the image {began}, and `{TAG}` is {found} now: two versions would work on one run.",
            remedy="Run the workflow again: it goes on from where this one stopped, with the new image.",
        )
        self.began = began
        self.found = found


class ImageMissing(ProvisioningError):
    """The repository has no image under the tag."""

    def __init__(self, repository: str) -> None:
        super().__init__(f"{repository} has no image under the tag `{TAG}`.", remedy="The workflow `image` makes one.")
        self.repository = repository


@dataclass(frozen=True)
class Image:
    """The image that a run began with."""

    ecr: Client
    """A client of the registry."""
    repository: str
    """The address of its repository, as provision_aws.py prints it."""
    digest: str
    """What the tag stood for."""

    @classmethod
    def of_run(cls, ecr: Client, variables: Mapping[str, str]) -> "Image | None":
        """What the variables of a run say; None where they name no digest, as by hand."""
        repository, digest = (variables.get(name) for name in VARIABLES)
        return cls(ecr, repository, digest) if repository and digest else None

    def check_tag(self) -> None:
        """Raises `ImageChanged` where a task would start with another image, and `ImageMissing`."""
        self._check(tagged(self.ecr, self.repository))

    def check_task(self, described: Mapping[str, Any]) -> None:
        """Raises `ImageChanged` where a task has been given another one, as far as ECS says so yet."""
        for container in described.get("containers", ()):
            self._check(str(container.get("imageDigest") or self.digest))

    def _check(self, found: str) -> None:
        if found != self.digest:
            raise ImageChanged(self.digest, found)


def tagged(ecr: Client, repository: str) -> str:
    """The digest of what the tag stands for. Raises `ImageMissing`."""
    name = repository.partition("/")[2]
    found = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": TAG}]).get("images")
    if not found:
        raise ImageMissing(repository)
    return str(found[0]["imageId"]["imageDigest"])
