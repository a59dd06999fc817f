"""Convert records to the types of JSON."""

import math
from dataclasses import fields, is_dataclass
from typing import Any


def to_jsonable(value: Any) -> Any:
    """Convert a record to dicts, lists, strings and finite numbers; NaN and infinity become None.

    >>> to_jsonable({"a": (1.5, float("nan"))})
    {'a': [1.5, None]}
    """
    if isinstance(value, dict):
        return {str(key): to_jsonable(inner) for key, inner in value.items()}
    if hasattr(value, "_asdict"):  # a NamedTuple
        return to_jsonable(value._asdict())
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_jsonable(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, list | tuple):
        return [to_jsonable(inner) for inner in value]
    if hasattr(value, "tolist"):  # NumPy's scalars and arrays
        return to_jsonable(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int | str) else str(value)
