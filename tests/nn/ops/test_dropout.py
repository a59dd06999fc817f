"""Masks of dropout keep the share that is asked for, by torch's generator alone."""

import pytest
import torch

from unrolled.nn.ops.dropout import draw_mask, dropout

LIKE = torch.empty(())


@pytest.mark.parametrize("keep", [0.05, 0.5, 0.7, 0.999])
@pytest.mark.parametrize("shape", [(50, 50), (300, 1001)])
def test_the_share_that_is_kept(keep: float, shape: tuple[int, int]) -> None:
    """Within four standard errors, in rows and columns alike."""
    torch.manual_seed(0)
    mask = draw_mask(shape, keep, LIKE)
    assert mask.shape == shape
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    spread = (keep * (1 - keep)) ** 0.5
    assert mask.mean().item() == pytest.approx(keep, abs=4 * spread / mask.numel() ** 0.5)
    for axis in (0, 1):
        means = mask.mean(axis)
        assert (means - keep).abs().max() < 6 * spread / mask.shape[axis] ** 0.5


def test_neighbours_are_independent() -> None:
    """The four numbers of a word, and those of the words beside it, are not alike."""
    torch.manual_seed(1)
    mask = draw_mask((400_000,), 0.5, LIKE) - 0.5
    for lag in (1, 2, 3, 4, 8):
        assert abs((mask[lag:] * mask[:-lag]).mean().item()) < 4 * 0.25 / 400_000**0.5


def test_edges_and_types() -> None:
    """None is kept, all are, there are none, and the numbers are as the tensor's."""
    double = torch.empty((), dtype=torch.float64)
    assert draw_mask((100, 100), 1.0, double).eq(1).all()
    assert draw_mask((100, 100), 1 - 1e-9, double).eq(1).all()
    assert draw_mask((100, 100), 1e-9, double).eq(0).all()
    assert draw_mask((0, 5), 0.5, double).shape == (0, 5)
    assert draw_mask((100, 100), 0.5, double).dtype == torch.float64


def test_dropout_is_torchs_at_its_edges_and_in_transforms() -> None:
    """Rates of 0, 1 and none at all; a map over a batch draws for each."""
    values = torch.ones(100, 100)
    assert torch.equal(dropout(values, 0.0), values)
    assert not dropout(values, 1.0).any()
    with pytest.raises(ValueError, match="between 0 and 1"):
        dropout(values, 1.5)
    mapped = torch.func.vmap(lambda x: dropout(x, 0.5), randomness="different")(torch.ones(3, 100, 100))
    assert not torch.equal(mapped[0], mapped[1])
    assert dropout(values, 0.25).mean().item() == pytest.approx(1, abs=0.05)


def test_a_seed_repeats_the_mask() -> None:
    """It is drawn from torch's generator, whose state a checkpoint keeps."""
    masks = []
    for _ in range(2):
        torch.manual_seed(3)
        masks.append(draw_mask((99, 101), 0.4, LIKE))
    assert torch.equal(*masks)
