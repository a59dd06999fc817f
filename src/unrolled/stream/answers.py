"""Answers of streams as lists and as JSON."""

from __future__ import annotations

import json
from typing import Any

from unrolled.jsonable import to_jsonable


def encode_json(answers: Any) -> bytes:
    """Encode answers as JSON, numbers in full.

    >>> encode_json([0.1, None])
    b'[0.1,null]'
    """
    return json.dumps(to_jsonable(answer_list(answers)), separators=(",", ":")).encode()


def answer_list(answers: Any) -> Any:
    """Return answers as a list with one item an event, or where they are a record of all as that."""
    if hasattr(answers, "to_dict"):
        has_items = hasattr(answers, "__len__")  # a forecast after each event
        return [answers[event].to_dict() for event in range(len(answers))] if has_items else answers.to_dict()
    return answers.tolist() if hasattr(answers, "tolist") else answers
