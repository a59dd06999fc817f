"""Records in JSON's own kinds."""

import math
from typing import Any


def to_jsonable(value: Any) -> Any:
    """A record as dicts, lists, words and finite numbers; what JSON has no word for (NaN, infinity) is None.

    >>> plain({"a": (1.5, float("nan"))})
    {'a': [1.5, None]}
    """
    if isinstance(value, dict):
        return {str(key): to_jsonable(inner) for key, inner in value.items()}
    if hasattr(value, "_asdict"):  # a NamedTuple
        return to_jsonable(value._asdict())
    if isinstance(value, list | tuple):
        return [to_jsonable(inner) for inner in value]
    if hasattr(value, "tolist"):  # NumPy's scalars and arrays
        return to_jsonable(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int | str) else str(value)
