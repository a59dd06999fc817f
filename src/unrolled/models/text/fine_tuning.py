"""Fine-tuning of a language model as a classifier: its weights copied, then moved little, from above down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import nn

from unrolled.models.text.language.network import LanguageNetwork, LanguageNetworkConfig
from unrolled.models.text.network import TextNetwork, TextNetworkConfig
from unrolled.train.optimizer import ParameterGroup

_UNFREEZING = 0.1  # share of the training after which the next layer below begins to move


class FineTuning(NamedTuple):
    """Language model to begin from, and how it is moved.

    Args:
        language_network: whose weights are copied.
        layer_decay: see `fine_tuning_groups`.
    """

    language_network: LanguageNetwork
    layer_decay: float


def with_language_body(config: TextNetworkConfig, language: LanguageNetworkConfig) -> TextNetworkConfig:
    """Give the network of a classifier the embedding and the layers of a language model."""
    return replace(
        config,
        n_words=language.n_tokens,
        embedding_size=language.embedding_size,
        cell=language.cell,
        hidden_size=language.hidden_size,
        num_layers=language.num_layers,
        activation=language.activation,
        bidirectional=False,
    )


@torch.no_grad()
def copy_language_weights(network: TextNetwork, language: LanguageNetwork) -> None:
    """Copy embedding and layers of a language model into the network of a classifier."""
    network.embedding.words.weight.copy_(language.embedding.weight)
    weights = dict(network.body.core.named_parameters())
    for k, layer in enumerate(language.layers):
        for name, weight in layer.named_parameters():
            weights[name.replace("_l0", f"_l{k}")].copy_(weight)


def fine_tuning_groups(network: TextNetwork, layer_decay: float) -> list[ParameterGroup]:
    """Group the weights of a classifier by layer, from the readout down, for fine-tuning.

    A layer begins to learn a tenth of the training after the one above it: what the language model knows is
    not moved before the readout has learned what to ask of it.

    Args:
        network: of the classifier.
        layer_decay: learning rate of a layer over that of the one above it; 1 / 2.6 in the source.

    Source: Howard and Ruder, Universal Language Model Fine-tuning for Text Classification (2018), sections
    3.2 and 3.3.
    """
    return [
        ParameterGroup(weights, rate_factor=layer_decay**depth, start=min(0.5, depth * _UNFREEZING))
        for depth, weights in enumerate(_layers_downwards(network))
    ]


def _layers_downwards(network: TextNetwork) -> Iterator[list[nn.Parameter]]:
    """Yield the weights of the readout with its pooling, of each recurrent layer, and of the embedding."""
    core = dict(network.body.core.named_parameters(prefix="core"))
    yield [weight for name, weight in network.body.named_parameters() if name not in core]
    for k in reversed(range(network.config.num_layers)):
        yield [weight for name, weight in core.items() if name.endswith(f"_l{k}")]
    yield list(network.embedding.parameters())
