"""Live streams of a language model: text in, the distribution of the next token out, the state a value.

Shapes: N streams, E numbers of an embedding, H units, V tokens.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.preprocess.scaler import SCALED_LIMIT
from unrolled.data.text.language.codec import END
from unrolled.errors import DataError
from unrolled.kernels.loading import compiled
from unrolled.kernels.operands import LEARNED, OPERANDS
from unrolled.models.streaming.snapshots import State
from unrolled.models.streaming.streams import Stream
from unrolled.models.text.language.network import LanguageNetwork
from unrolled.nn.modules.inference import mean_answers
from unrolled.nn.ops.fused import cell_settings
from unrolled.nn.ops.sequence import read_out

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_WEIGHT_NAMES = [OPERANDS[index].name for index in LEARNED]
_BEGIN = np.array([[float(END)]])


class LanguageStates:
    """States of N streams of a LanguageModel, stepped on the kernels.

    A step is the position of a token in the vocabulary, its answer the distribution (V,) of the next one. A
    stream begins, as every document does, with the token END, which is stepped before its first token.

    Args:
        model: fitted, one that `why_not_streamable` has nothing against.
        capacity: N.
    """

    width = 1

    def __init__(self, model: Any, capacity: int) -> None:
        network: LanguageNetwork = model.networks_[0]
        config, core = network.config, cast("Any", network.layers)
        self._n_layers = len(core)
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
            h, c = (self._new(f"{part}{k}", capacity, config.hidden_size) for part in "hc")
            layers.append(((number, activation, *rates), readable, h, c if config.cell == "lstm" else None))
        if config.cell != "lstm":
            self.arrays = {name: array for name, array in self.arrays.items() if not name.startswith("c")}
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
        last = f"h{self._n_layers - 1}"
        state = torch.from_numpy(self.arrays[last][stream : stream + 1])
        answer = mean_answers(read_out(state, *self._readout)[None], is_class=True)[0]
        return answer


@torch.no_grad()
def readout_operands(network: LanguageNetwork) -> tuple[torch.Tensor, ...]:
    """Return center, factor, weight (V, H) and bias of the readout, with its projection multiplied in."""
    weight, bias = (part.detach() for part in network.readout)
    if network.projection is not None:
        bias = bias + weight @ network.projection.bias
        weight = weight @ network.projection.weight
    H = weight.shape[1]
    return torch.zeros(H), torch.ones(H), weight.contiguous(), bias.contiguous()


class LanguageStream(Stream):
    """Live stream through a language model: text in, the distribution (V,) of the next token out.

    Each token costs the same, however long the text before it. The tokens are those of `model.tokens_`. The
    distributions equal `model.predict_proba(text)` to the bit, however the text is cut into calls; of words
    and subwords as long as no token is cut.

    Made by `model.stream()`, or by `model.stream(blob)` from a snapshot. One thread at a time may call it.

    >>> import unrolled as ur
    >>> model = ur.LanguageModel(hidden_size=8, max_epochs=2).fit("to be or not to be " * 20)
    >>> stream = model.stream()
    >>> stream.steps("to b").shape[1] == len(model.tokens_) == len(stream.peek())
    True
    >>> stream
    LanguageModel stream after 4 steps
    """

    _states: LanguageStates

    @property
    def n_steps(self) -> int:
        """Tokens so far."""
        return max(0, super().n_steps - 1)

    def steps(self, xs: Any) -> Floats:
        """Read a text, or positions (n,) of tokens, and return the distribution (n, V) after each token.

        Raises:
            DataError: a position is not in the vocabulary; the state has not moved.
        """
        answers: Floats = super().steps(self._positions(xs))
        return answers

    def step(self, x: Any) -> Floats:
        """Read one token, its text or its position, and return the distribution (V,) of the next.

        Raises:
            DataError: it is no token, or several; the state has not moved.
        """
        if isinstance(x, str):
            positions = self._positions(x)
            if len(positions) != 1:
                raise DataError(
                    f"{self._name} x: expected one token, got {x!r}, which is {len(positions)}. Pass "
                    "texts to steps(text)."
                )
            x = positions[0]
        answer: Floats = super().step(x)
        return answer

    def peek(self, x: Any = None) -> Floats:
        """Return the distribution (V,) of the next token, or the one that `step(x)` would; nothing moves."""
        if x is None:
            return self._states.next_tokens()
        answer: Floats = super().peek(x)
        return answer

    def _positions(self, xs: Any) -> Any:
        return self._model.codec_.encode(xs).positions if isinstance(xs, str) else xs


@torch.inference_mode()
def token_distributions(model: Any, positions: Ints) -> Floats:
    """Compute the distribution (T, V) of the token after each of a text, on the kernels, as streams do.

    Args:
        model: a fitted LanguageModel, on the CPU.
        positions: (T,) of the tokens of the text.
    """
    network: LanguageNetwork = model.networks_[0]
    tokens = torch.from_numpy(np.concatenate([[END], positions]).astype(np.int64))
    outputs = network(tokens[:, None])[0][1:, 0].contiguous()  # (T, H)
    return mean_answers(read_out(outputs, *readout_operands(network))[None], is_class=True)
