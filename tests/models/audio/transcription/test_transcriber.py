"""The Transcriber learns tones, writes words with times, is saved, tuned and refuses bad input."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import wavfile
from sklearn.base import clone

from unrolled.data.audio.recording import Recording, read_recording
from unrolled.errors import ArgumentError, DataError, NotFittedError
from unrolled.models.audio.transcription.transcriber import Transcriber
from unrolled.models.text.language.language_model import LanguageModel

from .conftest import SMALL, TONES, Sentences

ONE_STEP: dict[str, Any] = SMALL | {"max_epochs": 1, "hidden_size": 4}


def test_unseen_sentences_are_written(transcriber: Transcriber, unseen_sentences: Sentences) -> None:
    """Nine words in ten at least, and the score is one less the error rate."""
    rates = transcriber.score_texts(unseen_sentences.waves, unseen_sentences.texts)
    assert rates.word_error_rate < 0.1
    assert rates.n_texts == 30
    score = transcriber.score(unseen_sentences.waves, unseen_sentences.texts)
    assert score == 1 - rates.word_error_rate


def test_words_have_the_times_of_their_tones(transcriber: Transcriber) -> None:
    """Each begins within the tone and ends within a third of a second behind it."""
    time, rng = np.arange(1800) / 8000, np.random.default_rng(0)
    tones = [np.sin(2 * np.pi * hertz * time) * np.hanning(1800) for hertz in TONES.values()]
    wave = np.concatenate([*(part for tone in tones for part in (np.zeros(800), tone)), np.zeros(400)])
    (words,) = transcriber.predict_words([0.2 * (wave + rng.normal(0, 0.003, len(wave)))])
    assert [word.text for word in words] == list(TONES)
    for k, word in enumerate(words):
        start_s = 0.1 + k * 0.325
        assert start_s < word.start_s < word.end_s < start_s + 0.55


def test_a_beam_and_a_language_model_write_the_same_here(
    transcriber: Transcriber, unseen_sentences: Sentences
) -> None:
    """Where the network is sure; the weight is chosen on recordings, and needed."""
    waves, texts = unseen_sentences.waves[:8], unseen_sentences.texts[:8]
    greedy = transcriber.predict(waves)
    assert transcriber.predict(waves, beam=3) == greedy
    tuned = Transcriber.__new__(Transcriber)
    vars(tuned).update(vars(transcriber))
    language_model = LanguageModel(hidden_size=8, max_epochs=2).fit(texts * 4)
    with pytest.raises(ArgumentError, match=r"its weight is not chosen yet\. Call tune_language_model"):
        tuned.predict(waves, language_model=language_model)
    tuned.tune_language_model(language_model, waves, texts, beam=2)
    assert 0 <= tuned.fusion_weights_.weight <= 1.3
    assert tuned.score_texts(waves, texts, language_model=language_model).word_error_rate < 0.2
    words = tuned.predict_words(waves, language_model=language_model)
    assert [" ".join(word.text for word in each) for each in words] == tuned.predict(
        waves, language_model=language_model
    )


def test_a_saved_model_writes_the_same(
    transcriber: Transcriber, unseen_sentences: Sentences, tmp_path: Path
) -> None:
    """And its card says what it writes."""
    transcriber.save(tmp_path / "model")
    again = Transcriber.load(tmp_path / "model")
    assert again.predict(unseen_sentences.waves) == transcriber.predict(unseen_sentences.waves)
    assert again.output_classes().tolist()[0] == ""
    assert "an output every 30 ms" in (tmp_path / "model" / "README.md").read_text()


@pytest.mark.parametrize(
    "settings",
    [
        {"unit": "word", "cell": "lstm"},
        {"normalization": "recording", "augmentation": False, "n_members": 2, "max_epochs": 9},
        {"bidirectional": True, "alphabet": "domis", "validation_fraction": 0.45},
    ],
)
def test_other_settings_learn_too(settings: dict[str, Any], sentences: Sentences) -> None:
    """A clone has them; groups are counted."""
    model = clone(Transcriber(**SMALL | {"max_epochs": 12} | settings))
    model.fit(sentences.waves[:72], sentences.texts[:72], groups=sentences.voices[:72])
    assert model.score(sentences.waves[:20], sentences.texts[:20]) > 0.3  # an empty text has 0
    assert model.n_groups_ == 3
    assert len(model.networks_) == settings.get("n_members", 1)


def test_a_table_of_paths_and_transcripts_is_read(sentences: Sentences, tmp_path: Path) -> None:
    """With its speakers; transcripts of digits stay texts."""
    lines = ["path,transcript,speaker"]
    for k, (wave, voice) in enumerate(zip(sentences.waves[:8], sentences.voices, strict=False)):
        wavfile.write(tmp_path / f"{k}.wav", 8000, (wave * 32767).astype(np.int16))
        lines.append(f"{k}.wav,0{k},{voice}")
    (tmp_path / "pairs.csv").write_text("\n".join(lines) + "\n")
    model = Transcriber(**ONE_STEP).fit(tmp_path / "pairs.csv")
    assert set("01234567") <= set(model.codec_.vocabulary.tokens)
    assert model.n_groups_ == 3
    assert model.score(tmp_path / "pairs.csv") <= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": ["do"] * 3 + ["do mi so " * 30]}, r"y, position 3 \(.*recording 3\): expected a transcript"),
        ({"y": ["do", "mi", " ", "so"]}, "y, position 2: expected a text, got ' '"),
        ({"y": ["do"] * 3}, "expected 4 transcripts, one for each recording, got 3"),
        ({"y": None}, "y: expected transcripts, got none"),
        ({"y": ["do", None, "mi", "so"]}, "y, position 1"),
        ({"y": "do"}, "Transcriber y"),
        ({"alphabet": "dom"}, r"y, position 1: expected characters of the alphabet, got 'i'"),
        ({"X": [np.zeros(0)] * 4}, "expected samples, got none"),
        ({"X": [np.zeros(150)] * 4}, "expected at least 200 samples, 25 ms, got 150"),
        ({"X": [np.full(900, np.nan)] * 4}, "expected finite numbers, got nan at sample 0"),
        ({"X": [Recording(np.ones(4000), rate) for rate in (8000, 8000, 16000, 8000)]}, "expected 8,000"),
    ],
)
def test_pairs_that_cannot_be_learned_from_are_refused(change: dict[str, Any], message: str) -> None:
    """In a sentence that names the first."""
    rng = np.random.default_rng(0)
    arguments = {"X": [rng.normal(size=3000) for _ in range(4)], "y": ["do", "mi", "do so", "so"]}
    settings = {name: value for name, value in change.items() if name == "alphabet"}
    arguments |= {name: value for name, value in change.items() if name != "alphabet"}
    with pytest.raises(DataError, match=message):
        Transcriber(**ONE_STEP, **settings).fit(arguments["X"], arguments["y"])


def test_a_cut_file_is_refused_and_seven_channels_are_averaged(tmp_path: Path) -> None:
    """With a note in the summary."""
    rng = np.random.default_rng(0)
    wavfile.write(tmp_path / "a.wav", 8000, rng.normal(size=4000).astype(np.float32))
    cut = tmp_path / "cut.wav"
    cut.write_bytes((tmp_path / "a.wav").read_bytes()[:30])
    with pytest.raises(DataError, match=r"cut\.wav: expected a whole wav file"):
        Transcriber(**ONE_STEP).fit([str(cut)] * 2, ["do", "mi"])
    seven = [rng.normal(size=(4000, 7)), rng.normal(size=4000)]
    model = Transcriber(**ONE_STEP).fit(seven, ["do", "mi"])
    assert "Channels of 1 recording averaged, up to 7" in str(model.summary())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alphabet": " "}, "alphabet: expected a text of characters"),
        ({"alphabet": "ab", "unit": "word"}, "alphabet: unit='word' has no alphabet of its own"),
        ({"vocabulary": 9}, "vocabulary: unit='char' has all characters of the transcripts"),
        ({"unit": "phone"}, "unit: expected"),
        ({"patience": 2}, "patience: validation_fraction=None holds nothing out"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    """Before anything is read."""
    with pytest.raises(ArgumentError, match=message):
        Transcriber(rate=8000, **settings).fit([np.ones(4000)], ["do"])


def test_arguments_of_the_decoding_are_checked(transcriber: Transcriber, sentences: Sentences) -> None:
    """And nothing is written before a fit."""
    with pytest.raises(ArgumentError, match="beam: expected"):
        transcriber.predict(sentences.waves[:1], beam=0)
    with pytest.raises(ArgumentError, match="expected a fitted LanguageModel with unit='char', got str"):
        transcriber.predict(sentences.waves[:1], language_model="model")
    with pytest.raises(NotFittedError):
        Transcriber().predict(sentences.waves)
    with pytest.raises(DataError, match="expected 8,000 samples a second"):
        transcriber.predict([Recording(np.ones(4000), 16000)])


def test_an_interrupted_training_resumes(sentences: Sentences, tmp_path: Path) -> None:
    """To the weights of one that was never stopped."""
    waves, texts = sentences.waves[:16], sentences.texts[:16]
    settings = ONE_STEP | {"max_epochs": 3}
    whole = Transcriber(**settings).fit(waves, texts)

    def stop(record: dict[str, Any]) -> None:
        if record["epoch"] == 2:
            raise KeyboardInterrupt

    Transcriber(**settings).fit(waves, texts, checkpoint=tmp_path / "c", callbacks=[stop])
    resumed = Transcriber(**settings).fit(waves, texts, checkpoint=tmp_path / "c")
    for one, other in zip(whole.networks_[0].parameters(), resumed.networks_[0].parameters(), strict=True):
        assert np.array_equal(one.detach(), other.detach())


def _speak(texts: list[str], folder: Path) -> list[Recording]:
    """Let espeak-ng speak texts at four speeds, or skip where it is not installed."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed: apt-get install espeak-ng")
    recordings = []
    for k, text in enumerate(texts):
        path, speed = folder / "spoken.wav", str(150 + k % 4 * 20)
        subprocess.run(["espeak-ng", "-v", "en-us", "-s", speed, "-w", str(path), text], check=True)
        recordings.append(read_recording(path).resampled(8000))
    return recordings


