"""A saved model that does not fit, and a disk that fills up: one sentence, nothing half-written."""

import os
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.models.forecasting.forecaster import Forecaster

Run = Callable[..., Any]
TINY = ("--hidden-size", 4, "--max-steps", 8, "--window", 12, "--horizon", 3)


def _left(folder: Path) -> set[str]:
    return {inside.name for inside in folder.iterdir()} - {"sales.csv"}


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model on disk, fitted for three steps."""
    walk = 100 + np.cumsum(np.random.default_rng(0).normal(size=60))
    frame = {"month": pd.date_range("2000-01-01", periods=60, freq="MS"), "sold": walk}
    model = Forecaster(horizon=3, hidden_size=4, max_steps=8, window=12).fit(frame)
    return model.save(tmp_path_factory.mktemp("kept") / "model")


def test_a_horizon_beyond_the_saved_model_is_reported(unrolled: Run, sales: Path, saved_model: Path) -> None:
    """A model forecasts no further than it was fitted for."""
    answer = unrolled("forecast", sales.name, "--model", saved_model, "--horizon", 4)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err == "--horizon: expected a whole number from 1 to 3, got 4.\n"


def _cut(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:1000])


def _altered(weights: Path) -> None:
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (
            lambda weights: shutil.rmtree(weights.parent),
            "expected the folder of a saved model, found none. See model.save.",
        ),
        (Path.unlink, "model.safetensors is missing. Save the model again, or restore the file."),
        (
            _cut,
            (
                "model.safetensors is not the file that was saved, it was cut or altered. Save the model "
                "again, or restore the file."
            ),
        ),
        (
            _altered,
            (
                "model.safetensors is not the file that was saved, it was cut or altered. Save the model "
                "again, or restore the file."
            ),
        ),
    ],
)
def test_a_damaged_model_is_reported(
    unrolled: Run,
    sales: Path,
    saved_model: Path,
    tmp_path: Path,
    damage: Callable[[Path], None],
    sentence: str,
) -> None:
    """Which folder, which file, and what is wrong with it; nothing is written."""
    shutil.copytree(saved_model, tmp_path / "saved")
    damage(tmp_path / "saved" / "model.safetensors")
    answer = unrolled("forecast", sales.name, "--model", "saved", "--output", "next.csv")
    assert (answer.status, answer.out, answer.err) == (2, "", f"saved: {sentence}\n")
    assert not (tmp_path / "next.csv").exists()


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file may grow beyond 4 KiB: a full disk that root meets as well."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


_WIDE = [word for level in range(1, 61) for word in ("--level", level)]  # makes a small file large


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (("--output", "next.csv", *_WIDE), "next.csv"),
        (("--output", "next.parquet", *_WIDE), "next.parquet"),
        (("--report", "page.html"), "page.html"),
    ],
)
def test_a_disk_that_fills_up_leaves_nothing(
    unrolled: Run,
    sales: Path,
    saved_model: Path,
    tmp_path: Path,
    full_disk: None,
    words: tuple[object, ...],
    place: str,
) -> None:
    """Neither the file nor a piece of it under another name."""
    answer = unrolled("forecast", sales.name, "--model", saved_model, *words)
    assert answer.status == 2
    last = answer.err.splitlines()[-1]
    assert last.startswith(f"{place}: cannot be written, disk full (")
    assert last.endswith("nothing was left there. Free some space or write elsewhere.")
    assert _left(tmp_path) == set()


def test_a_disk_that_fills_up_keeps_the_model_that_was(
    unrolled: Run, sales: Path, saved_model: Path, tmp_path: Path, full_disk: None
) -> None:
    """Weights that do not fit do not take the old folder's place."""
    shutil.copytree(saved_model.parent, tmp_path / "kept", copy_function=os.link)  # no byte is written
    answer = unrolled("forecast", sales.name, *TINY, "--hidden-size", 64, "--save", "kept/model")
    assert answer.status == 2
    assert answer.err.splitlines()[-1] == (
        "kept/model: cannot be written, disk full (File too large); what stood there before is unchanged. "
        "Free some space or write elsewhere."
    )
    names = ("README.md", "config.json", "model.safetensors")
    assert [(tmp_path / "kept" / "model" / n).read_bytes() for n in names] == [
        (saved_model / n).read_bytes() for n in names
    ]
    assert len(list((tmp_path / "kept").iterdir())) == 1
