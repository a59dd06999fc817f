"""Files for the command line, and its real entry."""

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from unrolled.cli import main


class Answer(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str


@pytest.fixture
def unrolled(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Runs one command through the entry that the installed program has."""

    def run(*words: object) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        return Answer(int(end.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def months() -> Callable[..., list[tuple[str, float]]]:
    """Makes a growing series of months that begins in 2000."""

    def make(count: int, seed: int = 0) -> list[tuple[str, float]]:
        growth = np.random.default_rng(seed).normal(0.01, 0.04, size=count)
        values = np.round(100 * np.exp(np.cumsum(growth)), 3)
        return [(f"{2000 + k // 12}-{k % 12 + 1:02d}-01", float(v)) for k, v in enumerate(values)]

    return make


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a plain CSV into the test's folder."""

    def write(name: str, rows: Iterable[Sequence[object]], head: Sequence[str] = ("month", "sold")) -> Path:
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([head, *rows])
        return tmp_path / name

    return write


@pytest.fixture
def sales(months: Callable[..., list[tuple[str, float]]], csv_file: Callable[..., Path]) -> Path:
    """A file of 120 good months."""
    return csv_file("sales.csv", months(120))


@pytest.fixture
def kinds(tmp_path: Path) -> Callable[..., Path]:
    """Writes rising and falling sequences of six steps, half of each, into the test's folder."""

    def write(name: str, count: int, form: str = "csv", seed: int = 0) -> Path:
        y = np.array(["up", "down"] * count)[:count]
        slopes = np.where(y == "up", 1.0, -1.0)[:, None] * np.linspace(-1, 1, 6)
        X = np.round(slopes + np.random.default_rng(seed).normal(0, 0.3, size=(count, 6)), 4)
        path = tmp_path / f"{name}.{'csv' if form == 'long' else form}"
        frame = pd.DataFrame(X, columns=[f"t{k}" for k in range(6)]).assign(kind=y)
        if form == "csv":
            frame.to_csv(path, index=False)
        elif form == "parquet":
            frame.to_parquet(path, index=False)
        elif form == "npz":
            np.savez(path, X=X, y=y)
        elif form == "ts":
            rows = [f"{','.join(map(str, row))}:{kind}" for row, kind in zip(X.tolist(), y, strict=True)]
            head = ["@problemName kinds", "@univariate true", "@classLabel true up down", "@data"]
            path.write_text("\n".join([*head, *rows]) + "\n")
        else:
            columns = {
                "run": np.repeat([f"r{k:02d}" for k in range(count)], 6),
                "second": np.tile(range(6), count),
            }
            pd.DataFrame(columns | {"height": X.ravel(), "kind": np.repeat(y, 6)}).to_csv(path, index=False)
        return path

    return write
