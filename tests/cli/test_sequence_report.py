"""Records for the classification and the probe report."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import wavfile

from unrolled.cli.sequence_report import label_texts, labelled_data, sequence_model_card
from unrolled.data.labelled.read import read_labelled
from unrolled.models.audio.classifier import AudioClassifier
from unrolled.models.audio.transcription.transcriber import Transcriber
from unrolled.models.sequence.classifier import SequenceClassifier

Run = Callable[..., Any]
TINY: dict[str, Any] = {"rate": 8000, "hidden_size": 4, "num_layers": 1, "max_epochs": 1}


def test_whole_numbers_as_labels_have_no_decimals() -> None:
    """A class 1.0 is 1; words stay."""
    assert label_texts(np.array([1.0, 2.5])).tolist() == ["1", "2.5"]
    assert label_texts(["up", "down"]).tolist() == ["up", "down"]
    assert label_texts(()).tolist() == []


def test_labelled_data_splits_the_values_by_sequence(kinds: Callable[..., Path]) -> None:
    """One array a sequence, its class beside it."""
    data = labelled_data(read_labelled(kinds("train", 4)))
    assert [values.shape for values in data.values] == [(6, 1)] * 4
    assert data.labels.tolist() == ["up", "down", "up", "down"]
    assert data.source == "train.csv"


def test_the_card_lists_cell_units_directions_weights_and_seed() -> None:
    """Facts of the fitted network, not of the constructor's defaults."""
    rng = np.random.default_rng(0)
    X: Any = rng.normal(size=(8, 5, 2))
    model = SequenceClassifier(cell="rnn", hidden_size=3, bidirectional=True, max_epochs=1, random_state=7)
    card = sequence_model_card(model.fit(X, np.arange(8) % 2))
    facts = dict(card.facts)
    assert facts["Network"] == "RNN, tanh, 1 layer of 3 units, both directions"
    assert facts["Weights"] == f"{model.n_parameters_:,}"
    assert facts["Seed"] == "7"
    assert card.command.startswith("unrolled")  # the words after it are those of the process


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """A recording, and a classifier and a transcriber that were fitted on others like it."""
    waves = [np.sin(np.arange(2400) * pitch) for pitch in (0.3, 1.2)] * 3
    AudioClassifier(**TINY).fit(waves, ["low", "high"] * 3).save(tmp_path / "classifier")
    Transcriber(**TINY).fit(waves, ["low", "high"] * 3).save(tmp_path / "transcriber")
    wavfile.write(tmp_path / "one.wav", 8000, (0.5 * waves[0]).astype(np.float32))
    return tmp_path / "one.wav"


@pytest.mark.parametrize("command", ["classify", "transcribe"])
def test_a_page_on_a_recording_is_written(command: str, unrolled: Run, sound: Path) -> None:
    """Beside the answer; of a folder there is none."""
    model = {"classify": "classifier", "transcribe": "transcriber"}[command]
    answer = unrolled(command, sound, "--model", model, "--report", "page.html")
    assert answer.status == 0, answer.err
    assert "Written: page.html" in answer.out + answer.err
    assert "Sound, state, decision" in Path("page.html").read_text(encoding="utf-8")
    refused = unrolled(command, sound.parent, "--model", model, "--report", "page.html")
    assert refused.status == 2
    assert "--report: expected one recording beside --model" in refused.err
