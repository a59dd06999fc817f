"""AudioClassifier learns sounds, works in scikit-learn, and refuses what it cannot read."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.io import wavfile
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV, cross_val_score

from unrolled.data.audio.read import read_recordings
from unrolled.data.audio.recording import Recording
from unrolled.errors import ArgumentError, DataError, ModelLoadError, NotFittedError
from unrolled.models.audio.classifier import AudioClassifier

from .conftest import SMALL, Chirps

QUICK: dict[str, Any] = SMALL | {"hidden_size": 4, "max_epochs": 1}


def test_rising_and_falling_tones_are_told_apart(
    fitted_on_chirps: AudioClassifier, unseen_chirps: Chirps
) -> None:
    """Their frames are the same but for the order: a bag of them would be right on one in two."""
    assert fitted_on_chirps.score(unseen_chirps.waves, unseen_chirps.labels) > 0.9
    probabilities = fitted_on_chirps.predict_proba(unseen_chirps.waves)
    assert probabilities.sum(1) == pytest.approx(1)
    classes = fitted_on_chirps.classes_[probabilities.argmax(1)]
    assert np.array_equal(fitted_on_chirps.predict(unseen_chirps.waves), classes)


def test_loudness_and_offset_change_little(fitted_on_chirps: AudioClassifier, unseen_chirps: Chirps) -> None:
    """A fifth or five times the level, and a constant beside."""
    expected = fitted_on_chirps.predict_proba(unseen_chirps.waves)
    for factor in (0.2, 5.0):
        louder = [factor * wave + 0.1 for wave in unseen_chirps.waves]
        assert fitted_on_chirps.predict_proba(louder) == pytest.approx(expected, abs=1e-3)


def test_a_recording_has_the_same_bits_alone(fitted_on_chirps: AudioClassifier, chirps: Chirps) -> None:
    """And among others, in any order."""
    together = fitted_on_chirps.predict_proba(chirps.waves[:9])
    alone = [fitted_on_chirps.predict_proba([wave])[0] for wave in chirps.waves[:9]]
    assert np.array_equal(together, alone)
    assert np.array_equal(fitted_on_chirps.predict_proba(chirps.waves[8::-1]), together[::-1])


def test_no_score_depends_on_what_comes_later(fitted_on_chirps: AudioClassifier, chirps: Chirps) -> None:
    """Frames of the beginning are the same whatever follows, also something loud."""
    wave = chirps.waves[0]
    longer = np.concatenate([wave, 9 * np.random.default_rng(0).normal(size=4000)])
    short, long = (fitted_on_chirps.normalized_frames([w]).values for w in (wave, longer))
    assert np.array_equal(long[: len(short)], short)


def test_a_saved_model_predicts_the_same(
    fitted_on_chirps: AudioClassifier, chirps: Chirps, tmp_path: Path
) -> None:
    """To the bit, and without code; another estimator refuses it."""
    folder = fitted_on_chirps.save(tmp_path / "model")
    assert {path.suffix for path in folder.iterdir()} == {".safetensors", ".json", ".md"}
    again = AudioClassifier.load(folder)
    assert np.array_equal(again.predict_proba(chirps.waves), fitted_on_chirps.predict_proba(chirps.waves))
    assert again.summary() == fitted_on_chirps.summary()
    from unrolled.models.text.classifier import TextClassifier

    with pytest.raises(ModelLoadError, match="expected a TextClassifier"):
        TextClassifier.load(folder)


def test_the_summary_says_whether_speakers_were_given(
    fitted_on_chirps: AudioClassifier, chirps: Chirps
) -> None:
    """And how the sound is read."""
    facts = dict(fitted_on_chirps.summary())
    assert facts["Speakers"] == "4 groups"
    assert "8,000 samples a second as 40 log-mel bands every 10 ms" in facts["Reads"]
    without = AudioClassifier(**QUICK).fit(chirps.waves, chirps.labels)
    assert "a random split then tests voices that the model has heard" in dict(without.summary())["Speakers"]


def test_a_background_is_a_label_of_y(chirps: Chirps, tmp_path: Path) -> None:
    """It shapes the training, is saved with the model, and its length shapes no network."""
    X, y = chirps.waves[:12], [*chirps.labels[:11], "noise"]
    X = [*X[:11], np.random.default_rng(0).normal(0, 0.01, 40000)]
    with pytest.raises(ArgumentError, match=r"background: expected a label of y, got 'noice'.*'noise'"):
        AudioClassifier(**QUICK, background="noice").fit(X, y)
    for value in (np.array(["noise", "up"]), pd.NA, ["noise"]):
        with pytest.raises(ArgumentError, match="background: expected a label of y, got"):
            AudioClassifier(**QUICK, background=value).fit(X, y)
    model, plain = (AudioClassifier(**QUICK, background=name).fit(X, y) for name in ("noise", None))
    assert not np.array_equal(model.predict_proba(X), plain.predict_proba(X))
    assert model.network_config_.stem_stride == 1
    assert plain.context_ is None
    assert 15 < model.context_.window < 30
    assert AudioClassifier.load(model.save(tmp_path / "model")).context_ == model.context_
    assert "'noise'" in dict(model.summary())["Background"]


def test_folders_tables_and_recordings_are_read(chirps: Chirps, tmp_path: Path) -> None:
    """With the labels of the folders; seven channels are averaged with a note."""
    for i, (wave, label) in enumerate(zip(chirps.waves[:16], chirps.labels, strict=False)):
        (tmp_path / label).mkdir(exist_ok=True)
        samples = np.rint(wave / 2 * 32767).astype(np.int16)
        wavfile.write(
            tmp_path / label / f"{i:02}.wav", 8000, np.tile(samples[:, None], 7) if i == 0 else samples
        )
    read = read_recordings(tmp_path)
    settings = QUICK | {"rate": None}
    by_folder = AudioClassifier(**settings).fit(tmp_path)
    by_list = AudioClassifier(**settings).fit(list(read), read.labels)
    assert np.array_equal(by_folder.predict_proba(tmp_path), by_list.predict_proba(read))
    assert by_folder.score(tmp_path) == by_list.score(list(read), read.labels)
    assert dict(by_folder.summary())["Reading"] == "Channels of 1 recording averaged, up to 7 of them."
    paths = sorted(tmp_path.rglob("*.wav"))
    assert np.array_equal(by_folder.predict(paths), by_list.predict(read))


def test_rates_are_converted_only_when_told(fitted_on_chirps: AudioClassifier, chirps: Chirps) -> None:
    """Another rate than the model's is refused, in fit and in predict."""
    doubled = [Recording(wave, 8000).resampled(16000) for wave in chirps.waves[:6]]
    with pytest.raises(DataError, match="expected 8,000 samples a second, as the model has, got 16,000"):
        fitted_on_chirps.predict(doubled)
    with pytest.raises(DataError, match="expected 8,000"):
        AudioClassifier(**QUICK).fit(doubled, chirps.labels[:6])
    model = AudioClassifier(**QUICK | {"resample": True}).fit(doubled, chirps.labels[:6])
    assert (model.rate_, model.features_.rate) == (8000, 8000)
    assert "6 recordings of 16,000 Hz converted to 8,000 Hz" in dict(model.summary())["Reading"]
    mixed = [*doubled[:3], Recording(chirps.waves[3], 8000)]
    with pytest.raises(DataError, match="as the first has, got 8,000 in 1 recording"):
        AudioClassifier(**QUICK | {"rate": None}).fit(mixed, chirps.labels[:4])


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ([[0.0] * 800, [0.0] * 150], [0, 1], "recording 1: expected at least 200 samples, 25 ms, got 150"),
        ([[0.0] * 800, []], [0, 1], "recording 1: expected samples, got none"),
        ([[0.0] * 800, [np.nan] * 800], [0, 1], "recording 1: expected finite numbers, got nan"),
        ([["a"] * 800, [0.0] * 800], [0, 1], "expected numbers"),
        ([[0.0] * 800] * 2, [0], "expected 2"),
        ([[0.0] * 800] * 2, None, "expected labels, got none"),
        ([[0.0] * 800, [1.0] * 800], [0, 0], "expected at least two classes"),
        (3, [0, 1], "got int"),
    ],
)
def test_bad_recordings_and_labels_are_refused(X: Any, y: Any, message: str) -> None:
    """And the model stays unfitted."""
    model = AudioClassifier(**QUICK)
    with pytest.raises(DataError, match=message):
        model.fit(X, y)
    with pytest.raises(NotFittedError, match=r"Call fit\(recordings, y\) first"):
        model.predict([[0.0] * 800])


