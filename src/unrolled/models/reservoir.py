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

from unrolled.models.sequence_examples import SequenceExamples
from unrolled.models.sequence_network import SequenceNetwork
from unrolled.nn.pooling import within
from unrolled.train.history import Epoch, History

_SOUNDED = 1 << 16  # steps that scales are set by
_LEAST_SOUNDED = 32  # but as many sequences, however long: one feature of one sequence has no spread
_JUDGES = 4096  # answers, at most, that penalty and temperature are chosen by
_PENALTIES = torch.logspace(-4, 4, 17, dtype=torch.float64)
_TEMPERATURES = torch.logspace(-0.5, 2, 26, dtype=torch.float64)


class Answered(NamedTuple):
    """Some sequences or steps as the readout sees them."""

    features: Tensor  # (n, D) float64
    targets: Tensor  # (n, K) float64: numbers, or 1 for the class that it is and -1 for the others
    weights: Tensor  # (n,) float64


@torch.no_grad()
def settle(network: SequenceNetwork, examples: SequenceExamples) -> None:
    """Set the scales of the stem and of the features by some of these sequences, drawn by torch's state."""
    network.eval()
    rows = torch.randperm(len(examples))
    steps = examples.lengths[rows].cpu()
    if network.stem is not None:
        padded = steps.cummax(0).values * torch.arange(1, len(rows) + 1)
        few = rows[: max(1, int((padded <= _SOUNDED).sum()))]
        network.stem.settle(*examples.batch(few)[:2])
    enough = max(_LEAST_SOUNDED, int((steps.cumsum(0) <= _SOUNDED).sum()))
    sounded, found = examples.some(rows[:enough]), []
    for chosen in sounded.chunks():
        values, lengths, _ = sounded.batch(chosen)
        features = network.features(values, lengths)
        found.append(features[within(lengths, features)] if network.sizes.per_step else features)
    features = torch.cat(found)
    network.standardise.settle(features.mean(0), features.std(0, correction=0))


@torch.no_grad()
def solve(network: SequenceNetwork, examples: SequenceExamples, class_weights: Tensor | None) -> History:
    """Give a settled network the head of least squared error and squared weights, in closed form.

        min over W, b:  Σ_n w_n |y_n - W f_n - b|² + α |W|²

    The penalty α is the one whose leave-one-out errors are least. Answers to classes are multiplied by the
    temperature at which the leave-one-out answers are the likeliest, so that their softmax is a probability.

    Args:
        network: its head is filled; all else stays.
        examples: whole numbers as targets are classes, others are numbers.
        class_weights: (K,) of the classes; None for numbers.

    Returns:
        A history of one epoch, its loss that of the left-out answers.
    """
    start_s = time.perf_counter()
    network.eval()
    rows = torch.randperm(len(examples))
    answers = examples.lengths[rows].cpu() if network.sizes.per_step else torch.ones(len(rows))
    drawn = rows[: max(1, int((answers.cumsum(0) <= _JUDGES).sum()))]
    judges = _joined(_answered(network, examples.some(drawn), class_weights))
    few = len(drawn) == len(rows)
    found = _moments([judges] if few else _answered(network, examples, class_weights))
    penalty, left_out = _left_out(judges, found)
    if class_weights is None:
        factor, loss = 1.0, float((left_out - judges.targets).square().mean())
    else:
        factor, loss = _temperature(left_out, judges)
    weight = found.axes @ (found.along / (found.spread + penalty)[:, None])  # (D, K)
    bias = found.mean - found.center @ weight
    network.head.weight.copy_((weight.T * factor).to(network.head.weight))
    network.head.bias.copy_((bias * factor).to(network.head.bias))
    seconds = time.perf_counter() - start_s
    return History((Epoch(1, loss, None, 0.0, seconds),), 1, "finished", seconds)


def _answered(
    network: SequenceNetwork, examples: SequenceExamples, class_weights: Tensor | None
) -> Iterator[Answered]:
    """All of them, piece by piece."""
    answers = network.sizes.answers
    for rows in examples.chunks():
        values, lengths, targets = examples.batch(rows)
        features = network.standardise(network.features(values, lengths)).double().cpu()
        targets = targets.cpu()
        if network.sizes.per_step:
            known = within(lengths.cpu(), targets)
            features, targets = features[known], targets[known]
        if class_weights is None:
            yield Answered(features, targets.double()[:, None], torch.ones(len(targets)).double())
        else:
            signs = F.one_hot(targets, answers).double() * 2 - 1
            yield Answered(features, signs, class_weights.double()[targets])


def _joined(parts: Iterator[Answered]) -> Answered:
    return Answered(*(torch.cat(each) for each in zip(*parts, strict=True)))


class _Moments(NamedTuple):
    """What the solution for every penalty needs of all features and targets."""

    total: Tensor  # Σ w
    center: Tensor  # (D,) mean of the features
    mean: Tensor  # (K,) mean of the targets
    spread: Tensor  # (R,) squared singular values of the centred, weighted features
    axes: Tensor  # (D, R) their right singular vectors
    along: Tensor  # (R, K) their products with the targets, along these


def _moments(parts: list[Answered] | Iterator[Answered]) -> _Moments:
    count, sums = 0, [torch.zeros((), dtype=torch.float64)] * 5
    for f, y, w in parts:
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


def _left_out(judges: Answered, found: _Moments) -> tuple[float, Tensor]:
    """The penalty with the least leave-one-out error, and (n, K) what each is answered without itself.

    Source: Allen's PRESS (1974): the error divided by 1 - its leverage.
    """
    q, w = (judges.features - found.center) @ found.axes, judges.weights[:, None]
    best = (float("inf"), 0.0, judges.targets)
    for penalty in (_PENALTIES * len(found.center)).tolist():
        shrunk = 1 / (found.spread + penalty)
        error = judges.targets - found.mean - q @ (found.along * shrunk[:, None])
        leverage = w * ((q.square() @ shrunk)[:, None] + 1 / found.total)
        error = error / (1 - leverage).clamp(min=1e-9)
        lost = float((w * error.square()).mean())
        if lost < best[0]:
            best = (lost, penalty, judges.targets - error)
    return best[1:]


def _temperature(left_out: Tensor, judges: Answered) -> tuple[float, float]:
    """The factor at which these answers are the likeliest, and the cross-entropy at it."""
    classes = judges.targets.argmax(1)
    lost = [
        float((F.cross_entropy(left_out * t, classes, reduction="none") * judges.weights).mean())
        for t in _TEMPERATURES
    ]
    best = min(range(len(lost)), key=lost.__getitem__)
    return float(_TEMPERATURES[best]), lost[best]
