"""Trainings of texts are counted in epochs, and their batches hold texts of like length."""

from pathlib import Path

import numpy as np

from unrolled.data.text.vectors import WordVectors
from unrolled.models.text.classifier import TextClassifier
from unrolled.models.text.training import text_training_config

SETTINGS = {"least_epochs": 4, "patience": None, "learning_rate": 1e-3, "seed": 0}


def test_few_texts_take_more_epochs() -> None:
    """400 steps, at most 50 epochs; from 6,400 texts on four epochs."""
    counts = {
        n: text_training_config(n, max_epochs=None, batch_size=64, **SETTINGS)
        for n in (20, 1000, 6400, 50_000)
    }
    epochs = {n: config.max_steps // config.val_check_steps for n, config in counts.items()}
    assert epochs == {20: 50, 1000: 24, 6400: 4, 50_000: 4}
    assert counts[1000].batch_size == 62


def test_a_training_validates_and_keeps_the_best_epoch(reviews: tuple[list[str], list[str]]) -> None:
    """Where a part is held out; the sentence says so."""
    model = TextClassifier(
        hidden_size=4, embedding_size=4, n_buckets=64, n_members=1, max_epochs=3, validation_fraction=0.2
    ).fit(*reviews)
    assert len(model.history_.records) == 3
    assert all(record.validation_loss is not None for record in model.history_.records)
    assert "held-out sequences" in model.stopping_reason_


def test_the_users_vectors_are_read_by_every_network(
    reviews: tuple[list[str], list[str]], tmp_path: Path
) -> None:
    """Row 0 stays zero: words without a vector."""
    words = WordVectors(("warm", "zebra"), np.array([[1, 2], [3, 4]], dtype=np.float32))
    path = tmp_path / "vectors.txt"
    path.write_text("warm 1 2\nzebra 3 4\n")
    model = TextClassifier(
        hidden_size=4, embedding_size=4, n_buckets=0, n_members=2, max_epochs=1, vectors=path
    ).fit(*reviews)
    for network in model.networks_:
        assert network.embedding.vectors.tolist() == [[0, 0], *words.vectors.tolist()]
    assert model.predict_proba(["zebra", "zebras"]).round(6).tolist()[0] != [0.5, 0.5]
    path.unlink()  # a saved model holds its vectors
    again = TextClassifier.load(model.save(tmp_path / "model"))
    assert np.array_equal(again.predict_proba(["zebra", "warm"]), model.predict_proba(["zebra", "warm"]))
