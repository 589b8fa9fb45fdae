"""How secrets of webhooks are written: `whsec_` and base64 of at least 24 random bytes, as Standard Webhooks say."""

import base64
import binascii

PREFIX = "whsec_"
HOW_TO_MAKE_ONE = (
    "python -c \"import base64, secrets; print('whsec_' + base64.b64encode(secrets.token_bytes(32)).decode())\""
)
_FEWEST_BYTES = 24


def key_of(secret: str) -> bytes:
    """The bytes to sign with; libraries would pass over what is not base64.

    Raises `ValueError`, whose text repeats nothing of what was given.
    """
    encoded = secret.removeprefix(PREFIX).rstrip("=")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"after {PREFIX} comes no base64") from None
    if len(key) < _FEWEST_BYTES:
        raise ValueError(f"it has {len(key)} bytes, and at least {_FEWEST_BYTES} are needed")
    return key
