"""Small files of many kinds, each beside a JSON file with what must come out of it.

`tests/data/corpus/NAME.csv` (or another ending) is read with the arguments `read` of `NAME.json`; every other
key there is a claim:

    about      what kind of file this is
    read       arguments of `unrolled.read`, {} by default
    series     id to {"first", "last", "steps", "times", "values"}, each optional; no other series is there
    freq       `Sequences.freq`
    columns    `Sequences.columns`
    notes      texts, each part of some note
    no_notes   true: nothing is noted
    error      texts, each part of the sentence that refuses the file
    regular    false: it is read, and refused by `require_regular` with the texts of `irregular`
    way_out    arguments (beside `read`) with which the refused file is read: what its sentence offers
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unrolled as ur
from unrolled.data.calendar.offsets import format_time
from unrolled.data.gaps import require_regular
from unrolled.errors import DataError

CORPUS = Path(__file__).parent / "corpus"
FILES = sorted(path for path in CORPUS.iterdir() if path.suffix != ".json")
CLAIMS = {
    "about", "read", "series", "freq", "columns", "notes", "no_notes", "error", "regular", "irregular",
    "way_out",
}  # fmt: skip


def _expected(path: Path) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(path.with_name(f"{path.name.split('.')[0]}.json").read_text("utf-8"))
    return claims


def _shown(series: ur.Sequences) -> dict[str, Any]:
    """First and last time, length, times and values of one series, as JSON writes them."""
    times = [] if series.times is None else [format_time(time) for time in series.times]
    return {
        "first": times[0] if times else None,
        "last": times[-1] if times else None,
        "steps": len(series.values),
        "times": times,
        "values": [None if np.isnan(v) else v for v in np.asarray(series.target, dtype=np.float64).tolist()],
    }


def test_every_file_says_what_must_come_out() -> None:
    """Each file has its claims and each claims file its file; no claim is misspelt."""
    assert FILES
    assert {path.name.split(".")[0] for path in FILES} == {path.stem for path in CORPUS.glob("*.json")}
    for path in FILES:
        claims = _expected(path)
        assert set(claims) <= CLAIMS, path.name
        assert claims["about"], path.name
        assert ("error" in claims) != ("series" in claims), path.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_file_reads_as_it_claims(path: Path) -> None:
    """Series, notes and refusals are those beside the file, and what a refusal offers works."""
    claims = _expected(path)
    given = claims.get("read", {})
    if "error" in claims:
        _refuses(lambda: ur.read(path, **given), claims["error"])
    else:
        series = ur.read(path, **given)
        _meets(series, claims)
        if not claims.get("regular", True):
            _refuses(lambda: require_regular(series), claims.get("irregular", []))
        elif series.order.name != "NONE":
            require_regular(series)
    if "way_out" in claims:
        require_regular(ur.read(path, **given, **claims["way_out"]))


def _refuses(call: Callable[[], object], texts: list[str]) -> None:
    with pytest.raises(DataError) as fault:
        call()
    assert [text for text in texts if text not in str(fault.value)] == [], str(fault.value)


def _meets(series: ur.Sequences, claims: dict[str, Any]) -> None:
    assert {one.ids[0] for one in series} == set(claims["series"])
    for name, expected in claims["series"].items():
        shown = _shown(series[name])
        assert {key: shown[key] for key in expected} == expected
    assert series.freq == claims.get("freq", series.freq)
    assert list(series.columns) == claims.get("columns", list(series.columns))
    missing = [text for text in claims.get("notes", []) if not any(text in note for note in series.notes)]
    assert missing == [], series.notes
    assert not (claims.get("no_notes") and series.notes), series.notes
