"""Reservoirs: random recurrent weights, and a readout solved in closed form by ridge regression.

Shapes: N sequences, n samples (sequences, or their steps), D features of a sample, K outputs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.models.sequence.dataset import NO_LABEL, SequenceDataset
from unrolled.models.sequence.network import SequenceNetwork
from unrolled.nn.modules.pooling import sequence_mask
from unrolled.train.history import History, TrainingRecord

_MAX_SAMPLES = 4096  # that the penalty and the temperature are chosen on
_SINGULAR = 1e-9  # added where a unit determines its own prediction, whose error without it is undefined
_PENALTIES = torch.logspace(-4, 4, 17, dtype=torch.float64)
_TEMPERATURES = torch.logspace(-0.5, 2, 26, dtype=torch.float64)


class ReadoutSamples(NamedTuple):
    """Sequences, or steps, as the readout sees them."""

    features: Tensor  # (n, D) float64
    targets: Tensor  # (n, K) float64: numbers, or 1 for the class of a sample and -1 for the others
    weights: Tensor  # (n,) float64
    units: Tensor  # (n,) samples of one unit are left out together


@torch.no_grad()
def solve_readout(
    network: SequenceNetwork,
    dataset: SequenceDataset,
    class_weights: Tensor | None,
    groups: Tensor | None = None,
) -> History:
    """Set the head of an initialized network to the least squared error and squared weights.

        min over W, b:  Σ_n w_n |y_n - W f_n - b|² + α |W|²

    The penalty α is the one with the least leave-one-out error. A unit is left out at a time: one sequence
    with all its steps, or one group of sequences; where there is a single unit, each sample. Outputs for
    classes are multiplied by the temperature at which the left-out targets are the likeliest, so that their
    softmax is a probability.

    Args:
        network: its head is set; all else stays.
        dataset: whole numbers as targets are classes, others are numbers.
        class_weights: (K,) of the classes; None for numbers.
        groups: (N,) the group of each sequence, from 0 on; None where each is a group.

    Returns:
        A history of one epoch, its loss that of the left-out samples.

    Source: ridge regression, Hoerl and Kennard (1970); temperature, Guo et al., On Calibration of Modern
    Neural Networks (2017).
    """
    start_s = time.perf_counter()
    network.eval()
    units = torch.arange(len(dataset)) if groups is None else groups
    n_samples = dataset.lengths.cpu() if network.config.per_step else torch.ones_like(units)
    rows = _draw_units(units, n_samples)
    samples = _concatenate(_samples(network, dataset.subset(rows), class_weights, units[rows]))
    are_all = len(rows) == len(dataset)
    moments = _moments([samples] if are_all else _samples(network, dataset, class_weights, units))
    if are_all and (samples.units == samples.units[0]).all():
        samples = samples._replace(units=torch.arange(len(samples.units)))
    penalty, temperature, loss = _choose_penalty(
        samples, moments, is_class=class_weights is not None, per_step=network.config.per_step
    )
    weight = moments.axes @ (moments.products / (moments.spread + penalty)[:, None])  # (D, K)
    bias = moments.target_mean - moments.center @ weight
    network.head.weight.copy_((weight.T * temperature).to(network.head.weight))
    network.head.bias.copy_((bias * temperature).to(network.head.bias))
    seconds = time.perf_counter() - start_s
    return History((TrainingRecord(1, 1.0, loss, None, 0.0, seconds),), 1, "finished", seconds, "epoch")


def _draw_units(units: Tensor, n_samples: Tensor) -> Tensor:
    """Draw the rows of whole units that have at most `_MAX_SAMPLES` samples together, of one at least."""
    order = torch.randperm(int(units.max()) + 1)
    sizes = torch.bincount(units, n_samples.double())[order]
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    rows = place[units].argsort(stable=True)
    return rows[place[units[rows]] < max(1, int((sizes.cumsum(0) <= _MAX_SAMPLES).sum()))]


def _samples(
    network: SequenceNetwork, dataset: SequenceDataset, class_weights: Tensor | None, units: Tensor
) -> Iterator[ReadoutSamples]:
    """Compute the features of all sequences, batch by batch."""
    for rows in dataset.length_batches():
        values, lengths, targets, sample_weights, _ = dataset.batch(rows)
        features = network.standardize(network.features(values, lengths)).double().cpu()
        targets, sample_units = targets.cpu(), units[rows.cpu()]
        weights = torch.ones(len(rows)) if sample_weights is None else sample_weights.cpu()
        if network.config.per_step:
            is_step = sequence_mask(lengths.cpu(), targets) & (targets != NO_LABEL)
            sample_units = sample_units[:, None].expand_as(is_step)[is_step]
            features, targets = features[is_step], targets[is_step]
            weights = weights[:, None].expand_as(is_step)[is_step]
        if class_weights is None:
            yield ReadoutSamples(features, targets.double()[:, None], weights.double(), sample_units)
        else:
            signs = F.one_hot(targets, network.config.output_size).double() * 2 - 1
            weights = weights.double() * class_weights.double()[targets]
            yield ReadoutSamples(features, signs, weights, sample_units)


def _concatenate(parts: Iterator[ReadoutSamples]) -> ReadoutSamples:
    return ReadoutSamples(*(torch.cat(each) for each in zip(*parts, strict=True)))


class _Moments(NamedTuple):
    """Sums over all samples from which the solution follows for every penalty."""

    total: Tensor  # Σ w
    center: Tensor  # (D,) mean of the features
    target_mean: Tensor  # (K,) mean of the targets
    spread: Tensor  # (R,) squared singular values of the centred, weighted features
    axes: Tensor  # (D, R) their right singular vectors
    products: Tensor  # (R, K) of the features along these with the targets


def _moments(parts: list[ReadoutSamples] | Iterator[ReadoutSamples]) -> _Moments:
    count, sums = 0, [torch.zeros((), dtype=torch.float64)] * 5
    for f, y, w, _ in parts:
        count += len(f)
        terms = (w.sum(), w @ f, w @ y, (f * w[:, None]).T @ f, (f * w[:, None]).T @ y)
        sums = [total + term for total, term in zip(sums, terms, strict=True)]
    total, center, mean = sums[0], sums[1] / sums[0], sums[2] / sums[0]
    products = sums[4] - total * center[:, None] * mean
    if count >= len(center) or not isinstance(parts, list):
        spread, axes = torch.linalg.eigh(sums[3] - total * center[:, None] * center)
        return _Moments(total, center, mean, spread.clamp(min=0.0), axes, axes.T @ products)
    # fewer samples than features: no more axes than samples
    rows = torch.cat([(part.features - center) * part.weights.sqrt()[:, None] for part in parts])
    _, values, axes = torch.linalg.svd(rows, full_matrices=False)
    return _Moments(total, center, mean, values.square(), axes.T, axes @ products)


def _choose_penalty(
    samples: ReadoutSamples, moments: _Moments, *, is_class: bool, per_step: bool
) -> tuple[float, float, float]:
    """Return the penalty with the least leave-one-out error, and the temperature and loss of the readout.

    For a class a step the error is the cross-entropy at the best temperature: of many steps the squared error
    of signs is least where the readout fits their size, and not where it tells them.

    Source: Allen's PRESS (1974): the errors of a unit times (I - H)⁻¹, H its weight in its own predictions.
    """
    q, w = (samples.features - moments.center) @ moments.axes, samples.weights[:, None]
    sizes = samples.units.bincount()
    sizes = sizes[sizes > 0]
    unit_rows = torch.split(samples.units.argsort(stable=True), sizes.tolist()) if sizes.max() > 1 else ()
    best = (float("inf"), 0.0, samples.targets)
    for penalty in (_PENALTIES * len(moments.center)).tolist():
        shrunk = 1 / (moments.spread + penalty)
        error = samples.targets - moments.target_mean - q @ (moments.products * shrunk[:, None])
        roots = torch.cat([q * shrunk.sqrt(), moments.total.rsqrt().expand_as(w)], 1)  # H = roots rootsᵀ w
        if unit_rows:
            for rows in unit_rows:
                error[rows] = _leave_out(error[rows], roots[rows], w[rows])
        else:
            error = error / (1 - w * roots.square().sum(1, keepdim=True)).clamp(min=_SINGULAR)
        left_out = samples.targets - error
        if is_class and per_step:
            loss = _choose_temperature(left_out, samples)[1]
        else:
            loss = float((w * error.square()).mean())
        if loss < best[0]:
            best = (loss, penalty, left_out)
    if is_class:
        return best[1], *_choose_temperature(best[2], samples)
    return best[1], 1.0, float((w * (best[2] - samples.targets).square()).mean())


def _leave_out(error: Tensor, roots: Tensor, w: Tensor) -> Tensor:
    """Solve (I - roots rootsᵀ w) x = error (b, K) of one unit, by the smaller of two systems."""
    b, P = roots.shape
    ones = (1 + _SINGULAR) * torch.eye(min(b, P), dtype=torch.float64)
    if b <= P:
        solution: Tensor = torch.linalg.solve(ones - roots @ (w * roots).T, error)
        return solution
    within_roots: Tensor = torch.linalg.solve(ones - roots.T @ (w * roots), roots.T @ (w * error))
    return error + roots @ within_roots


def _choose_temperature(left_out: Tensor, samples: ReadoutSamples) -> tuple[float, float]:
    """Return the factor at which the left-out predictions are the likeliest, and the cross-entropy at it."""
    classes = samples.targets.argmax(1)
    losses = [
        float((F.cross_entropy(left_out * t, classes, reduction="none") * samples.weights).mean())
        for t in _TEMPERATURES
    ]
    best = min(range(len(losses)), key=losses.__getitem__)
    return float(_TEMPERATURES[best]), losses[best]
