"""A network of whole sequences whose readout is solved, not trained: random weights, ridge regression.

Also how every SequenceNetwork begins: its scales are set from the sequences that it is to learn from.

Shapes: N sequences, D features of one (or of one step), K answers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.models.sequence.dataset import SequenceDataset
from unrolled.models.sequence.network import SequenceNetwork
from unrolled.nn.modules.pooling import sequence_mask
from unrolled.train.history import History, TrainingRecord

_SOUNDED = 1 << 16  # steps that scales are set by
_LEAST_SOUNDED = 32  # but as many sequences, however long: one feature of one sequence has no spread
_JUDGES = 4096  # answers, at most, that penalty and temperature are chosen by
_SINGULAR = 1e-9  # what is told by itself alone has no answer without itself
_PENALTIES = torch.logspace(-4, 4, 17, dtype=torch.float64)
_TEMPERATURES = torch.logspace(-0.5, 2, 26, dtype=torch.float64)


class ReadoutSamples(NamedTuple):
    """Some sequences or steps as the readout sees them."""

    features: Tensor  # (n, D) float64
    targets: Tensor  # (n, K) float64: numbers, or 1 for the class that it is and -1 for the others
    weights: Tensor  # (n,) float64
    units: Tensor  # (n,) those of one are left out together


@torch.no_grad()
def initialize_from_data(network: SequenceNetwork, examples: SequenceDataset) -> None:
    """Set the scales of the stem and of the features by some of these sequences, drawn by torch's state."""
    network.eval()
    rows = torch.randperm(len(examples))
    steps = examples.lengths[rows].cpu()
    if network.stem is not None:
        padded = steps.cummax(0).values * torch.arange(1, len(rows) + 1)
        few = rows[: max(1, int((padded <= _SOUNDED).sum()))]
        network.stem.initialize(*examples.batch(few)[:2])
    enough = max(_LEAST_SOUNDED, int((steps.cumsum(0) <= _SOUNDED).sum()))
    sounded, found = examples.subset(rows[:enough]), []
    for chosen in sounded.length_batches():
        values, lengths, _ = sounded.batch(chosen)
        features = network.features(values, lengths)
        found.append(features[sequence_mask(lengths, features)] if network.config.per_step else features)
    features = torch.cat(found)
    network.standardise.set_statistics(features.mean(0), features.std(0, correction=0))


@torch.no_grad()
def solve_readout(
    network: SequenceNetwork,
    examples: SequenceDataset,
    class_weights: Tensor | None,
    groups: Tensor | None = None,
) -> History:
    """Give a settled network the head of least squared error and squared weights, in closed form.

        min over W, b:  Σ_n w_n |y_n - W f_n - b|² + α |W|²

    The penalty α is the one whose leave-one-out errors are least: one sequence with all its steps, or one
    group of sequences; where there is one only, each answer by itself. Answers to classes are multiplied by
    the temperature at which those answers are the likeliest, so that their softmax is a probability.

    Args:
        network: its head is filled; all else stays.
        examples: whole numbers as targets are classes, others are numbers.
        class_weights: (K,) of the classes; None for numbers.
        groups: (N,) the group of each sequence, from 0 on; None where each is its own.

    Returns:
        A history of one epoch, its loss that of the left-out answers.
    """
    start_s = time.perf_counter()
    network.eval()
    units = torch.arange(len(examples)) if groups is None else groups
    n_answers = examples.lengths.cpu() if network.config.per_step else torch.ones_like(units)
    drawn = _draw_samples(units, n_answers)
    judges = _concatenate(_readout_samples(network, examples.subset(drawn), class_weights, units[drawn]))
    few = len(drawn) == len(examples)
    found = _moments([judges] if few else _readout_samples(network, examples, class_weights, units))
    if few and (judges.units == judges.units[0]).all():
        judges = judges._replace(units=torch.arange(len(judges.units)))
    penalty, left_out = _leave_one_out(judges, found)
    if class_weights is None:
        factor, loss = 1.0, float((left_out - judges.targets).square().mean())
    else:
        factor, loss = _temperature(left_out, judges)
    weight = found.axes @ (found.along / (found.spread + penalty)[:, None])  # (D, K)
    bias = found.mean - found.center @ weight
    network.head.weight.copy_((weight.T * factor).to(network.head.weight))
    network.head.bias.copy_((bias * factor).to(network.head.bias))
    seconds = time.perf_counter() - start_s
    return History((TrainingRecord(1, 1.0, loss, None, 0.0, seconds),), 1, "finished", seconds, "epoch")


def _draw_samples(units: Tensor, answers: Tensor) -> Tensor:
    """The sequences of some whole units that have at most `_JUDGES` answers together, of one at least."""
    order = torch.randperm(int(units.max()) + 1)
    sizes = torch.bincount(units, answers.double())[order]
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    rows = place[units].argsort(stable=True)
    return rows[place[units[rows]] < max(1, int((sizes.cumsum(0) <= _JUDGES).sum()))]


