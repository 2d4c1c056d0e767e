"""The JSON Schema of ``pipeline.yaml`` for editors, made from the same models that check it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from dawsos.model.pipeline import GateOptions, Pipeline
from dawsos.model.verdicts import GateKindName


def json_schema(gate_options: Mapping[GateKindName, type[GateOptions]]) -> dict[str, object]:
    """Return the schema; a gate is a bare kind or a mapping with the kind's own options beside it."""
    schema = Pipeline.model_json_schema()
    definitions = schema["$defs"]
    forms: list[object] = [{"enum": sorted(gate_options)}]
    for kind, options in sorted(gate_options.items()):
        own = options.model_json_schema()
        definitions.update(own.pop("$defs", {}))
        properties = {"kind": {"const": kind}, "name": {"type": "string"}, **own.get("properties", {})}
        forms.append(
            {
                "type": "object",
                "description": own.get("description", ""),
                "properties": properties,
                "required": ["kind", *own.get("required", [])],
                "additionalProperties": False,
            }
        )
    # The model of a loaded gate, with its options in a mapping of their own, is not what the file says.
    del definitions["GateOptions"]
    definitions["Gate"] = {"description": "An exit criterion.", "oneOf": forms}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_text(gate_options: Mapping[GateKindName, type[GateOptions]]) -> str:
    """Return the schema as the text that is published in the repository."""
    return json.dumps(json_schema(gate_options), indent=2, sort_keys=True) + "\n"
