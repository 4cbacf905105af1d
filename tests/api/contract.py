# SPDX-License-Identifier: Apache-2.0
"""What openapi.json of the running server says, and bodies that break it."""
import copy
import random
import urllib.parse

import jsonschema


def closed(node):
    """A copy in which an object has no members but those that are described: an answer that grew is noticed."""
    if isinstance(node, list):
        return [closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    out = {name: closed(value) for name, value in node.items()}
    if isinstance(out.get("properties"), dict) and "type" in out:
        out.setdefault("additionalProperties", False)
    return out


# Parameters of which one is needed, which OpenAPI cannot say.
ONE_OF_THESE = {"getSpf": {"sender": "a@example.com"}, "checkSpf": {"sender": "a@example.com"}}


class Contract:
    def __init__(self, document):
        self.document = document
        self.components = closed(document["components"])
        self.operations = [Operation(self, path, method, item) for path, methods in document["paths"].items()
                           for method, item in methods.items()]

    def find(self, node):
        while "$ref" in node:
            place, path = self.document, node["$ref"].removeprefix("#/").split("/")
            for part in path:
                place = place[part]
            node = place
        return node

    def problem_of(self, schema, value):
        """None, or what does not fit."""
        whole = {"components": self.components, **closed(schema)}
        errors = list(jsonschema.Draft202012Validator(whole).iter_errors(value))
        return "; ".join(f"{error.json_path}: {error.message}" for error in errors)[:2000] or None


class Operation:
    def __init__(self, contract, path, method, item):
        self.contract, self.path, self.method, self.item = contract, path, method.upper(), item
        self.id, self.role, self.scope = item["operationId"], item["x-role"], item.get("x-scope")
        self.parameters = [contract.find(p) for p in item.get("parameters", [])]
        content = item.get("requestBody", {}).get("content", {})
        self.content = content.get("application/json")
        self.raw = None if self.content else next(iter(content.items()), None)
        self.schema = contract.find(self.content["schema"]) if self.content else None

    def __repr__(self):
        return f"{self.id} ({self.method} {self.path})"

    @property
    def changes(self):
        return self.method != "GET"

    def example(self):
        return copy.deepcopy(self.content["example"]) if self.content else None

    def query(self, required=True):
        return {p["name"]: p.get("example") for p in self.parameters if p["in"] == "query" and p.get("required", False) == required}

    def target(self, parts=(), **query):
        """The path with its placeholders filled, by their examples or `parts`, and what it needs of a query."""
        path, parts = self.path, dict(parts)
        for p in self.parameters:
            if p["in"] == "path":
                value = parts.get(p["name"], p.get("example", "1"))
                path = path.replace("{" + p["name"] + "}", urllib.parse.quote(str(value), safe=""))
        given = {**self.query(), **ONE_OF_THESE.get(self.id, {}), **query}
        words = {name: str(value).lower() if isinstance(value, bool) else value for name, value in given.items()}
        return path + ("?" + urllib.parse.urlencode(words) if words else "")

    def answer_problem(self, reply):
        """None, or what of an answer of success is not as the contract says."""
        described = self.item["responses"].get(str(reply.status))
        if not described or reply.status >= 400:
            return f"status {reply.status} is none of success that is documented: {reply.body[:500]!r}"
        content = self.contract.find(described).get("content", {})
        kind = (reply.headers.get("Content-Type") or "").split(";")[0]
        if not content:
            return None if not reply.body else f"a body where there is none: {reply.body[:200]!r}"
        if kind not in content:
            return f"Content-Type is {kind}, not {' or '.join(content)}"
        if kind != "application/json":
            return None
        return "no JSON" if reply.json is None else self.contract.problem_of(content[kind]["schema"], reply.json)

    def refusal_problem(self, reply, *statuses):
        """None, or what of a refusal is not as it should be."""
        if reply.status not in statuses:
            return f"status {reply.status}, not {' or '.join(map(str, statuses))}: {reply.body[:500]!r}"
        return problem_document_problem(self.contract, reply)


def problem_document_problem(contract, reply):
    kind = (reply.headers.get("Content-Type") or "").split(";")[0]
    if kind != "application/problem+json":
        return f"Content-Type is {kind}: {reply.body[:300]!r}"
    if reply.json is None:
        return f"no JSON: {reply.body[:300]!r}"
    if reply.json.get("status") != reply.status:
        return f"status of the document is not that of the answer: {reply.body[:300]!r}"
    return contract.problem_of({"$ref": "#/components/schemas/Problem"}, reply.json)


# --- bodies that break a schema

OF_TYPE = {"null": None, "boolean": True, "integer": 7, "number": 7.5, "string": "x", "array": [], "object": {}}


def types_of(schema):
    return [schema["type"]] if isinstance(schema["type"], str) else schema["type"]


def joined(name, below):
    return name + (below if below.startswith("[") or not below else "." + below)


def wrong_values(contract, schema):
    """(what is wrong, where below, value) of one value."""
    schema = contract.find(schema)
    types = types_of(schema)
    for name, value in OF_TYPE.items():
        if name not in types and not (name == "integer" and "number" in types):
            yield f"{name}", "", value
    if "minimum" in schema:
        yield "below its least", "", schema["minimum"] - 1
    if "maximum" in schema:
        yield "above its greatest", "", schema["maximum"] + 1
    if schema.get("minLength"):
        yield "too short", "", ""
    if "maxLength" in schema:
        yield "too long", "", "\u20ac" * (schema["maxLength"] + 1)
    if "enum" in schema:
        yield "no choice", "", "sommething"
    if "pattern" in schema:
        yield "not like its pattern", "", "\u20ac"
    if "array" in types:
        if schema.get("minItems"):
            yield "too few", "", []
        for what, where, value in wrong_values(contract, schema["items"]) if "items" in schema else ():
            yield f"an item that is {what}", joined("[0]", where), [value]
    if "object" in types:
        yield from wrong_objects(contract, schema, None)


def wrong_objects(contract, schema, example):
    """The same of an object; `example` is a good one, or None: made up of what is required."""
    schema = contract.find(schema)
    good = example if example is not None else {name: good_value(contract, schema["properties"][name])
                                                for name in schema.get("required", [])}
    for name in schema.get("required", []):
        yield f"without {name}", name, {k: v for k, v in good.items() if k != name}
    more = schema["additionalProperties"]
    if more is False:
        yield "with an unknown member", "sommething", {**good, "sommething": 1}
    else:
        for what, where, value in wrong_values(contract, more):
            yield f"any member {what}", joined("any.key", where), {**good, "any.key": value}
    if schema.get("minProperties"):
        yield "empty", "", {}
    for name, member in schema.get("properties", {}).items():
        for what, where, value in wrong_values(contract, member):
            yield f"{name} {what}", joined(name, where), {**good, name: value}


def good_value(contract, schema):
    schema = contract.find(schema)
    if "enum" in schema:
        return schema["enum"][0]
    return OF_TYPE[types_of(schema)[0]]


def wrong_parameters(parameter):
    """Values that a parameter of the query does not take, where its schema says so."""
    schema = parameter["schema"]
    if "enum" in schema:
        yield "sommething"
    if schema.get("type") == "integer":
        yield "x"
        if "minimum" in schema:
            yield str(schema["minimum"] - 1)
        if "maximum" in schema:
            yield str(schema["maximum"] + 1)
    if schema.get("type") == "boolean":
        yield "maybe"


def shuffled(items, seed):
    items = list(items)
    random.Random(seed).shuffle(items)
    return items
