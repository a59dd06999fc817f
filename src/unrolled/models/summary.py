"""Facts about a fitted estimator, and the card that is saved with it."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch

from unrolled import __version__
from unrolled.formatting import duration, quantity
from unrolled.models.recurrent_core import CoreConfig


class Fact(NamedTuple):
    """One fact in words, such as ("Weights", "4,320"); the card, the report and the command line show it."""

    name: str
    text: str


def network_fact(core: CoreConfig, *, bidirectional: bool = False) -> Fact:
    """Describe the core of a network.

    >>> network_fact(CoreConfig(cell="gru", num_layers=2), bidirectional=True).text
    'GRU, 2 layers of 64 units, both directions'
    >>> network_fact(CoreConfig(cell="rnn", activation="relu", hidden_size=8)).text
    'RNN, relu, 1 layer of 8 units'
    """
    parts = ["feedforward network" if core.cell == "feedforward" else core.cell.upper()]
    if core.cell == "rnn":
        parts.append(core.activation)
    parts.append(f"{quantity(core.num_layers, 'layer')} of {core.hidden_size} units")
    if bidirectional:
        parts.append("both directions")
    return Fact("Network", ", ".join(parts))


def fit_facts(
    *, n_parameters: int, n_networks: int, seconds: float, device: str, random_state: Any
) -> tuple[Fact, ...]:
    """Describe the outcome of any fit: size, time, seed and versions."""
    where = quantity(torch.get_num_threads(), "processor thread") if device == "cpu" else device
    versions = f"unrolled {__version__}, torch {torch.__version__}, Python {platform.python_version()}"
    return (
        Fact("Weights", f"{n_parameters:,}"),
        Fact("Networks", "one" if n_networks == 1 else f"the mean of {n_networks}"),
        Fact("Time to fit", f"{duration(seconds)} on {where}"),
        Fact("Seed", str(random_state)),
        Fact("Versions", versions),
    )


def model_card(title: str, facts: Iterable[Fact], footer: str) -> str:
    """Write facts as a page of Markdown.

    >>> print(model_card("A model", [Fact("Weights", "12")], "It holds no score."))
    # A model
    <BLANKLINE>
    | | |
    |---|---|
    | Weights | 12 |
    <BLANKLINE>
    It holds no score.
    <BLANKLINE>
    """
    rows = "\n".join(f"| {fact.name} | {fact.text} |" for fact in facts)
    return f"# {title}\n\n| | |\n|---|---|\n{rows}\n\n{footer}\n"


def sequence_card_footer(name: str) -> str:
    """Write the end of the card of a sequence estimator: how it is loaded, and that a score is not in it."""
    return (
        f"Load it with `unrolled.{name}.load(folder)`; nothing in this folder is code, and no sequence\n"
        "that it was fitted on is in it.\n\n"
        "This card holds no score: a score means something only beside simpler models, on the data that\n"
        "the model is meant for. Run `unrolled.compare(model, X, y)`."
    )
