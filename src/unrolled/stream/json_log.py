"""Log lines as JSON objects, a line each, for machines that collect them."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime


class JsonFormatter(logging.Formatter):
    """Format a record as one line of JSON: time, level, logger, message, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def log_as_json(level: str = "INFO") -> None:
    """Send what the server and uvicorn log to stderr as JSON; requests are counted, not logged."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    for name in ("unrolled.stream", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = ([handler] if name != "uvicorn.error" else []), False
        logger.setLevel(level if name == "unrolled.stream" else "WARNING")
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.propagate = True
    uvicorn.addFilter(_is_no_refusal)


def _is_no_refusal(record: logging.LogRecord) -> bool:
    """Tell other records from the one that uvicorn writes, as an error, when a handshake was refused."""
    return "without completing handshake" not in str(record.msg)
