"""States of live streams of TextClassifier and TextTagger: words in, probabilities out.

Shapes: N streams, n tokens, M networks, K classes, D numbers of a token's vector, the first E of which the
recurrent layers read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.preprocess.scaler import StandardScaler
from unrolled.data.text.documents import as_documents
from unrolled.errors import DataError
from unrolled.models.streaming.rows import read_rows
from unrolled.models.streaming.sequence import SequenceStates
from unrolled.models.streaming.snapshots import State
from unrolled.models.streaming.streams import StreamStates
from unrolled.models.text.network import TextNetwork
from unrolled.nn.modules.bigrams import SCALE, STEP_SCALE
from unrolled.nn.modules.inference import mean_answers
from unrolled.nn.modules.tfidf import N_BLOCKS
from unrolled.train.threads import single_thread

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MOST_WORDS = 4096  # whose vectors are kept


class _BodyModel:
    """Network behind the embedding as an estimator of vectors, as `SequenceStates` reads it."""

    missing = None

    def __init__(self, model: Any, network: Any) -> None:
        self.networks_, self.network_config_, self.device = (network.body,), network.body.config, model.device
        E = network.body.config.input_size
        self.scaler_ = StandardScaler(np.zeros(E), np.ones(E))

    def output_classes(self) -> None:
        """Return None: logits are averaged over the networks behind their softmax, not here."""

    def output_scale(self) -> tuple[float, float]:
        return 0.0, 1.0


class _DirectOutputs:
    """States of what words add to the outputs of N streams: pairs of words, and a regression on TF-IDF.

    Of each token it reads the last numbers of its vector: what the regression says of its spelling, and its
    position in the vocabulary.

    Args:
        networks: M, of one configuration.
        capacity: N.
    """

    def __init__(self, networks: Sequence[TextNetwork], capacity: int) -> None:
        self._bigrams = [network.bigrams for network in networks if network.bigrams is not None]
        self._tfidf = networks[0].tfidf  # the same in all
        self._n_words, n_outputs = networks[0].config.n_words, networks[0].config.output_size
        self.width = 0
        self.arrays: State = {}
        if self._bigrams or self._tfidf:
            self.width = 1 + (n_outputs + 1 if self._tfidf else 0)
            self.arrays["last_word"] = np.zeros(capacity, np.int64)
        if self._bigrams and not self._bigrams[0].per_step:
            self.arrays["bigrams"] = np.zeros((capacity, len(networks), n_outputs))
        if self._tfidf:
            self.arrays["tfidf"] = np.zeros((capacity, N_BLOCKS, n_outputs + 1))

    def check(self, words: Floats, name: str) -> None:
        """Pass if these are positions in the vocabulary (n, M), the same for each network, if any is read."""
        is_position = (words >= 0) & (words < self._n_words) & (words == np.floor(words[:, :1]))
        if self.width and not is_position.all():
            row, network = np.argwhere(~is_position)[0]
            raise DataError(
                f"{name}: expected the position of a word among {self._n_words:,} at the end of each vector, "
                f"got {words[row, network]:g} in step {row + 1}. Give texts or words, or what rows() returns."
            )

    @torch.inference_mode()
    def add_to(self, outputs: Floats, rows: Floats, n_steps: Ints, streams: Ints, counts: Ints) -> Floats:
        """Return the outputs (M, n, K) with what words add, in streams that had n_steps (S,) before."""
        if not self.width:
            return outputs
        starts, ends = np.cumsum(counts) - counts, np.cumsum(counts)
        nth = np.repeat(n_steps - starts, counts) + np.arange(len(rows)) + 1  # step of its stream
        is_moved = counts > 0
        moved, starts, ends = streams[is_moved], starts[is_moved], ends[is_moved]
        words = rows[:, -1].astype(np.int64)
        before = np.concatenate([[0], words[:-1]])
        before[starts] = self.arrays["last_word"][moved]
        before[nth == 1] = self._n_words
        self.arrays["last_word"][moved] = words[ends - 1]
        pairs = torch.from_numpy(before), torch.from_numpy(words)
        if self._bigrams:
            steps = np.stack([bigrams.steps(*pairs).double().numpy() for bigrams in self._bigrams], 1)
            if self._bigrams[0].per_step:
                steps *= STEP_SCALE
            else:
                _run_sums(steps, self.arrays["bigrams"], moved, starts, ends)
                steps = SCALE * steps / nth[:, None, None]
            outputs = outputs + steps.swapaxes(0, 1)
        if self._tfidf:
            steps = self._tfidf.steps(*pairs, torch.from_numpy(rows[:, :-1])).numpy()
            _run_sums(steps, self.arrays["tfidf"], moved, starts, ends)
            outputs = self._tfidf.add(torch.from_numpy(outputs), torch.from_numpy(steps)).numpy()
        return outputs


def _run_sums(steps: Floats, sums: Floats, streams: Ints, starts: Ints, ends: Ints) -> None:
    """Turn the steps (n, ...) of streams into sums over all steps so far, and keep the last in `sums`."""
    for stream, start, end in zip(streams, starts, ends, strict=True):
        steps[start] += sums[stream]
        steps[start:end] = np.cumsum(steps[start:end], 0)
        sums[stream] = steps[end - 1]


class TextStates(StreamStates):
    """States of N streams of a TextClassifier or TextTagger.

    A step is a token: its vectors (M · D,) in the networks, one after the other, which `rows` looks up for a
    text or a list of words. An answer is what `predict_proba` gives: of a classifier the probabilities (K,)
    for the tokens so far, of a tagger those of the token. With `scheme="iob2"` a tagger's `predict` decodes
    whole sentences, and a stream leaves that to its reader.

    Args:
        model: fitted, one that `why_not_streamable` has nothing against.
        capacity: N.
    """

    def __init__(self, model: Any, capacity: int) -> None:
        self._networks, self._tokenizer, self._encoder = (
            model.networks_,
            model.tokenizer_,
            model.token_encoder_,
        )
        self._parts = [SequenceStates(_BodyModel(model, network), capacity) for network in self._networks]
        self._vectors: dict[str, Floats] = {}
        self._direct = _DirectOutputs(self._networks, capacity)
        self._size = self._parts[0].width + self._direct.width  # of what one network reads of a token
        self.width = len(self._parts) * self._size
        self.arrays: State = {"steps": self._parts[0].arrays["steps"]}
        for k, part in enumerate(self._parts):
            for name, array in part.arrays.items():
                self.arrays[_name_of(k, name)] = array
        self.arrays |= self._direct.arrays

    @staticmethod
    def why_not_streamable(model: Any) -> str:
        """Say in a sentence why a fitted model cannot be streamed; empty if it can."""
        return SequenceStates.why_not_streamable(_BodyModel(model, model.networks_[0]))

    def rows(self, values: Any, name: str) -> Floats:
        """Look up the tokens of a text or of a list of words; rows (n, M · D) are taken as they are.

        Raises:
            DataError: the list holds what is no word, or the rows have another width.
        """
        if isinstance(values, str):
            return self._vectors_of([token.text for token in self._tokenizer.split(values)])
        if isinstance(values, list | tuple) and values and isinstance(values[0], str):
            return self._vectors_of(as_documents([values], self._tokenizer, who=name).words(0))
        return read_rows(values, self.width, name)

    def check(self, rows: Floats, name: str) -> None:
        """Pass if vectors (n, M · D) hold finite numbers, and positions of words that the vocabulary has."""
        if not np.isfinite(rows).all():
            row = int(np.argmin(np.isfinite(rows).all(1)))
            raise DataError(f"{name}: expected vectors of finite numbers, got others in step {row + 1}.")
        self._direct.check(rows[:, self._size - 1 :: self._size], name)

    def step(self, rows: Floats, streams: Ints, counts: Ints) -> Floats:
        """Step streams; see `StreamStates`."""
        vectors = rows.reshape(len(rows), len(self._parts), self._size)
        n_steps, E = self.arrays["steps"][streams], self._parts[0].width
        outputs = np.stack(
            [
                part.outputs(np.ascontiguousarray(vectors[:, k, :E]), streams, counts)
                for k, part in enumerate(self._parts)
            ]
        )
        outputs = self._direct.add_to(outputs, vectors[:, 0, E:], n_steps, streams, counts)
        return mean_answers(torch.from_numpy(outputs), is_class=True)

    def _vectors_of(self, words: list[str]) -> Floats:
        """Return the vectors (n, M · D) of words; those of the latest words are kept, as words recur."""
        new = [word for word in dict.fromkeys(words) if word not in self._vectors]
        if len(self._vectors) + len(new) > _MOST_WORDS:
            self._vectors.clear()
            new = list(dict.fromkeys(words))
        if new:
            self._vectors.update(zip(new, self._look_up(new), strict=True))
        return np.array([self._vectors[word] for word in words]).reshape(-1, self.width)

    @torch.inference_mode()
    def _look_up(self, words: list[str]) -> Floats:
        table = self._encoder.table(words)
        with single_thread():
            tokens = table.batch(torch.arange(len(words))[None])
            vectors = [network.token_vectors(tokens)[0].double().numpy() for network in self._networks]
        return np.concatenate(vectors, axis=1)


def _name_of(k: int, name: str) -> str:
    """Return the name of a state of network k, which is its part's only one."""
    if name == "steps":
        return "steps" if k == 0 else f"network{k}.steps"
    return name.replace("network0", f"network{k}", 1)