def test_synthetic_speech_of_few_words_is_written(tmp_path: Path) -> None:
    """Of sentences that were never heard, made of four words, at most one character in six is wrong."""
    rng = np.random.default_rng(0)
    lists = (rng.choice(["yes", "no", "stop", "go"], rng.integers(1, 4)) for _ in range(400))
    texts = sorted(dict.fromkeys(map(" ".join, lists)))
    rng.shuffle(texts)
    unseen, heard = texts[:8], [texts[8 + k % (len(texts) - 8)] for k in range(128)]
    settings = SMALL | {"hidden_size": 32, "max_epochs": 30, "n_bands": 20, "batch_size": 8}
    model = Transcriber(**settings, dropout=0.0, augmentation=False)
    rates = model.fit(_speak(heard, tmp_path), heard).score_texts(_speak(unseen, tmp_path), unseen)
    assert rates.character_error_rate <= 1 / 6


@pytest.mark.slow
def test_synthetic_speech_is_written_down(tmp_path: Path) -> None:
    """Sentences of digits that were never heard, at four speeds: at most one character in twenty is wrong."""
    rng = np.random.default_rng(0)
    digits = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    texts = [" ".join(rng.choice(digits, rng.integers(1, 5))) for _ in range(270)]
    recordings = _speak(texts, tmp_path)
    model = Transcriber(**SMALL | {"hidden_size": 48, "max_epochs": 25}).fit(recordings[:240], texts[:240])
    unseen = [k for k in range(240, 270) if texts[k] not in texts[:240]]
    rates = model.score_texts([recordings[k] for k in unseen], [texts[k] for k in unseen])
    assert rates.character_error_rate <= 0.05
