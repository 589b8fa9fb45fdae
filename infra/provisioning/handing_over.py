"""A template on its way to CloudFormation, which takes 51,200 bytes in a request and a larger one only from S3.

For a larger one a private bucket is made for the time of one proposal, and removed again; what a killed run has left of
its kind the next one removes. Its name begins with that of the stack, so that the environments do not meet.
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from botocore.exceptions import ClientError

from infra.provisioning.cloud import Cloud, error_code

MOST_BYTES = 51_200
"""The largest template that a request takes."""

_KEY = "template.yaml"
_HOME_OF_S3 = "us-east-1"


@contextmanager
def handed_over(cloud: Cloud, stack: str, template: str) -> Iterator[Mapping[str, str]]:
    """How a request names the template, while the context lasts."""
    if len(template.encode()) <= MOST_BYTES:
        yield {"TemplateBody": template}
        return
    s3, bucket = cloud.client("s3"), f"{_prefix(stack)}{uuid.uuid4().hex[:12]}"
    clear_up(cloud, stack)
    place = {} if cloud.region == _HOME_OF_S3 else {"CreateBucketConfiguration": {"LocationConstraint": cloud.region}}
    s3.create_bucket(Bucket=bucket, **place)
    try:
        s3.put_object(Bucket=bucket, Key=_KEY, Body=template.encode(), ContentType="application/yaml")
        yield {"TemplateURL": f"{s3.meta.endpoint_url}/{bucket}/{_KEY}"}
    except Exception:
        with suppress(ClientError):  # what went wrong first is told
            clear_up(cloud, stack)
        raise
    clear_up(cloud, stack)


def clear_up(cloud: Cloud, stack: str) -> None:
    """Remove what stands of such buckets of a stack."""
    s3 = cloud.client("s3")
    names = [str(each["Name"]) for each in s3.list_buckets(Prefix=_prefix(stack)).get("Buckets", ())]
    for bucket in (name for name in names if name.startswith(_prefix(stack))):
        try:
            s3.delete_object(Bucket=bucket, Key=_KEY)
            s3.delete_bucket(Bucket=bucket)
        except ClientError as error:
            if error_code(error) != "NoSuchBucket":  # listed for a while after it is gone
                raise


def _prefix(stack: str) -> str:
    return f"{stack}-template-"
