"""Ed25519 signatures: keys as people write them, what a key is called, signing bytes and checking a signature.

A private key comes from the settings and goes nowhere: no error here repeats what was given, and no text names a key
but its public half.
"""

import base64
import binascii
import hashlib
import re

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

_PEM = re.compile(rb"-----BEGIN (?:PRIVATE|PUBLIC) KEY-----(.*?)-----END (?:PRIVATE|PUBLIC) KEY-----", re.DOTALL)
_SHORTEST_LINE = 32
_NOT_PRIVATE = (
    "it is not an Ed25519 private key: write the PEM that `openssl genpkey -algorithm ed25519` prints, or the one line "
    "of base64 inside it"
)
_NOT_PUBLIC = (
    "it is not an Ed25519 public key: write the PEM that `openssl pkey -pubout` prints, or the one line of base64 "
    "inside it"
)


def private_key(text: str) -> Ed25519PrivateKey:
    """The private key in a PEM (PKCS#8), in its one line of base64, or in the base64 of the PEM.

    Raises `ValueError`, whose text repeats nothing of what was given.
    """
    try:
        key = load_der_private_key(_der(text), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(_NOT_PRIVATE) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(_NOT_PRIVATE)  # noqa: TRY004 (whoever reads settings expects a ValueError)
    return key


def public_key(text: str) -> str:
    """A public key as certificates carry it: the base64 of its DER form, which is the middle line of its PEM.

    `text` is a PEM, that line, or the base64 of the PEM. Raises `ValueError`.
    """
    try:
        key = load_der_public_key(_der(text))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(_NOT_PUBLIC) from None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(_NOT_PUBLIC)  # noqa: TRY004 (whoever reads settings expects a ValueError)
    return _text_of(key)


def public_key_of(key: Ed25519PrivateKey) -> str:
    """The public half of a private key, as certificates carry it."""
    return _text_of(key.public_key())


def key_id(public: str) -> str:
    """What a public key is called: the SHA-256, in hex, of its DER form."""
    return hashlib.sha256(base64.b64decode(public)).hexdigest()


def sign(key: Ed25519PrivateKey, message: bytes) -> str:
    """The signature of a message, as base64: always the same for the same key and message."""
    return base64.b64encode(key.sign(message)).decode()


def is_signed(public: str, signature: str, message: bytes) -> bool:
    """Whether a signature (base64) of a message is by the key; what is not a key or a signature is not."""
    try:
        key = load_der_public_key(base64.b64decode(public, validate=True))
        if not isinstance(key, Ed25519PublicKey):
            return False
        key.verify(base64.b64decode(signature, validate=True), message)
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature):
        return False
    return True


def secret_lines(text: str) -> tuple[str, ...]:
    """The lines of a private key that must not be shown even alone: those between the first and last of a PEM."""
    return tuple(line for line in text.replace("\\n", "\n").split() if len(line) >= _SHORTEST_LINE)


def _text_of(key: Ed25519PublicKey) -> str:
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def _der(text: str) -> bytes:
    """The DER form in a text; raises `ValueError`."""
    # a variable in one line spells the ends of lines as \n
    given = text.replace("\\n", "\n").strip().encode()
    for _ in range(2):
        if found := _PEM.search(given):
            given = found[1]
        try:
            given = base64.b64decode(b"".join(given.split()), validate=True)
        except binascii.Error:
            raise ValueError("not base64") from None
        if not given.startswith(b"-----BEGIN"):
            break
    return given
