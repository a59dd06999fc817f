"""`unrolled transcribe`: pairs of recordings and texts in, a model out; recordings in, texts out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.io import wavfile

from unrolled.models.audio.transcription.transcriber import Transcriber

Run = Callable[..., Any]
TINY = ("--unit", "word", "--hidden-size", 4, "--max-epochs", 1)
TONES = {"do": 400, "mi": 900}


def _wave(text: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    tones = [np.sin(2 * np.pi * TONES[word] * np.arange(1600) / 8000) for word in text.split()]
    wave = 0.3 * np.concatenate(tones) + rng.normal(0, 0.003, 1600 * len(tones))
    return (wave * 32767).astype(np.int16)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Forty recordings in a table."""
    rng, rows = np.random.default_rng(0), []
    for k in range(40):
        text = " ".join(rng.choice(list(TONES), rng.integers(1, 3)))
        wavfile.write(tmp_path / f"{k}.wav", 8000, _wave(text, k))
        rows.append((f"{k}.wav", text))
    pd.DataFrame(rows, columns=["path", "text"]).to_csv(tmp_path / "pairs.csv", index=False)
    return tmp_path / "pairs.csv"


@pytest.fixture
def saved(unrolled: Run, pairs: Path, tmp_path: Path) -> Path:
    """A model of these, by the command itself."""
    answer = unrolled("transcribe", pairs, *TINY, "--save", tmp_path / "model")
    assert answer.status == 0, answer.err
    assert "Writes: 2 words" in answer.out
    assert "nothing was tested" in answer.err.lower()
    return tmp_path / "model"


def test_a_recording_and_a_folder_are_transcribed(unrolled: Run, saved: Path, tmp_path: Path) -> None:
    """A single file block by block, to the text of the model; as JSON, as words and to a file."""
    model = Transcriber.load(saved)
    answer = unrolled("transcribe", "7.wav", "--model", saved)
    assert answer.status == 0, answer.err
    assert answer.out.strip() == model.predict([str(tmp_path / "7.wav")])[0]
    record = json.loads(unrolled("transcribe", "7.wav", "--model", saved, "--json").out)
    assert record["answers"][0]["transcript"] == answer.out.strip()
    (tmp_path / "new").mkdir()
    for k in (3, 5):
        (tmp_path / "new" / f"{k}.wav").write_bytes((tmp_path / f"{k}.wav").read_bytes())
    answer = unrolled("transcribe", "new", "--model", saved, "--beam", 2, "--output", "out.csv")
    assert answer.status == 0, answer.err
    frame = pd.read_csv("out.csv").fillna("")
    assert frame["recording"].tolist() == ["3.wav", "5.wav"]
    assert frame["transcript"].tolist() == model.predict(["3.wav", "5.wav"], beam=2)


def test_words_stand_a_line_each_with_their_times(unrolled: Run, pairs: Path, tmp_path: Path) -> None:
    """Tabs between; the file's name before them where there are several."""
    texts = pd.read_csv(pairs)["text"].tolist()
    waves = [str(tmp_path / f"{k}.wav") for k in range(40)]
    learned = {"hidden_size": 16, "num_layers": 1, "dropout": 0.0, "augmentation": False}
    model = Transcriber(unit="word", **learned, max_epochs=30, learning_rate=1e-2).fit(waves, texts)
    model.save(tmp_path / "learned")
    (words,) = model.predict_words(waves[:1])
    assert words
    answer = unrolled("transcribe", "0.wav", "--model", "learned", "--words")
    assert answer.out.splitlines() == [f"{w.start_s:.2f}\t{w.end_s:.2f}\t{w.text}" for w in words]
    (tmp_path / "new").mkdir()
    for k in (0, 1):
        (tmp_path / "new" / f"{k}.wav").write_bytes((tmp_path / f"{k}.wav").read_bytes())
    answer = unrolled("transcribe", "new", "--model", "learned", "--words")
    assert answer.out.startswith(f"0.wav\t{words[0].start_s:.2f}\t")


def test_held_out_recordings_are_compared(unrolled: Run, pairs: Path, tmp_path: Path) -> None:
    """With the two baselines; a test set's transcripts are written to a file, and the model is saved."""
    record = json.loads(unrolled("transcribe", pairs, *TINY, "--json").out)
    assert {row["name"] for row in record["rows"]} == {"gru", "commonest transcript", "nearest recording"}
    assert record["n_sequences"] == 8
    answer = unrolled(
        "transcribe", pairs, *TINY, "--test", pairs, "--save", tmp_path / "m", "--output", "out.csv"
    )
    assert answer.status == 0, answer.err
    assert "word errors" in answer.out
    assert pd.read_csv("out.csv")["recording"].tolist()[:2] == ["0.wav", "1.wav"]
    assert (tmp_path / "m" / "config.json").exists()


def test_another_rate_is_refused_or_converted(unrolled: Run, saved: Path, tmp_path: Path) -> None:
    """When told to."""
    wavfile.write(tmp_path / "fast.wav", 16000, np.repeat(_wave("do mi", 0), 2))
    answer = unrolled("transcribe", "fast.wav", "--model", saved)
    assert answer.status == 2
    assert "expected 8,000 samples a second, as the model reads, got 16,000. Pass --resample" in answer.err
    assert unrolled("transcribe", "fast.wav", "--model", saved, "--resample").status == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("pairs.csv", "--beam", 3), "--beam: expected --model beside it"),
        (("pairs.csv", "--words"), "--words: expected --model beside it"),
        (("pairs.csv", "--report", "p.html"), "--report: expected --model beside it"),
        (("pairs.csv", "--save", "m", "--output", "o.csv"), "--output: expected --test, whose transcripts"),
        (("pairs.csv", "--unit", "phone"), "--unit: expected"),
        (("pairs.csv", "--alphabet", "dom"), "position"),
        (("pairs.csv", "--transcript", "note"), "note"),
        (("0.wav",), "expected a transcript beside each recording, got none"),
        (("gone.csv",), "gone.csv"),
    ],
)
def test_what_cannot_be_learned_is_refused(
    words: tuple[str, ...], message: str, unrolled: Run, pairs: Path
) -> None:
    """In one sentence, before a training."""
    assert pairs.exists()
    answer = unrolled("transcribe", *words)
    assert answer.status == 2
    assert message in answer.err
    assert "Traceback" not in answer.err


def test_a_beam_of_nothing_is_refused_for_one_recording_too(unrolled: Run, saved: Path) -> None:
    """A file alone is read block by block, without a search, where no beam is named."""
    answer = unrolled("transcribe", "7.wav", "--model", saved, "--beam", 0)
    assert answer.status == 2
    assert answer.err.startswith("--beam: expected a whole number from 1 to 1000, got 0.")


def test_training_options_have_no_use_beside_a_model(unrolled: Run, pairs: Path) -> None:
    """Whatever the model."""
    answer = unrolled("transcribe", pairs, "--model", "m", "--max-epochs", 3)
    assert answer.status == 2
    assert "--max-epochs" in answer.err
