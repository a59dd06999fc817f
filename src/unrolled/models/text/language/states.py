"""States of live streams of a language model, stepped on the kernels, and elsewhere by torch.

Shapes: N streams, E numbers of an embedding, H units, V tokens.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.preprocess.scaler import SCALED_LIMIT
from unrolled.data.text.language.codec import END, LanguageCodec
from unrolled.errors import DataError
from unrolled.kernels.loading import compiled
from unrolled.kernels.operands import LEARNED, OPERANDS
from unrolled.models.streaming.rows import read_rows
from unrolled.models.streaming.snapshots import State
from unrolled.models.streaming.streams import StreamStates
from unrolled.models.text.language.network import LanguageNetwork
from unrolled.nn.modules.inference import mean_answers
from unrolled.nn.ops.fused import cell_settings
from unrolled.nn.ops.sequence import read_out
from unrolled.train.threads import single_thread

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_WEIGHT_NAMES = [OPERANDS[index].name for index in LEARNED]
_BEGIN = np.array([[float(END)]])


class LanguageStates(StreamStates):
    """States of N streams of a LanguageModel, stepped on the kernels.

    A step is the position of a token in the vocabulary, its answer the distribution (V,) of the next one;
    `rows` takes texts too. A stream begins, as every document does, with the token END, which is stepped
    before its first token.

    Args:
        model: fitted, one that `why_not_streamable` has nothing against.
        capacity: N.
    """

    width = 1

    def __init__(self, model: Any, capacity: int) -> None:
        network: LanguageNetwork = model.networks_[0]
        config, core = network.config, cast("Any", network.layers)
        self._codec: LanguageCodec = model.codec_
        E, self._n_tokens = config.embedding_size, config.n_tokens
        self._embedding = network.embedding.weight.detach().double().numpy()
        self._readout = readout_operands(network)
        self.arrays: State = {"steps": np.zeros(capacity, np.int64)}
        self._stepper = compiled.SequenceStepper(
            self.arrays["steps"], np.zeros(E), np.ones(E), SCALED_LIMIT, self._n_tokens, True
        )
        layers = []
        for k, layer in enumerate(core):
            ((cell, weights),) = layer.directed_weights()
            number, activation, _, *rates = cell_settings(cell, weights, reverse=False)
            operands = [getattr(weights, name, None) for name in _WEIGHT_NAMES]
            readable = tuple(None if w is None else w.detach().contiguous() for w in operands)
            h = self._new(f"network0.h{k}", capacity, config.hidden_size)
            c = self._new(f"network0.c{k}", capacity, config.hidden_size) if config.cell == "lstm" else None
            layers.append(((number, activation, *rates), readable, h, c))
        self._last_output = f"network0.h{config.num_layers - 1}"
        self._stepper.add_network(None, layers, None, self._readout, (False, None))

    def _new(self, name: str, *shape: int) -> torch.Tensor:
        self.arrays[name] = np.zeros(shape, np.float32)
        return torch.from_numpy(self.arrays[name])

    @staticmethod
    def why_not_streamable(model: Any) -> str:
        """Say in a sentence why a fitted model cannot be streamed; empty if it can."""
        if compiled is None:
            return (
                "streams run on the compiled kernels, which are missing. Reinstall unrolled with a compiler."
            )
        if torch.device(model.device).type != "cpu":
            return f"streams run on the CPU, the model is on {model.device}. Load it with device='cpu'."
        return ""

    def rows(self, values: Any, name: str) -> Floats:
        """Convert a text, or positions (n,) of tokens, to rows (n, 1)."""
        if isinstance(values, str):
            values = self._codec.encode(values).positions
        elif isinstance(values, list | tuple) and any(isinstance(each, str) for each in values):
            raise DataError(
                f"{name}: expected a text or positions of tokens, got a list of texts. Join them."
            )
        return read_rows(values, self.width, name)

    def check(self, rows: Floats, name: str) -> None:
        """Pass if rows (n, 1) hold positions of the vocabulary."""
        is_good = (rows == np.floor(rows)) & (rows >= 0) & (rows < self._n_tokens)
        if not is_good.all():
            row = int(np.argmin(is_good[:, 0]))
            raise DataError(
                f"{name}: expected positions from 0 to {self._n_tokens - 1} of the vocabulary, got "
                f"{rows[row, 0]:g} in step {row + 1}. model.codec_.encode(text).positions holds them."
            )

    def step(self, rows: Floats, streams: Ints, counts: Ints) -> Floats:
        """Step streams; see `StreamStates`."""
        if not self.arrays["steps"][streams].all():
            self.begin(streams[counts > 0])
        return self._run(rows, streams, counts)

    def begin(self, streams: Ints) -> None:
        """Step those streams that have read nothing by the token that begins every document."""
        new = streams[self.arrays["steps"][streams] == 0]
        if len(new):
            self._run(np.repeat(_BEGIN, len(new), axis=0), new, np.ones(len(new), dtype=np.int64))

    def _run(self, rows: Floats, streams: Ints, counts: Ints) -> Floats:
        inputs = self._embedding[rows[:, 0].astype(np.int64)]
        answers = np.empty((len(rows), self._n_tokens))
        threads = 1 if len(rows) == 1 else torch.get_num_threads()
        bad_row = self._stepper.step(inputs, answers, streams, counts, threads)
        assert bad_row < 0, "embeddings are finite"
        return answers

    def next_tokens(self, stream: int = 0) -> Floats:
        """Return the distribution (V,) of the token after those that a stream has read."""
        answer: Floats
        if not self.arrays["steps"][stream]:
            before = {name: array[stream].copy() for name, array in self.arrays.items()}
            answer = self._run(_BEGIN, np.array([stream]), np.ones(1, dtype=np.int64))[0]
            for name, array in self.arrays.items():
                array[stream] = before[name]
            return answer
        answer = self._readout_of(torch.from_numpy(self.arrays[self._last_output][stream : stream + 1]))[0]
        return answer

    def _readout_of(self, state: torch.Tensor) -> Floats:
        """Compute distributions (B, V) of outputs (B, H) of the last layer."""
        return mean_answers(read_out(state, *self._readout)[None], is_class=True)


@torch.no_grad()
def readout_operands(network: LanguageNetwork) -> tuple[torch.Tensor, ...]:
    """Return center, factor, weight (V, H) and bias of the readout, with its projection multiplied in."""
    weight, bias = (part.detach() for part in network.readout)
    if network.projection is not None:
        bias = bias + weight @ network.projection.bias
        weight = weight @ network.projection.weight
    H = weight.shape[1]
    return torch.zeros(H), torch.ones(H), weight.contiguous(), bias.contiguous()


class TorchLanguageStates(LanguageStates):
    """States of N streams that torch steps: without the kernels, or on another device than the CPU.

    For texts that are generated; distributions equal those of `LanguageStates` up to rounding.
    """

    def __init__(self, model: Any, capacity: int) -> None:
        self._network: LanguageNetwork = model.networks_[0]
        config = self._network.config
        self._n_tokens = config.n_tokens
        self._codec = model.codec_
        self._parts = [
            f"network0.{part}{k}" for k in range(config.num_layers) for part in "hc"[: self._network.n_parts]
        ]
        self._last_output = f"network0.h{config.num_layers - 1}"
        self.arrays = {"steps": np.zeros(capacity, np.int64)}
        for name in self._parts:
            self._new(name, capacity, config.hidden_size)

    @torch.inference_mode()
    def _run(self, rows: Floats, streams: Ints, counts: Ints) -> Floats:
        n_steps = int(counts.max(initial=0))
        if (counts != n_steps).any():  # each by itself
            ends = np.cumsum(counts)[:-1]
            parts = zip(np.split(rows, ends), streams[:, None], counts[:, None], strict=True)
            return np.concatenate([self._run(*part) for part in parts])
        device = self._network.readout_bias.device
        tokens = torch.from_numpy(rows[:, 0].astype(np.int64)).view(len(streams), n_steps).t()
        state = tuple(torch.from_numpy(self.arrays[name][streams])[None].to(device) for name in self._parts)
        outputs, state = self._network(tokens.to(device), state)
        for name, part in zip(self._parts, state, strict=True):
            self.arrays[name][streams] = part[0].cpu().numpy()
        self.arrays["steps"][streams] += n_steps
        return self._softmax(outputs.transpose(0, 1).flatten(0, 1))  # a stream after the other

    @torch.inference_mode()
    def _readout_of(self, state: torch.Tensor) -> Floats:
        return self._softmax(state.to(self._network.readout_bias.device))

    def _softmax(self, outputs: torch.Tensor) -> Floats:
        weight, bias = self._network.readout
        logits = torch.nn.functional.linear(self._network.features(outputs), weight, bias)
        probabilities: Floats = logits.double().softmax(-1).cpu().numpy()
        return probabilities


def generating_states(model: Any, capacity: int) -> LanguageStates:
    """Return states of N streams: on the kernels where they can step the model, else torch's."""
    on_kernels = not LanguageStates.why_not_streamable(model)
    return (LanguageStates if on_kernels else TorchLanguageStates)(model, capacity)


def token_distributions(model: Any, positions: Ints) -> Floats:
    """Compute the distribution (T, V) of the token after each of a text, to the bit as streams do.

    Args:
        model: a fitted LanguageModel; where it has no streams, torch computes.
        positions: (T,) of the tokens of the text.
    """
    if LanguageStates.why_not_streamable(model):
        states = TorchLanguageStates(model, 1)
        rows, counts = positions[:, None].astype(np.float64), np.array([len(positions)])
        return states.step(rows, np.zeros(1, dtype=np.int64), counts)
    network: LanguageNetwork = model.networks_[0]
    tokens = torch.from_numpy(np.concatenate([[END], positions]).astype(np.int64))
    with torch.inference_mode(), single_thread():
        outputs = network(tokens[:, None])[0][1:, 0].contiguous()  # (T, H)
        return mean_answers(read_out(outputs, *readout_operands(network))[None], is_class=True)
