"""What the sample publishes, as one content hash per table: the same before and after any change of the code alone.

The hashes are read from the pointers in the lake, which are there for readers without our code, so that they say the
same of a lake whatever modules wrote it. They cover names, types and values, in order; no time and no run is in them.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

PUBLISHED: Mapping[str, Mapping[str, str]] = {
    "sample": {
        "silver/pce_state": "ee9bbe3df87a346f3ee739597dd5e8cef2e0952826bcce32691f020b7c1d0a15",
        "gold/facts": "7796d54bda273fdfcde1756289a3170068af78abd75b1577d606150a6f0c0e74",
        "gold/pce_state_annual": "4649dc261820be1c496d72bd07c88518f1d33fabd11ecdbef4f7c819f3aa8776",
        "gold/pce_state_metrics": "4acafa0e74ff2ef33beb352888f4ad0426de5e37fdcd7f72ed6280e180acb3f7",
        "gold/dim_geography": "891c2c79d7fc74df49da84225f7055f42f31d2020080f7cff9ef430ae2594cc2",
        "gold/dim_category": "f0129a2e4d6561be20c67dad4d85e66b7ecf993fb4d795eb083ee016391e962a",
        "gold/category_line": "2edc00d3c692b84e84d1d8d55eeeea8781ddda241ab007ea2b3292eb607a3022",
    },
    "sample-smoke": {
        "silver/pce_state": "a6704221446380e104881f79d50c049d7b8a0126a8295db24c9deddc7bf07796",
        "gold/facts": "a588d30955253d5e9efb2485124598dcabd31df9a860912adccc2309f7a3fc41",
        "gold/pce_state_annual": "d91f90bb9cb492be618eec56854a42ac20434ceac0a174463906180d21bed215",
        "gold/pce_state_metrics": "df58eaa8b5708d29eec26132c5aec3d343ba053ab8324625c2f4bae12dc16419",
        "gold/dim_geography": "891c2c79d7fc74df49da84225f7055f42f31d2020080f7cff9ef430ae2594cc2",
        "gold/dim_category": "f0129a2e4d6561be20c67dad4d85e66b7ecf993fb4d795eb083ee016391e962a",
        "gold/category_line": "aeda478f4e8fccc87522e76a2cdfa89ddd3865fc5ccaf743d2acd9afc8cc9aef",
    },
}
"""By world: release 2 of the sample, 1997 to 2024, every partition of each table."""


def hashes_by_partition(lake: Path) -> dict[str, dict[str, str]]:
    """The content hash of each published partition, by table (`gold/pce_state_annual`), of a lake with one world.

    Of a table that holds several datasets it is that of the rows of pce_state.
    """
    return {
        f"{pointer.parts[-4]}/{pointer.parts[-2]}": {
            key: str(partition.get("parts", {}).get("pce_state") or partition["content_sha256"])
            for key, partition in json.loads(pointer.read_text("utf-8"))["partitions"].items()
        }
        for pointer in sorted(lake.glob("*/*/*/*/_latest.json"))
    }


def hash_by_table(lake: Path) -> dict[str, str]:
    """One hash over all partitions of a table."""
    return {table: over_partitions(partitions) for table, partitions in hashes_by_partition(lake).items()}


def over_partitions(partitions: Mapping[str, str]) -> str:
    """One hash over the hashes of all partitions."""
    lines = [f"{key} {digest}\n" for key, digest in sorted(partitions.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