def test_parameters_out_of_range_are_refused_together(chirps: Chirps) -> None:
    """Each on its own line; arrays need a rate."""
    model = AudioClassifier(rate=10, n_bands=1, normalization="runing", hidden_size=0, patience=3)
    with pytest.raises(ArgumentError) as caught:
        model.fit(chirps.waves, chirps.labels)
    lines = str(caught.value).splitlines()
    assert len(lines) == 5
    assert "Did you mean 'running'?" in str(caught.value)
    with pytest.raises(ArgumentError, match="arrays have no rate of their own"):
        AudioClassifier().fit(chirps.waves, chirps.labels)
    with pytest.raises(DataError, match="like 'down', as in fit"):
        AudioClassifier(**QUICK).fit(chirps.waves, chirps.labels).score(chirps.waves[:1], [1])


def test_silence_and_constants_have_probabilities(fitted_on_chirps: AudioClassifier) -> None:
    """Nothing is divided by nothing."""
    silent = fitted_on_chirps.predict_proba([np.zeros(800), np.full(800, 0.5), np.zeros(80_000)])
    assert np.isfinite(silent).all()


def test_it_works_in_searches_and_cross_validation(chirps: Chirps) -> None:
    """scikit-learn's contract: clone, parameters, classifier."""
    quick = AudioClassifier(**QUICK)
    assert is_classifier(quick)
    assert clone(quick).get_params() == quick.get_params()
    waves, labels = chirps.waves[:16], chirps.labels[:16]
    assert cross_val_score(quick, waves, labels, cv=2).shape == (2,)
    search = GridSearchCV(quick, {"cell": ["gru", "lstm"]}, cv=2).fit(waves, labels)
    assert search.predict(waves[:1]).shape == (1,)


