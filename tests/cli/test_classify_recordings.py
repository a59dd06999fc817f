"""Recordings in `unrolled classify`: compared, reported, saved and used, from folders and tables."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.io import wavfile

Run = Callable[..., Any]
TINY = ("--hidden-size", 4, "--max-epochs", 1)


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """Twelve tones of two heights in a folder each, and a table of their paths with speakers."""
    folder, rng = tmp_path / "words", np.random.default_rng(0)
    rows = []
    for k in range(12):
        word, hz = (("low", 300), ("high", 2000))[k % 2]
        (folder / word).mkdir(parents=True, exist_ok=True)
        wave = 9000 * np.sin(2 * np.pi * (hz + 10 * k) * np.arange(1600 + 40 * k) / 8000)
        wave += rng.normal(0, 50, len(wave))
        wavfile.write(folder / word / f"{k}.wav", 8000, wave.astype(np.int16))
        rows.append({"file": f"words/{word}/{k}.wav", "label": word, "speaker": f"s{k // 2 % 3}"})
    pd.DataFrame(rows).to_csv(tmp_path / "list.csv", index=False)
    return folder


def test_a_folder_a_label_is_compared(unrolled: Run, words: Path) -> None:
    """The remark on speakers is there, with what to do."""
    answer = unrolled("classify", words, *TINY, "--folds", 2, "--json")
    assert answer.status == 0, answer.err
    payload = json.loads(answer.out)
    names = {row["name"] for row in payload["rows"]}
    assert {"gru", "majority class", "1-NN Euclidean", "reservoir"} <= names
    assert (payload["n_sequences"], payload["unit"], payload["source"]) == (12, "recordings", "words")
    assert any("a table with a column of speakers" in remark for remark in payload["remarks"])


def test_a_saved_model_reads_a_folder_and_a_table(unrolled: Run, words: Path) -> None:
    """Speakers of the table are kept together; answers go to a file."""
    answer = unrolled(
        "classify", "list.csv", *TINY, "--folds", 2, "--save", "model", "--report", "words.html",
        "--output", "tested.csv",
    )  # fmt: skip
    assert answer.status == 0, answer.err
    assert "No groups= were given" not in answer.out
    page = Path("words.html").read_text()
    assert "Right on recordings it never saw" in page
    assert pd.read_csv("tested.csv")["recording"].tolist()[:2] == ["words/low/0.wav", "words/high/1.wav"]
    answer = unrolled("classify", words / "low", "--model", "model", "--output", "new.csv")
    assert answer.status == 0, answer.err
    assert "10.wav" in answer.out
    frame = pd.read_csv("new.csv")
    assert set(frame["answer"]) <= {"low", "high"}
    assert (frame["p-low"] + frame["p-high"]).round(6).eq(1).all()
    answer = unrolled("classify", words, "--model", "model", "--json")
    assert {row["y"] for row in json.loads(answer.out)["answers"]} == {"low", "high"}
    answer = unrolled("classify", words / "low" / "0.wav", "--model", "model", "--json")
    assert [set(row) for row in json.loads(answer.out)["answers"]] == [
        {"recording", "answer", "p-low", "p-high"}
    ]


def test_recordings_of_another_rate_are_converted_when_told(unrolled: Run, words: Path) -> None:
    """The option that the refusal names is one, in a comparison and beside a model."""
    wavfile.write(words / "low" / "0.wav", 16000, np.ones(4000, np.int16))
    refused = unrolled("classify", words, *TINY)
    assert (refused.status, "--resample to convert them" in refused.err) == (2, True)
    answer = unrolled("classify", words, *TINY, "--folds", 2, "--save", "model", "--resample")
    assert answer.status == 0, answer.err
    wavfile.write(words / "new.wav", 44100, np.ones(9000, np.int16))
    answer = unrolled("classify", words / "new.wav", "--model", "model", "--resample", "--json")
    assert json.loads(answer.out)["answers"][0]["recording"] == "new.wav"
    Path("rows.csv").write_text("a,label\n1,x\n2,y\n")
    answer = unrolled("classify", "rows.csv", "--resample")
    assert (answer.status, answer.err[:32]) == (2, "--resample: expected recordings,")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("words", "--activation", "relu"), "--activation: a classifier of recordings has no use for it."),
        (("words", "--id", "x"), "--id: words holds recordings, which have no such column. Leave it out."),
        (("words", "--folds", 1), "--folds: expected a whole number at least 2, got 1."),
        (("words", "--test", "words", "--folds", 2), "--folds: there is a test set"),
        (("words", "--label", "word"), "words: expected no column beside a folder"),
        (("empty",), "empty: expected a folder of recordings, such as yes/a.wav and no/b.wav, got 0 other"),
        (("words/low",), "low: expected a label beside each recording, got none."),
        (("list.csv", "--label", "wrd"), "list.csv: expected a column 'wrd' as label"),
    ],
)
def test_what_recordings_have_no_use_for_is_refused(
    arguments: tuple[Any, ...], sentence: str, unrolled: Run, words: Path
) -> None:
    """One sentence each, on stderr."""
    words.with_name("empty").mkdir()
    answer = unrolled("classify", *arguments)
    assert answer.status == 2
    assert answer.err.startswith(sentence)


def test_broken_recordings_are_named(unrolled: Run, words: Path) -> None:
    """Not sound, cut, of another rate, one alone in its folder."""
    (words / "low" / "0.wav").write_text("no sound")
    assert "low/0.wav: expected a recording" in unrolled("classify", words).err
    (words / "low" / "0.wav").write_bytes((words / "low" / "2.wav").read_bytes()[:40])
    assert "low/0.wav: expected a whole wav file" in unrolled("classify", words).err
    wavfile.write(words / "low" / "0.wav", 16000, np.ones(4000, np.int16))
    assert "as the first has, got 16,000 in 1 recording" in unrolled("classify", words).err
    (words / "rare").mkdir()
    (words / "low" / "0.wav").unlink()
    (words / "low" / "2.wav").rename(words / "rare" / "2.wav")
    answer = unrolled("classify", words, *TINY)
    assert (answer.status, "class 'rare' in one sequence only" in answer.err) == (2, True)
