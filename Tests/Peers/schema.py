"""The part of JSON Schema (draft 2020-12) that `/api/schema` uses. What it does not know it refuses."""

KNOWN = {
    "$ref", "type", "properties", "required", "additionalProperties", "items", "enum", "anyOf", "minimum", "maximum",
    "description",
}
TYPES = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int,
    "number": (int, float),
}


def problems(value, schema: dict, root: dict, path: str = "$") -> list[str]:
    """Everything that is wrong with a value, by its path; empty when it matches."""
    assert schema.keys() <= KNOWN, f"{path}: the schema uses {schema.keys() - KNOWN}"
    if "$ref" in schema:
        return problems(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, path)
    if "anyOf" in schema:
        tries = [problems(value, option, root, path) for option in schema["anyOf"]]
        return [] if [] in tries else min(tries, key=len)
    found = []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{path}: {value!r} is none of {schema['enum']}")
    if "type" in schema:
        names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        fits = [isinstance(value, TYPES[n]) and (n == "boolean" or not isinstance(value, bool)) for n in names]
        if not any(fits):
            return [*found, f"{path}: {value!r} is no {' or '.join(names)}"]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < schema.get("minimum", value) or value > schema.get("maximum", value):
            found.append(f"{path}: {value} is out of bounds")
    if isinstance(value, list) and "items" in schema:
        for place, element in enumerate(value):
            found += problems(element, schema["items"], root, f"{path}[{place}]")
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        found += [f"{path}: lacks {key}" for key in schema.get("required", []) if key not in value]
        for key, element in value.items():
            if key in properties:
                found += problems(element, properties[key], root, f"{path}.{key}")
            elif schema.get("additionalProperties") is False:
                found.append(f"{path}: the schema has no {key}")
            elif isinstance(schema.get("additionalProperties"), dict):
                found += problems(element, schema["additionalProperties"], root, f"{path}.{key}")
    return found
