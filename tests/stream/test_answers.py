"""Answers as lists: of arrays, of records after each event, of one record of all."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np

import unrolled as ur
from unrolled.stream.answers import answer_list, encode_json


def test_arrays_become_lists() -> None:
    """Whatever is a list already stays."""
    assert answer_list(np.array([[0.5, 0.25]])) == [[0.5, 0.25]]
    assert answer_list(["a", None]) == ["a", None]


def test_forecasts_become_a_record_an_event() -> None:
    """Of the horizon after each value."""
    model = ur.Forecaster(horizon=2, window=8, hidden_size=4, max_steps=2).fit(10 + np.sin(np.arange(40.0)))
    answers = model.stream().steps(np.arange(10.0, 15.0))
    listed = answer_list(answers)
    assert len(listed) == 5
    assert listed[4]["median"] == answers.median[4].tolist()


def test_a_record_of_all_stays_one() -> None:
    """As of the frames of a chunk of sound."""
    record: Any = SimpleNamespace(to_dict=lambda: {"scores": [[0.5]]})
    assert answer_list(record) == {"scores": [[0.5]]}


def test_numbers_are_written_in_full() -> None:
    """They read back as the same bits; NaN, which JSON lacks, is null."""
    numbers = np.random.default_rng(0).normal(size=9) / 3
    assert json.loads(encode_json(numbers)) == numbers.tolist()
    assert encode_json([float("nan")]) == b"[null]"
