"""Records for the classification report and the probe report."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from unrolled import __version__
from unrolled.formatting import duration
from unrolled.report.records import LabelledData, LabelPredictions, ModelCard
from unrolled.report.wording import model_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unrolled.data.io.labelled import Labelled
    from unrolled.evaluate.sequence.compare import Comparison
    from unrolled.models.sequence.base import SequenceEstimator
    from unrolled.models.sequence.classifier import SequenceClassifier
    from unrolled.models.sequence.network import SequenceNetworkConfig


def labelled_data(labelled: Labelled) -> LabelledData:
    """A file's sequences and classes as the page reads them."""
    sequences = labelled.sequences
    return LabelledData(
        source=labelled.source,
        values=np.split(sequences.values, sequences.offsets[1:-1]),
        labels=label_texts(() if labelled.labels is None else labelled.labels),
        columns=sequences.columns,
        notes=sequences.notes,
    )


def label_texts(labels: Sequence[Any] | NDArray[Any]) -> NDArray[np.str_]:
    """Labels as a reader writes them: a class 1.0 is 1.

    >>> label_texts(np.array([1.0, 2.0])).tolist()
    ['1', '2']
    """
    return np.array(
        [f"{one:g}" if isinstance(one, float) else str(one) for one in np.asarray(labels).tolist()]
    )


def write_comparison(path: str, result: Comparison, learned: Labelled, model: SequenceClassifier) -> None:
    """The page of `unrolled classify`."""
    from unrolled.report.html.sequence_page import write_classification_report as write

    network = result.columns[result.rows[0].name]
    answers = LabelPredictions(label_texts(result.columns["y"]), label_texts(network))
    write(
        path,
        comparison=result,
        data=labelled_data(learned),
        predictions=answers,
        model_card=sequence_model_card(model),
    )


def sequence_model_card(model: SequenceEstimator) -> ModelCard:
    """Collect the facts on a fitted model."""
    import torch

    sizes, history = model.sizes_, model.history_
    layers = "1 layer" if sizes.num_layers == 1 else f"{sizes.num_layers} layers"
    activation = f", {sizes.activation}" if sizes.cell == "rnn" else ""
    directions = ", both directions" if sizes.bidirectional else ""
    threads = torch.get_num_threads()
    processor = "1 processor thread" if threads == 1 else f"{threads} processor threads"
    where = processor if model.device == "cpu" else model.device
    networks = len(model.networks_)
    facts = [
        (
            "Network",
            f"{model_name(sizes.cell)}{activation}, {layers} of {sizes.hidden_size} units{directions}",
        ),
        ("Weights", f"{model.n_parameters_:,}"),
        ("Reads", _reads(sizes)),
        ("Answers from", f"its states, pooled by {sizes.pooling!r}"),
        ("Networks", "one" if networks == 1 else f"the mean of {networks}"),
        ("Time to fit", f"{duration(model.seconds_)} on {where}"),
        ("Seed", str(model.random_state)),
        (
            "Versions",
            f"unrolled {__version__}, torch {torch.__version__}, Python {platform.python_version()}",
        ),
    ]
    return ModelCard(
        tuple(facts),
        model.stopping_reason_,
        history,
        shlex.join(["unrolled", *sys.argv[1:]]),
        held_out="a part of the sequences",
    )


def _reads(sizes: SequenceNetworkConfig) -> str:
    """Describe the input of the recurrent core.

    >>> from unrolled.models.sequence.network import SequenceNetworkConfig
    >>> _reads(SequenceNetworkConfig(2, 2))
    'each step as it is'
    >>> _reads(SequenceNetworkConfig(1, 2, channels=16, scales=2, stride=4))
    '16 patterns at 2 scales, every 4th step'
    """
    if not sizes.channels:
        return "each step as it is"
    scales = "1 scale" if sizes.scales == 1 else f"{sizes.scales} scales"
    often = {1: "at every step", 2: "at every second step", 3: "every 3rd step"}
    return f"{sizes.channels} patterns at {scales}, {often.get(sizes.stride, f'every {sizes.stride}th step')}"
