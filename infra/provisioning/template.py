"""The template as CloudFormation gets it: compact JSON, because it takes 51,200 bytes and people need indentation.

Tags of YAML such as `!Sub` become their long form, which means the same.
"""

import json
from pathlib import Path
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """Reads the short forms of CloudFormation's functions."""


def _function(
    loader: _Loader, suffix: str, node: yaml.MappingNode | yaml.SequenceNode | yaml.ScalarNode
) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = str(value).split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _function)


def template_body(path: Path) -> str:
    """The template as it is sent."""
    read = yaml.load(path.read_text("utf-8"), Loader=_Loader)  # noqa: S506 (a safe loader with functions added)
    return json.dumps(read, separators=(",", ":"))