def test_a_seed_and_a_checkpoint_give_the_same_model(chirps: Chirps, tmp_path: Path) -> None:
    """The random changes go on as they would have; another seed is another model."""
    waves, labels = chirps.waves[:24], chirps.labels[:24]
    settings = QUICK | {"max_epochs": 3}
    whole = AudioClassifier(**settings).fit(waves, labels)

    def stop(record: dict[str, Any]) -> None:
        if record["epoch"] >= 2:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        AudioClassifier(**settings).fit(waves, labels, checkpoint=tmp_path / "c", callbacks=[stop])
    resumed = AudioClassifier(**settings).fit(waves, labels, checkpoint=tmp_path / "c")
    assert np.array_equal(resumed.predict_proba(waves), whole.predict_proba(waves))
    other = AudioClassifier(**settings | {"random_state": 1}).fit(waves, labels)
    assert not np.array_equal(other.predict_proba(waves), whole.predict_proba(waves))


def test_a_weight_of_two_is_two_copies(chirps: Chirps) -> None:
    """The same training, to the bit."""
    waves, labels = chirps.waves[:12], chirps.labels[:12]
    weighted = AudioClassifier(**QUICK).fit(waves, labels, sample_weight=[2.0] * 4 + [1.0] * 8)
    copied = AudioClassifier(**QUICK).fit(waves + waves[:4], labels + labels[:4])
    assert np.array_equal(weighted.predict_proba(waves), copied.predict_proba(waves))


@pytest.fixture(scope="module")
def usual(chirps: Chirps) -> AudioClassifier:
    """Fitted for one epoch; tests must not change it."""
    return AudioClassifier(**QUICK).fit(chirps.waves, chirps.labels, groups=chirps.voices)


@pytest.mark.parametrize(
    "change",
    [{"normalization": "recording"}, {"augmentation": False}, {"bidirectional": True}, {"n_bands": 24},
     {"cell": "lstm"}, {"pooling": "attention"}, {"class_weight": {"up": 9.0}}, {"label_smoothing": 0.0},
     {"validation_fraction": 0.5}, {"n_members": 2}],
)  # fmt: skip
def test_every_option_matters(change: dict[str, Any], usual: AudioClassifier, chirps: Chirps) -> None:
    """Each changes the model."""
    other = AudioClassifier(**QUICK | change).fit(chirps.waves, chirps.labels, groups=chirps.voices)
    one, two = (model.predict_proba(chirps.waves) for model in (usual, other))
    assert not np.allclose(one, two, atol=1e-4)


def test_tensors_hold_the_frames_that_the_networks_read(
    fitted_on_chirps: AudioClassifier, chirps: Chirps
) -> None:
    """Padded with zeros, as the probes read them."""
    values, lengths = fitted_on_chirps.tensors(chirps.waves[:3])
    frames = fitted_on_chirps.normalized_frames(chirps.waves[:3])
    assert lengths.tolist() == frames.lengths.tolist()
    start, end = frames.offsets[1:3]
    np.testing.assert_allclose(values[1, : end - start], frames.values[start:end], atol=1e-6)
    assert not values[1, end - start :].any()
    assert fitted_on_chirps.output_scale() == (0.0, 1.0)
    assert fitted_on_chirps.frame_s_ == 0.01
