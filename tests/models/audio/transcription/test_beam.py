"""Prefix beam search: the likeliest transcript of all, counted by hand."""

from itertools import groupby, product

import numpy as np
import pytest

from unrolled.models.audio.transcription.beam import BeamSearch


def _exhaustive(probabilities: np.ndarray) -> dict[tuple[int, ...], float]:
    """Add up the probabilities of all paths of each transcript."""
    T, K = probabilities.shape
    totals: dict[tuple[int, ...], float] = {}
    for path in product(range(K), repeat=T):
        tokens = tuple(token for token, _ in groupby(path) if token)
        p = float(np.prod(probabilities[np.arange(T), path]))
        totals[tokens] = totals.get(tokens, 0.0) + p
    return totals


@pytest.mark.parametrize("seed", range(6))
def test_a_wide_beam_finds_the_likeliest_of_all_transcripts(seed: int) -> None:
    """Of 4 ** 6 paths, which are all counted."""
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(4) * 0.7, 6)
    totals = _exhaustive(probabilities)
    search = BeamSearch(1000)
    search.read(probabilities)
    assert tuple(written.token for written in search.best()) == max(totals, key=totals.__getitem__)


def test_a_sum_of_paths_beats_the_best_path() -> None:
    """Blank twice is the likeliest path, but one token has three paths."""
    probabilities = np.array([[0.6, 0.4], [0.6, 0.4]])
    search = BeamSearch(2)
    search.read(probabilities)
    assert [written.token for written in search.best()] == [1]


def test_outputs_are_read_in_pieces() -> None:
    """To the same transcript, whose tokens name the outputs that wrote them."""
    probabilities = np.full((9, 3), 0.02)
    probabilities[np.arange(9), [0, 1, 1, 0, 0, 1, 0, 2, 0]] = 0.96
    whole, parts = BeamSearch(4), BeamSearch(4)
    whole.read(probabilities)
    for part in np.split(probabilities, [2, 3, 7]):
        parts.read(part)
    assert whole.best() == parts.best()
    assert [(written.token, written.start) for written in whole.best()] == [(1, 1), (1, 5), (2, 7)]


def test_no_outputs_are_an_empty_transcript() -> None:
    """Before anything is read."""
    assert BeamSearch(3).best() == []


def test_a_long_recording_keeps_few_prefixes() -> None:
    """Those that no hypothesis begins with are forgotten."""
    probabilities = np.random.default_rng(0).dirichlet(np.ones(5), 300)
    search = BeamSearch(3)
    search.read(probabilities)
    n_tokens, node = 0, next(iter(search._hypotheses))
    while node.parent is not None:
        node, n_tokens = node.parent, n_tokens + 1
        assert len(node.extensions) <= 3
    assert n_tokens > 50
