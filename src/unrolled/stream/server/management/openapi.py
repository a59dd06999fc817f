"""POST of steps, which is no route of FastAPI, in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from unrolled.stream.server.wire import STATUS


def describe_steps(app: FastAPI, model: Mapping[str, Any]) -> None:
    """Put the route into the document; `model` is what clients may know of the model."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = make()
            fault = {
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorRecord"}}}
            }
            document["paths"]["/streams/{stream}/steps"] = {"post": _steps_operation(fault, model)}
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _events_schema(model: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the events of a message: numbers, or a text."""
    if model.get("reads") == "text":
        tokens = {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}}
        return {"anyOf": [{"type": "string", "minLength": 1}, tokens], "description": "A text, or its words."}
    n_inputs = len(model.get("inputs", ()))
    number = {"type": ["number", "null"]}
    width = {"minItems": n_inputs, "maxItems": n_inputs} if n_inputs else {}
    event: dict[str, Any] = {"type": "array", "items": number} | width
    event = event if n_inputs > 1 else {"anyOf": [number, event]}
    words = "Events: numbers, or lists of numbers of one length."
    return {"type": "array", "minItems": 1, "items": event, "description": words}


def _steps_operation(fault: dict[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    """Describe POST of steps of a model."""
    number = {"type": "integer", "minimum": 1, "maximum": 2**53, "description": "Number of the first event."}
    body = {
        "type": "object",
        "required": ["n", "x"],
        "additionalProperties": False,
        "properties": {"n": number, "x": _events_schema(model)},
    }
    answers = {"type": "object" if model.get("reads") == "sound" else "array"}
    answer = {
        "type": "object",
        "required": ["stream", "last", "y"],
        "properties": {"stream": {"type": "string"}, "last": {"type": "integer"}, "y": answers},
    }
    statuses = sorted(set(STATUS.values()))
    return {
        "summary": "Step Stream",
        "description": "Apply events to a stream, each exactly once; the first message makes it.",
        "operationId": "step_stream",
        "parameters": [
            {"name": "stream", "in": "path", "required": True,
             "schema": {"type": "string", "minLength": 1, "maxLength": 128}},
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": {"description": "Stored", "content": {"application/json": {"schema": answer}}},
            **{str(status): {"description": "Fault", **fault} for status in statuses},
        },
    }  # fmt: skip
