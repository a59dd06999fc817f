"""Estimators of sequences on clips of frames: a convolution a frame, then the recurrent core."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unrolled import (
    ArgumentError,
    DataError,
    SequenceClassifier,
    SequenceRegressor,
    Sequences,
    SequenceTagger,
    probe,
)

SMALL: dict[str, Any] = {"hidden_size": 6, "n_members": 1, "max_epochs": 2, "stem": False}
RNG = np.random.default_rng(0)


def growing(n: int, side: int = 12, steps: int = 5) -> tuple[Any, Any]:
    """Clips of a square that grows or shrinks, and which of the two."""
    rng = np.random.default_rng(1)
    grows = rng.integers(0, 2, n)
    clips = np.zeros((n, steps, side, side), np.uint8)
    for clip, is_up in zip(clips, grows, strict=True):
        row, column = rng.integers(0, side - 6, 2)
        for t, frame in enumerate(clip):
            size = 1 + (t if is_up else steps - 1 - t)
            frame[row : row + size, column : column + size] = 200
    return clips, np.where(grows, "grows", "shrinks")


def test_what_is_in_no_single_frame_is_learned() -> None:
    """Whether a square grows; clips of other lengths are classified too."""
    X, y = growing(60)
    model = SequenceClassifier(hidden_size=16, n_members=1, max_epochs=40, stem=False, learning_rate=1e-2)
    model.fit(X, y)
    assert model.score(X, y) > 0.95
    unseen, truth = growing(90)
    assert model.score(unseen[60:], truth[60:]) > 0.9
    assert model.score([clip[:4] for clip in unseen[60:]], truth[60:]) > 0.8


def test_arrays_lists_and_sequences_are_read_alike() -> None:
    """In their own type; a clip has the same answer alone and among others, padded or not."""
    X, y = growing(12)
    model = SequenceClassifier(**SMALL).fit(X, y)
    expected = model.predict_proba(X)
    for same in (list(X), X[:, :, None], Sequences.from_arrays(list(X), dtype=np.uint8)):
        assert np.allclose(model.predict_proba(same), expected, atol=1e-5)
    assert np.allclose(model.predict_proba([X[3]]), expected[3], atol=1e-5)
    ragged = [X[0], X[1][:2], X[2][:3]]
    alone = np.concatenate([model.predict_proba([clip]) for clip in ragged])
    assert np.allclose(model.predict_proba(ragged), alone, atol=1e-5)
    padded = np.zeros((3, 5, 12, 12), np.uint8)
    for row, clip in zip(padded, ragged, strict=True):
        row[: len(clip)] = clip
    assert np.allclose(model.predict_proba(padded, lengths=[5, 2, 3]), alone, atol=1e-5)


def test_the_scale_is_measured_on_what_is_trained_on() -> None:
    """A channel each; bytes and floats of the same picture are the same to the network."""
    X, y = growing(12)
    colour = np.stack([X, X * 0 + 7, X // 2], 2)  # (N, T, 3, H, W)
    model = SequenceClassifier(**SMALL).fit(colour, y)
    assert np.allclose(model.scaler_.mean, colour.mean((0, 1, 3, 4), dtype=float))
    assert model.scaler_.scale[1] == 1.0
    assert model.network_config_.frame_shape == (3, 12, 12)
    assert model.n_features_in_ == 3 * 12 * 12
    floats = SequenceClassifier(**SMALL).fit(colour / 255.0, y)
    assert np.allclose(floats.predict_proba(colour / 255.0), model.predict_proba(colour), atol=1e-3)


def test_every_kind_of_network_reads_frames() -> None:
    """Cells, both directions, the stem of changes, a reservoir, a flat vector."""
    X, y = growing(16)
    for change in (
        {"cell": "lstm"}, {"cell": "rnn"}, {"cell": "feedforward"}, {"bidirectional": True}, {"stem": True},
        {"solver": "reservoir", "max_epochs": None, "hidden_size": 20}, {"pooling": "attention"},
    ):  # fmt: skip
        model = SequenceClassifier(**SMALL | change).fit(X, y)
        assert np.allclose(model.predict_proba(X).sum(1), 1), change
        assert "frames of 1 x 12 x 12" in dict(model.summary())["Reads"]


def test_numbers_and_steps_are_predicted() -> None:
    """By a regressor and by a tagger."""
    X, _ = growing(16)
    numbers = X[:, -1].mean((1, 2), dtype=float)
    regressor = SequenceRegressor(**SMALL | {"max_epochs": 25, "learning_rate": 2e-2}).fit(X, numbers)
    assert regressor.score(X, numbers) > 0.5
    tags = [(clip.sum((1, 2)) > 1500).astype(int).tolist() for clip in X]
    tagger = SequenceTagger(**SMALL | {"max_epochs": 25, "learning_rate": 2e-2}).fit(X, tags)
    assert tagger.score(X, tags) > 0.8


def test_weights_count_as_copies() -> None:
    """And a saved model answers the same, to the bit."""
    X, y = growing(10)
    weights = np.array([2] + [1] * 9)
    weighted = SequenceClassifier(**SMALL).fit(X, y, sample_weight=weights)
    copied = SequenceClassifier(**SMALL).fit(np.concatenate([X, X[:1]]), [*y, y[0]])
    assert np.array_equal(weighted.predict_proba(X), copied.predict_proba(X))


def test_a_saved_model_answers_the_same(tmp_path: Path) -> None:
    """Its card describes the frames; a training resumes from its checkpoint."""
    X, y = growing(12)
    model = SequenceClassifier(**SMALL).fit(X, y, checkpoint=tmp_path / "run")
    back = SequenceClassifier.load(model.save(tmp_path / "model"))
    assert np.array_equal(back.predict_proba(X), model.predict_proba(X))
    assert "frames of 12 x 12, uint8" in (tmp_path / "model" / "README.md").read_text()
    again = SequenceClassifier(**SMALL).fit(X, y, checkpoint=tmp_path / "run")
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))


def test_probes_ask_of_frames_what_they_ask_of_steps() -> None:
    """Order, memory and states; the network that is trained again reads frames as well."""
    X, y = growing(48)
    model = SequenceClassifier(hidden_size=8, n_members=1, max_epochs=12, stem=False).fit(X[:24], y[:24])
    order = probe.order(model, X[24:], y[24:], repeats=19, folds=3)
    assert order.sequences == 24
    assert order.retrained is not None
    assert order.retrained.sequences == 24
    memory = probe.memory(model, X[24:], y[24:])
    assert memory.sentence
    states = probe.states(model, X[24:25])
    assert states.state.shape == (5, 8)


BAD: dict[str, tuple[dict[str, Any], Any, str]] = {
    "differing sizes": ({}, [np.zeros((2, 8, 8)), np.zeros((2, 8, 9))], "clip 1: expected frames of 8 x 8"),
    "bytes beside floats": (
        {},
        [np.zeros((2, 8, 8), np.uint8), np.zeros((2, 8, 8))],
        "clip 1: expected uint8",
    ),
    "zero frames": ({}, [np.zeros((2, 8, 8)), np.zeros((0, 8, 8))], "clip 1: expected at least one frame"),
    "NaN": ({}, [np.full((2, 8, 8), np.nan)] * 2, "clip 0, frame 0: expected numbers .* got NaN"),
    "channels unclear": ({}, np.zeros((2, 4, 3, 8, 3)), "clip 0: .* which may be either"),
    "a layout": ({"layout": "nct"}, np.zeros((2, 4, 8, 8)), "layout='nct' says, got frames"),
    "gaps": ({"missing": "mask"}, np.zeros((2, 4, 8, 8)), "missing='mask' says, got frames"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_clips_are_refused_in_one_sentence(name: str) -> None:
    """The message begins with the argument and places the fault."""
    settings, X, sentence = BAD[name]
    with pytest.raises(DataError, match=sentence) as caught:
        SequenceClassifier(**settings).fit(X, ["a", "b"])
    assert str(caught.value).startswith("SequenceClassifier X")
    assert "\n" not in str(caught.value)


def test_frames_of_another_range_than_those_fitted_on_are_refused(tmp_path: Path) -> None:
    """Bytes up to 255 and floats up to 1 are different pictures to a network, also to a loaded one."""
    X, y = growing(12)
    model = SequenceClassifier(**SMALL).fit(X, y)
    back = SequenceClassifier.load(model.save(tmp_path / "model"))
    for fitted in (model, back):
        with pytest.raises(DataError, match="SequenceClassifier X: expected uint8, as in fit, got float64"):
            fitted.predict(X / 255.0)
    of_floats = SequenceClassifier(**SMALL).fit(X / 255.0, y)
    assert len(of_floats.predict((X / 255.0).astype(np.float32))) == 12
    with pytest.raises(DataError, match="expected float64, as in fit, got uint8"):
        of_floats.predict(X)


def test_a_single_clip_is_refused_with_the_way_to_give_it() -> None:
    """An array of three axes is a table of sequences elsewhere."""
    X, y = growing(12)
    model = SequenceClassifier(**SMALL).fit(X, y)
    with pytest.raises(DataError, match=r"got features\. A single clip is given as \[x\]"):
        model.predict(X[0])
    assert model.predict([X[0]]) == model.predict(X)[:1]


def test_a_clip_of_one_frame_is_a_sequence_of_one_step() -> None:
    """A frame that is given without its axis of time is refused where frames were fitted on."""
    X, y = growing(12)
    model = SequenceClassifier(**SMALL).fit(X[:, :1], y)
    assert model.predict(X[:2, :1]).shape == (2,)
    with pytest.raises(DataError, match="expected frames of 1 x 12 x 12, as in fit, got features"):
        model.predict(list(X[0, :2]))
    with pytest.raises(
        DataError, match="expected frames of 1 x 12 x 12, as in fit, got frames of 3 x 12 x 12"
    ):
        model.predict(np.zeros((2, 5, 3, 12, 12), np.uint8))
    table = SequenceClassifier(**SMALL).fit(RNG.normal(size=(12, 5, 2)), y)
    with pytest.raises(DataError, match="expected features, as in fit, got frames of 1 x 12 x 12"):
        table.predict(X)


def test_frames_have_no_stream_yet() -> None:
    """The sentence says what to do."""
    X, y = growing(12)
    with pytest.raises(ArgumentError, match="frames are not stepped yet"):
        SequenceClassifier(**SMALL).fit(X, y).stream()
