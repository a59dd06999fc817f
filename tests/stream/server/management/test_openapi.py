"""Steps in the OpenAPI document: what a message of each kind of model holds."""

from typing import Any

import pytest
from fastapi import FastAPI

from unrolled.stream.server.management.openapi import describe_steps


def _schema(model: dict[str, Any], *path: str) -> Any:
    """Return a part of the operation in the document of a server of a model."""
    app = FastAPI()
    describe_steps(app, model)
    part: Any = app.openapi()["paths"]["/streams/{stream}/steps"]["post"]
    for name in path:
        part = part[name]
    return part["content"]["application/json"]["schema"]["properties"]


@pytest.mark.parametrize(
    ("model", "kinds"),
    [
        ({"inputs": ["x1"]}, ["number", "array"]),
        ({"inputs": ["x1", "x2"]}, ["array"]),
        ({}, ["number", "array"]),
        ({"reads": "sound", "inputs": []}, ["number", "array"]),
    ],
)
def test_an_event_is_as_wide_as_the_inputs(model: Any, kinds: list[str]) -> None:
    """Of one input a number too."""
    event = _schema(model, "requestBody")["x"]["items"]
    events = event.get("anyOf", [event])
    assert [each["type"][0] if isinstance(each["type"], list) else each["type"] for each in events] == kinds
    assert events[-1].get("maxItems") == (len(model.get("inputs", ())) or None)


def test_a_model_of_text_takes_a_text_or_words() -> None:
    """None of them empty."""
    text, words = _schema({"reads": "text", "inputs": []}, "requestBody")["x"]["anyOf"]
    assert text == words["items"] == {"type": "string", "minLength": 1}


@pytest.mark.parametrize(("reads", "kind"), [("sound", "object"), ("text", "array"), ("values", "array")])
def test_answers_are_a_list_and_of_sound_a_record(reads: str, kind: str) -> None:
    """As a session encodes them."""
    assert _schema({"reads": reads}, "responses", "200")["y"]["type"] == kind
