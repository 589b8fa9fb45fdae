"""Spark's Jackson under the name that Iceberg's runtime gives to its own: class files with other names in them.

A class file names whatever it uses in one pool of constants at its beginning; the names are texts with their length.
"""

import struct
import zipfile
from pathlib import Path

_MODULES = ("annotations", "core", "databind")
_ROOT, _SHADE = "com/fasterxml/jackson", "org/apache/iceberg/shaded/"
_MAGIC = b"\xca\xfe\xba\xbe"
_POOL_AT = 10
_TEXT, _TWO_SLOTS = 1, (5, 6)
_SIZES = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4, 19: 2, 20: 2}
"""The bytes of each kind of constant but texts, after the byte that says the kind."""


def write_renamed(target: Path, jars: Path) -> None:
    """Write the classes of Jackson that lie among `jars` to the jar `target`, renamed."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as written:
        for module in _MODULES:
            (jar,) = jars.glob(f"jackson-{module}-2*.jar")
            with zipfile.ZipFile(jar) as read:
                for name in read.namelist():
                    if name.startswith(_ROOT) and name.endswith(".class"):
                        written.writestr(_SHADE + name, renamed(read.read(name)))


def renamed(body: bytes) -> bytes:
    """A class file with Jackson's names replaced. Raises `ValueError` for what is no class file."""
    if not body.startswith(_MAGIC):
        raise ValueError("not a class file")
    (slots,) = struct.unpack(">H", body[_POOL_AT - 2 : _POOL_AT])
    pool, at, slot = bytearray(), _POOL_AT, 1
    while slot < slots:
        kind = body[at]
        if kind == _TEXT:
            (length,) = struct.unpack(">H", body[at + 1 : at + 3])
            text = _shaded(body[at + 3 : at + 3 + length])
            pool += bytes([kind]) + struct.pack(">H", len(text)) + text
            at += 3 + length
        else:
            pool += body[at : at + 1 + _SIZES[kind]]
            at += 1 + _SIZES[kind]
        slot += 2 if kind in _TWO_SLOTS else 1
    return body[:_POOL_AT] + bytes(pool) + body[at:]


def _shaded(text: bytes) -> bytes:
    for root, shade in ((_ROOT, _SHADE), (_ROOT.replace("/", "."), _SHADE.replace("/", "."))):
        text = text.replace(root.encode(), f"{shade}{root}".encode())
    return text
