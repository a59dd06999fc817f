"""Training of language models: streams of documents, what is held out, epochs by the length of the text."""

import pytest
import torch

from unrolled.data.text.language.codec import END, LanguageCodec
from unrolled.models.text.language.network import LanguageNetwork, LanguageNetworkConfig
from unrolled.models.text.language.training import (
    fit_language_network,
    hold_out,
    language_training_config,
    stopping_words,
    token_stream,
)
from unrolled.train.config import Monitor
from unrolled.train.history import History, TrainingRecord


def _config(n_tokens: int, **settings: object) -> tuple[int, int, int, int]:
    usual = {"window": 96, "batch_size": None, "max_epochs": None, "patience": None, "seed": 0}
    config, n_streams, window = language_training_config(n_tokens, learning_rate=1e-3, **usual | settings)
    return config.max_steps // config.val_check_steps, config.max_steps, n_streams, window


def test_documents_begin_with_an_end_and_a_running_text_has_none() -> None:
    """The end of a document is a target where there are several."""
    codec = LanguageCodec.learn(["ab", "ba"], "char")
    a, b = codec.encode("ab").positions.tolist()
    assert token_stream(["ab", "b"], codec, has_ends=True).tolist() == [END, a, b, END, b, END]
    assert token_stream(["ab"], codec, has_ends=False).tolist() == [END, a, b]


def test_the_end_of_a_running_text_is_held_out() -> None:
    """A twentieth, of short texts up to a fifth; nothing of very short ones."""
    for length, held_out in ((300_000, 0), (100_000, 5_000), (5_000, 500), (1_000, 200), (200, 0)):
        text = "".join(chr(97 + k % 26) for k in range(length))
        training, validation = hold_out([text], None, 0, are_documents=False)
        assert sum(map(len, validation)) == held_out
        assert "".join([*training, *validation]) == text
    assert hold_out(["a" * 5000], 0.0, 0, are_documents=False)[1] == []


def test_documents_are_held_out_whole() -> None:
    """Drawn by the seed; the only document is not."""
    documents = [f"document {k}" * 10 for k in range(40)]
    training, validation = hold_out(documents, 0.25, 0, are_documents=True)
    assert (len(training), len(validation)) == (30, 10)
    assert sorted([*training, *validation]) == sorted(documents)
    assert hold_out(documents, 0.25, 1, are_documents=True)[1] != validation
    assert hold_out(documents[:1] * 1, 0.25, 0, are_documents=True) == (documents[:1], [])


@pytest.mark.parametrize("n_tokens", [1, 2, 7, 50, 1_000, 20_000, 3_000_000])
def test_any_length_has_a_training(n_tokens: int) -> None:
    """Streams and windows fit into the text; short texts have more epochs, shorter windows, fewer streams."""
    epochs, steps, n_streams, window = _config(n_tokens)
    assert 1 <= n_streams <= 16
    assert n_streams <= max(1, n_tokens // 2)
    assert 4 <= epochs <= 80
    assert steps >= epochs
    assert 16 <= window <= 96
    if n_tokens >= 20_000:
        assert steps >= 600


def test_what_the_user_gives_counts() -> None:
    """Epochs, streams and windows."""
    assert _config(1_000_000, max_epochs=2, batch_size=8, window=50)[0] == 2
    assert _config(1_000_000, max_epochs=2, batch_size=8, window=50)[2:] == (8, 50)
    assert _config(10, batch_size=64)[2] == 5


@pytest.mark.parametrize("n_tokens", [2, 3, 9, 40])
def test_texts_shorter_than_a_window_are_learned(n_tokens: int) -> None:
    """With and without a validation text that is as short."""
    settings = {"window": 96, "batch_size": None, "max_epochs": 2, "patience": None, "seed": 0}
    config, n_streams, window = language_training_config(n_tokens, learning_rate=1e-3, **settings)
    tokens = torch.cat([torch.tensor([END]), 2 + torch.arange(n_tokens) % 3])
    for validation in (None, tokens[:2]):
        ensemble = fit_language_network(
            tokens, validation, LanguageNetworkConfig(n_tokens=5, embedding_size=3, hidden_size=4), config,
            n_streams=n_streams, window=window, device="cpu", monitor=Monitor(),
        )  # fmt: skip
        assert isinstance(ensemble.networks[0], LanguageNetwork)
        assert len(ensemble.history.records) == 2


def test_the_reason_for_the_epochs_is_said() -> None:
    """Held out or not, early or interrupted."""
    records = tuple(TrainingRecord(k, k, 1.0, 2.0 - k if k < 2 else 3.0, 0.1, 0.1) for k in (1, 2))
    assert stopping_words(History(records, 1, "early", 1.0, "epoch"), 1200) == (
        "Epoch 1 of 2 was the best on 1,200 held-out tokens; none of the next was better."
    )
    assert "all of them ran" in stopping_words(History(records, 2, "finished", 1.0, "epoch"), 1200)
    assert "Interrupted by Ctrl-C after 2 epochs" in stopping_words(
        History(records, 1, "interrupted", 1.0, "epoch"), 0
    )
    assert "Nothing was held out" in stopping_words(History(records, 2, "finished", 1.0, "epoch"), 0)
