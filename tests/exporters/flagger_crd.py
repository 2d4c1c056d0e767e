"""The schemas of Flagger's kinds as its own CRD has them, and what the API server says of an object."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

_SCHEMAS = json.loads((Path(__file__).parent / "flagger_crd.json").read_text())


def problems(document: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with an object of flagger.app; an unknown key is wrong as well, as `kubectl --validate=strict` has it."""
    schema = _strict(_SCHEMAS[document["kind"]])
    schema["properties"] |= {"apiVersion": {"const": "flagger.app/v1beta1"}, "kind": {}, "metadata": {}}
    found = Draft202012Validator(schema).iter_errors(document)
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in found]


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _strict(value) for key, value in schema.items()}
    if isinstance(made.get("properties"), dict) and made.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made
