"""`appliance schema`: the JSON Schema of `appliance.yaml`, with which editors complete and check it.

It allows all that the parser accepts. What only the parser can know, it leaves to the parser.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from appliance.checks import NEEDS, ONE_OF, SECTIONS, TAKES
from appliance.model import Appliance
from appliance.settings import Pairs, Section, Sections, Setting, Shape, Value, Values, settings_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NOTHING = {"type": "null"}  # only the name is there


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what `appliance schema` takes."""
    parser.description = "Prints the JSON Schema of appliance.yaml, for editors that complete and check YAML."
    parser.epilog = (
        "Save it beside appliance.yaml:\n  appliance schema > appliance.schema.json\n\n"
        "Editors with the YAML language server find it by this first line of appliance.yaml:\n"
        "  # yaml-language-server: $schema=appliance.schema.json"
    )


def run(_: argparse.Namespace) -> int:
    """Print the schema."""
    print(json.dumps(document(), indent=2, ensure_ascii=False))
    return 0


def document() -> dict[str, Any]:
    """Give the whole schema."""
    profiles = [
        {
            "if": {"properties": {"profile": {"const": profile.value}}, "required": ["profile"]},
            "then": {
                "required": list(NEEDS[profile]),
                "properties": {name: False for name in SECTIONS if name not in TAKES[profile]},
            },
        }
        for profile in NEEDS
    ]
    return {"$schema": DIALECT, "title": "appliance.yaml", **_section(Appliance), "allOf": profiles}


def _section(model: type) -> dict[str, Any]:
    settings = settings_of(model)
    found: dict[str, Any] = {
        "type": "object",
        "description": _first_sentence(model),
        "properties": {setting.name: _setting(setting) for setting in settings},
        "additionalProperties": False,
    }
    if model in ONE_OF:
        return {**found, "anyOf": [{"required": list(names)} for names in ONE_OF[model]]}
    required = [setting.name for setting in settings if setting.required]
    return {**found, "required": required} if required else found


def _setting(setting: Setting) -> dict[str, Any]:
    fragment = {"description": setting.shape.doc, **_shape(setting.shape)}
    if isinstance(setting.shape, Value) and not setting.required and setting.default is not None:
        fragment["default"] = _default(shape=setting.shape, default=setting.default)
    return fragment


def _default(*, shape: Value, default: Any) -> Any:
    """Give a default as it is written: a number or a boolean as such, a length of time with its unit."""
    written = shape.scalar.show(default)
    return default if isinstance(default, int) and written == str(default).lower() else written


def _shape(shape: Shape) -> dict[str, Any]:
    match shape:
        case Value():
            return _described(shape.scalar.schema, shape.scalar.allowed)
        case Values():
            return _one_or_more(_described(shape.scalar.schema, shape.scalar.allowed))
        case Section():
            section = _section(shape.type)
            return section if {"required", "anyOf"} & section.keys() else {**section, "type": ["object", "null"]}
        case Sections():
            return _one_or_more(_section(shape.type))
        case Pairs():
            names = {"propertyNames": dict(shape.key.schema)}
            return {"type": "object", **names, "additionalProperties": dict(shape.value.schema)}


def _described(schema: Mapping[str, Any], allowed: str) -> dict[str, Any]:
    return {**schema, "$comment": allowed}


def _one_or_more(item: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [{"type": "array", "items": item}, item, NOTHING]}


def _first_sentence(model: type) -> str:
    return (model.__doc__ or "").strip().split("\n")[0]
