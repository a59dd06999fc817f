"""`unrolled classify` on folders of clips: read, compared, reported, saved and answered as sequences are."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Run = Callable[..., Any]
TINY = ("--hidden-size", 4, "--max-epochs", 1, "--members", 1)


@pytest.fixture
def gestures(tmp_path: Path) -> Path:
    """A folder a label, each with arrays of 5 frames of 8 × 9 pixels."""
    rng = np.random.default_rng(0)
    for label in ("up", "down"):
        (tmp_path / "gestures" / label).mkdir(parents=True)
        for k in range(8):
            clip = rng.integers(0, 256, (5, 8, 9)).astype(np.uint8)
            np.save(tmp_path / "gestures" / label / f"{k}.npy", clip)
    return tmp_path / "gestures"


def test_a_folder_of_clips_is_compared_and_saved(unrolled: Run, gestures: Path) -> None:
    """Beside the same network on frames without motion; the page and the model are written."""
    outputs = ("--report", "page.html", "--save", "kept", "--json")
    answer = unrolled("classify", gestures, *TINY, "--folds", 2, *outputs)
    assert answer.status == 0, answer.err
    payload = json.loads(answer.out)
    assert {row["name"] for row in payload["rows"]} >= {
        "gru",
        "middle frame",
        "mean frame",
        "shuffled frames",
    }
    assert (payload["n_sequences"], payload["unit"]) == (16, "clips")
    assert "clips it never saw" in Path("page.html").read_text("utf-8")
    answer = unrolled("classify", gestures, "--model", "kept", "--json")
    assert answer.status == 0, answer.err
    answers = json.loads(answer.out)["answers"]
    assert [one["id"] for one in answers[:2]] == ["down/0.npy", "down/1.npy"]
    assert {one["y"] for one in answers} == {"up", "down"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--label", "kind"), "--label: .* holds clips, which have no columns"),
        (("--resample",), "--resample: expected recordings"),
    ],
)
def test_options_that_clips_have_no_use_for_are_refused(
    arguments: tuple[str, ...], sentence: str, unrolled: Run, gestures: Path
) -> None:
    """In a sentence, before anything is trained."""
    answer = unrolled("classify", gestures, *TINY, *arguments)
    assert answer.status == 2
    assert re.search(sentence, answer.err)


def test_clips_without_labels_are_refused(unrolled: Run, tmp_path: Path) -> None:
    """The sentence says where labels go."""
    (tmp_path / "flat").mkdir()
    np.save(tmp_path / "flat" / "a.npy", np.zeros((3, 8, 9), np.uint8))
    answer = unrolled("classify", tmp_path / "flat")
    assert answer.status == 2
    assert "Put the clips of each class into a folder of its name." in answer.err
