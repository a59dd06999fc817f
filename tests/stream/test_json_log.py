"""Log lines are JSON objects."""

import json
import logging

from unrolled.stream.json_log import JsonFormatter


def test_a_line_is_an_object_with_time_and_level() -> None:
    """And the traceback of an exception, within the one line."""
    try:
        raise ValueError("a\nb")
    except ValueError as fault:
        record = logging.LogRecord(
            "unrolled.stream",
            logging.ERROR,
            __file__,
            1,
            "%d lost",
            (3,),
            (ValueError, fault, fault.__traceback__),
        )
    text = JsonFormatter().format(record)
    line = json.loads(text)
    assert "\n" not in text
    assert (line["level"], line["logger"], line["message"]) == ("error", "unrolled.stream", "3 lost")
    assert "ValueError" in line["traceback"]
    assert line["time"].endswith("+00:00")
