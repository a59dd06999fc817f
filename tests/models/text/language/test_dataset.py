"""StreamDataset: windows go on where the last ended, documents reset the state, every target counts once."""

import pytest
import torch
from torch import Tensor

from unrolled.data.text.language.codec import END
from unrolled.models.text.language.dataset import NO_TARGET, StreamBatch, StreamDataset


def _tokens(n: int = 101) -> Tensor:
    return torch.cat([torch.tensor([END]), torch.arange(10, 10 + n - 1)])


def _all_batches(data: StreamDataset) -> list[StreamBatch]:
    return [data.batch(rows) for rows in torch.arange(len(data)).split(data.n_streams)]


@pytest.mark.parametrize(("n_streams", "window"), [(1, 200), (3, 7), (7, 4)])
def test_validation_predicts_every_token_once(n_streams: int, window: int) -> None:
    """In order in each stream; what is missing at the end has no target."""
    data = StreamDataset(_tokens(), n_streams=n_streams, window=window, is_training=False)
    batches = _all_batches(data)
    targets = torch.cat([batch.targets for batch in batches])
    inputs = torch.cat([batch.tokens for batch in batches])
    flat = targets.t().flatten()
    assert flat[flat != NO_TARGET].tolist() == list(range(10, 110))
    has_next = targets[1:] != NO_TARGET
    assert torch.equal(inputs[1:][has_next], targets[:-1][has_next])


@pytest.mark.parametrize(("n_streams", "window"), [(1, 200), (3, 7), (7, 4), (2, 4)])
def test_training_windows_go_on_where_the_last_ended(n_streams: int, window: int) -> None:
    """Each pass begins and is cut elsewhere; no window is empty, and no token comes twice."""
    torch.manual_seed(0)
    data = StreamDataset(_tokens(), n_streams=n_streams, window=window, is_training=True)
    starts, cuts = set(), set()
    for _ in range(5):
        batches = _all_batches(data)
        lengths = [len(batch.tokens) for batch in batches]
        assert min(lengths) >= 1
        assert sum(lengths) == 100 // n_streams
        tokens = torch.cat([batch.tokens for batch in batches])
        assert len(tokens.unique()) == tokens.numel()
        targets = torch.cat([batch.targets for batch in batches])
        goes_on = tokens[1:] != END  # the text begins anew behind its last target
        assert torch.equal(tokens[1:][goes_on], targets[:-1][goes_on])
        starts.add(int(tokens[0, 0]))
        cuts.add(tuple(lengths))
    assert len(starts) > 1
    assert len(cuts) > 1 or data.n_windows == 1


def test_the_state_is_reset_where_a_document_begins() -> None:
    """Wherever END is read; without one there are no resets."""
    tokens = torch.tensor([END, 5, 6, END, 7, 8, END])
    (batch,) = _all_batches(StreamDataset(tokens, n_streams=1, window=6, is_training=False))
    assert batch.resets.tolist() == [[True, False, False, True, False, False]]
    assert batch.targets[:, 0].tolist() == [5, 6, END, 7, 8, END]
    later = StreamDataset(_tokens(), n_streams=1, window=50, is_training=False)
    assert later.batch(torch.tensor([1])).resets is None


def test_windows_are_drawn_from_the_random_state() -> None:
    """Equal seeds give equal windows, so that a training resumes to the same result."""
    data = StreamDataset(_tokens(), n_streams=3, window=7, is_training=True)
    lengths = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        lengths.append([len(batch.tokens) for batch in _all_batches(data)])
    assert lengths[0] == lengths[1] != lengths[2]


def test_a_fingerprint_is_of_text_and_settings() -> None:
    """Others have another one."""
    data = StreamDataset(_tokens(), n_streams=3, window=7, is_training=True)
    others = [
        data.fingerprint("b"),
        StreamDataset(_tokens(100), n_streams=3, window=7, is_training=True).fingerprint("a"),
        StreamDataset(_tokens(), n_streams=4, window=7, is_training=True).fingerprint("a"),
    ]
    assert len({data.fingerprint("a"), *others}) == 4