def _readout_samples(
    network: SequenceNetwork, examples: SequenceDataset, class_weights: Tensor | None, units: Tensor
) -> Iterator[ReadoutSamples]:
    """All of them, piece by piece."""
    answers = network.config.output_size
    for rows in examples.length_batches():
        values, lengths, targets = examples.batch(rows)
        features = network.standardise(network.features(values, lengths)).double().cpu()
        targets, own = targets.cpu(), units[rows.cpu()]
        if network.config.per_step:
            known = sequence_mask(lengths.cpu(), targets)
            features, targets, own = features[known], targets[known], own[:, None].expand_as(known)[known]
        if class_weights is None:
            yield ReadoutSamples(features, targets.double()[:, None], torch.ones(len(targets)).double(), own)
        else:
            signs = F.one_hot(targets, answers).double() * 2 - 1
            yield ReadoutSamples(features, signs, class_weights.double()[targets], own)


def _concatenate(parts: Iterator[ReadoutSamples]) -> ReadoutSamples:
    return ReadoutSamples(*(torch.cat(each) for each in zip(*parts, strict=True)))


class _Moments(NamedTuple):
    """What the solution for every penalty needs of all features and targets."""

    total: Tensor  # Σ w
    center: Tensor  # (D,) mean of the features
    mean: Tensor  # (K,) mean of the targets
    spread: Tensor  # (R,) squared singular values of the centred, weighted features
    axes: Tensor  # (D, R) their right singular vectors
    along: Tensor  # (R, K) their products with the targets, along these


def _moments(parts: list[ReadoutSamples] | Iterator[ReadoutSamples]) -> _Moments:
    count, sums = 0, [torch.zeros((), dtype=torch.float64)] * 5
    for f, y, w, _ in parts:
        count += len(f)
        own = (w.sum(), w @ f, w @ y, (f * w[:, None]).T @ f, (f * w[:, None]).T @ y)
        sums = [total + part for total, part in zip(sums, own, strict=True)]
    total, center, mean = sums[0], sums[1] / sums[0], sums[2] / sums[0]
    products = sums[4] - total * center[:, None] * mean
    if count >= len(center) or not isinstance(parts, list):
        spread, axes = torch.linalg.eigh(sums[3] - total * center[:, None] * center)
        return _Moments(total, center, mean, spread.clamp(min=0.0), axes, axes.T @ products)
    # fewer rows than features: the few axes there are
    rows = torch.cat([(part.features - center) * part.weights.sqrt()[:, None] for part in parts])
    _, values, axes = torch.linalg.svd(rows, full_matrices=False)
    return _Moments(total, center, mean, values.square(), axes.T, axes @ products)


def _leave_one_out(judges: ReadoutSamples, found: _Moments) -> tuple[float, Tensor]:
    """The penalty with the least leave-one-out error, and (n, K) what each is answered without its unit.

    Source: Allen's PRESS (1974): the errors of a unit times (I - H)⁻¹, H what they weigh in its answers.
    """
    q, w = (judges.features - found.center) @ found.axes, judges.weights[:, None]
    sizes = judges.units.bincount()
    sizes = sizes[sizes > 0]
    parts = torch.split(judges.units.argsort(stable=True), sizes.tolist()) if sizes.max() > 1 else ()
    best = (float("inf"), 0.0, judges.targets)
    for penalty in (_PENALTIES * len(found.center)).tolist():
        shrunk = 1 / (found.spread + penalty)
        error = judges.targets - found.mean - q @ (found.along * shrunk[:, None])
        roots = torch.cat([q * shrunk.sqrt(), found.total.rsqrt().expand_as(w)], 1)  # H = roots rootsᵀ w
        if parts:
            for part in parts:
                error[part] = _leave_out_error(error[part], roots[part], w[part])
        else:
            error = error / (1 - w * roots.square().sum(1, keepdim=True)).clamp(min=_SINGULAR)
        lost = float((w * error.square()).mean())
        if lost < best[0]:
            best = (lost, penalty, judges.targets - error)
    return best[1:]


def _leave_out_error(error: Tensor, roots: Tensor, w: Tensor) -> Tensor:
    """(b, K) (I - roots rootsᵀ w)⁻¹ error, by the smaller of two systems."""
    b, P = roots.shape
    ones = (1 + _SINGULAR) * torch.eye(min(b, P), dtype=torch.float64)
    if b <= P:
        solved: Tensor = torch.linalg.solve(ones - roots @ (w * roots).T, error)
        return solved
    within_roots: Tensor = torch.linalg.solve(ones - roots.T @ (w * roots), roots.T @ (w * error))
    return error + roots @ within_roots


def _temperature(left_out: Tensor, judges: ReadoutSamples) -> tuple[float, float]:
    """The factor at which these answers are the likeliest, and the cross-entropy at it."""
    classes = judges.targets.argmax(1)
    lost = [
        float((F.cross_entropy(left_out * t, classes, reduction="none") * judges.weights).mean())
        for t in _TEMPERATURES
    ]
    best = min(range(len(lost)), key=lost.__getitem__)
    return float(_TEMPERATURES[best]), lost[best]
