"""A training is counted in epochs, averages its last half, and takes pairs of like length together."""

import numpy as np
import pytest
import torch

from unrolled.models.text.translation.dataset import PairDataset
from unrolled.models.text.translation.network import TranslationConfig
from unrolled.models.text.translation.training import fit_translation_network, translation_training_config
from unrolled.train.config import Monitor

SETTINGS = {"patience": None, "learning_rate": 1e-2, "seed": 0}


@pytest.mark.parametrize(
    ("n_pairs", "batch_size", "epochs"), [(29_000, 64, 8), (3_000, 64, 26), (200, 12, 60), (5, 5, 60)]
)
def test_few_pairs_train_for_more_epochs(n_pairs: int, batch_size: int, epochs: int) -> None:
    """And in smaller batches."""
    config = translation_training_config(n_pairs, max_epochs=None, batch_size=64, **SETTINGS)
    assert config.batch_size == batch_size
    assert config.max_steps == epochs * config.val_check_steps


def test_the_last_half_is_averaged() -> None:
    """Mostly over a twentieth of the steps."""
    config = translation_training_config(640, max_epochs=20, batch_size=40, **SETTINGS)
    assert config.averaging is not None
    assert config.max_steps == 320
    assert config.averaging.start_step == 160
    assert config.averaging.decay == pytest.approx(1 - 1 / 16)


def test_training_repeats_with_its_seed_and_validates() -> None:
    """To the bit; held-out pairs are scored after each epoch."""
    rng = np.random.default_rng(0)
    sources = [rng.integers(1, 7, rng.integers(1, 6)) for _ in range(40)]
    dataset = PairDataset.from_tokens(sources, [tokens[::-1].copy() for tokens in sources], end=7)
    config = translation_training_config(30, max_epochs=2, batch_size=8, **SETTINGS)
    runs = [
        fit_translation_network(
            dataset, TranslationConfig(n_tokens=8, hidden_size=6, embedding_size=4, dropout=0.2), config,
            label_smoothing=0.1, validation_mask=np.arange(40) < 10, device="cpu",
            monitor=Monitor(verbose=False),
        )
        for _ in range(2)
    ]  # fmt: skip
    one, other = (run.networks[0] for run in runs)
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), other.parameters(), strict=True))
    losses = [record.validation_loss for record in runs[0].history.records]
    assert len(losses) == 2
    assert all(loss is not None and np.isfinite(loss) for loss in losses)
