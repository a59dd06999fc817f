"""Base of LanguageModel: what a fitted one writes, completes and predicts, and its live streams."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from unrolled.data.text.documents import as_running_texts
from unrolled.data.text.language.codec import END, LanguageCodec
from unrolled.data.text.vocabulary import UNKNOWN
from unrolled.errors import DataTypeError
from unrolled.formatting import quoted_list
from unrolled.models.estimator import NetworkEstimator
from unrolled.models.parameters import RandomSource, RandomState, draw_seed
from unrolled.models.text.language.dataset import NO_TARGET
from unrolled.models.text.language.generation import Completion, Sampling, complete_word, sample_tokens
from unrolled.models.text.language.network import LanguageNetwork
from unrolled.models.text.language.states import LanguageStates, generating_states, token_distributions
from unrolled.models.text.language.stream import LanguageStream
from unrolled.validation import check_int

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_PROBED_TOKENS = 128  # of a piece of a running text: as far back as the probes look


class TextWriter(NetworkEstimator):
    """Base of LanguageModel: all that needs a fitted model and no text to learn from."""

    _stream_states = LanguageStates

    codec_: LanguageCodec
    has_ends_: bool

    @property
    def tokens_(self) -> tuple[str, ...]:
        r"""Texts of all tokens, as distributions have them: "\ufffd" unknown, "" an end, then the others."""
        self._require_fitted()
        return tuple(self.codec_.piece(k) for k in range(len(self.codec_)))

    def predict_proba(self, text: str) -> Floats:
        """Predict the distribution (T, V) of the next token after each of a text, in the order of `tokens_`.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: `text` is no string, or empty.
        """
        self._require_fitted()
        texts, _ = as_running_texts(text, who="LanguageModel text")
        return token_distributions(self, self.codec_.encode(texts[0]).positions)

    def generate(
        self,
        prompt: str = "",
        n: int = 200,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        random_state: RandomSource = None,
    ) -> str:
        """Write a text on, token by token drawn from the distribution of the next.

        Args:
            prompt: what is read first; characters that the model does not know are read as unknown, with a
                warning. "" to begin a text.
            n: tokens to write; fewer where a model of documents ends one.
            temperature: above 0; below 1 the likely becomes likelier, above 1 less so.
            top_k: draw from so many of the likeliest tokens; None for all.
            top_p: draw from the fewest likeliest tokens whose probabilities sum to this; None for all.
            random_state: seed of the draws; None for new ones each time.

        Returns:
            What was written, without the prompt.

        Raises:
            NotFittedError: `fit` was not called.
            ArgumentError: an argument is out of range.
            DataTypeError: the prompt is no string.
        """
        self._require_fitted()
        check_int("n", n, least=1)
        sampling = Sampling.from_arguments(temperature, top_k, top_p)
        RandomState().check("random_state", random_state)
        positions = self._read_prompt(prompt)
        states = generating_states(self, 1)
        rng = np.random.default_rng(draw_seed(random_state))
        drawn = sample_tokens(states, positions, int(n), sampling, rng, has_ends=self.has_ends_)
        return self.codec_.decode(drawn)

    def complete(self, prompt: str, n: int = 5, *, max_length: int = 20) -> list[Completion]:
        """Find the n likeliest completions of the last word of a text, or of its next word.

        Args:
            prompt: as for `generate`.
            n: completions.
            max_length: tokens of a completion at most.

        Returns:
            Pairs (text, probability), the likeliest first: that just this text follows and the word ends.
            With unit="word" the likeliest next tokens. Fewer than n where there are no more.

        Raises:
            NotFittedError: `fit` was not called.
            ArgumentError: n or max_length is no whole number above 0.
            DataTypeError: the prompt is no string.
        """
        self._require_fitted()
        check_int("n", n, least=1)
        check_int("max_length", max_length, least=1)
        return complete_word(self, self._read_prompt(prompt), int(n), int(max_length))

    def stream(self, blob: bytes | None = None, **options: Any) -> LanguageStream:
        """Return a live stream: text in, the distribution of the next token out, at the same cost each.

        Args:
            blob: a snapshot to go on from; None to begin a text.
            options: none.

        Raises:
            NotFittedError: `fit` was not called.
            ArgumentError: the model cannot be streamed, which the sentence explains; or `blob` is no bytes.
            DataError: the snapshot is not whole, of another format, or of another model.
        """
        stream = LanguageStream(self, self.stream_states(1, **options))
        if blob is not None:
            stream.restore(blob)
        return stream

    def token_vectors(self, X: Any) -> tuple[list[Tensor], Tensor]:
        """Look up the vectors (N, T, E) of some texts for the network, zero beyond a length; lengths (N,).

        Each text is read from a state of zeros: documents as they are, a running text in pieces of 128
        tokens. They are what the recurrent layers read: the probes permute them and take gradients by them.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is.
        """
        tokens, _, lengths = self._probed_tokens(X)
        with torch.no_grad():
            vectors = self.networks_[0].embedding(tokens)
        is_valid = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
        return [vectors * is_valid[..., None]], lengths

    def token_targets(self, X: Any) -> Tensor:
        """Return the positions (N, T) of the tokens to predict for some texts, -100 beyond a length.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is.
        """
        return self._probed_tokens(X)[1]

    def token_texts(self, X: Any) -> list[NDArray[Any]]:
        """Return the tokens (T_i,) that are read of each text, "" where it begins.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is.
        """
        tokens, _, lengths = self._probed_tokens(X)
        names = np.array(self.tokens_, dtype=object)
        rows = zip(tokens.cpu().numpy(), lengths.tolist(), strict=True)
        return [names[row[:length]] for row, length in rows]

    def output_classes(self) -> NDArray[Any]:
        """Return `tokens_`, whose logits the network puts out."""
        return np.array(self.tokens_, dtype=object)

    def vector_outputs(self, network: LanguageNetwork, vectors: Tensor, lengths: Tensor) -> Tensor:
        """Compute the logits (N, T, V) of the next token after each vector (N, T, E)."""
        del lengths  # what is beyond one comes after all that counts
        outputs, _ = network(vectors.transpose(0, 1))
        return F.linear(network.features(outputs), *network.readout).transpose(0, 1)

    def _probed_tokens(self, X: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Cut texts into tokens (N, T) and the next of each, -100 beyond a length; and lengths (N,)."""
        self._require_fitted()
        texts, are_documents = as_running_texts(X, who="LanguageModel X")
        end = [END] if self.has_ends_ else []
        streams = [np.array([END, *self.codec_.encode(text).positions, *end]) for text in texts]
        if not are_documents:
            starts = range(0, len(streams[0]) - 1, _PROBED_TOKENS)
            streams = [streams[0][start : start + _PROBED_TOKENS + 1] for start in starts]
        lengths = torch.tensor([len(stream) - 1 for stream in streams])
        tokens = torch.full((len(streams), int(lengths.max())), END)
        targets = torch.full_like(tokens, NO_TARGET)
        for i, stream in enumerate(map(torch.from_numpy, streams)):
            tokens[i, : lengths[i]], targets[i, : lengths[i]] = stream[:-1], stream[1:]
        device = self.networks_[0].readout_bias.device
        return tokens.to(device), targets.to(device), lengths.to(device)

    def _read_prompt(self, prompt: Any) -> Ints:
        if not isinstance(prompt, str):
            raise DataTypeError(
                f"prompt: expected a string, got {type(prompt).__name__}. Pass the text to go on from."
            )
        encoded = self.codec_.encode(prompt)
        if self.codec_.tokenizer.unit == "word" and UNKNOWN in encoded.positions[:1]:
            behind_space = self.codec_.encode(f" {prompt}")  # most words of a text stand there
            encoded = min(behind_space, encoded, key=lambda each: len(each.unknown))
        if encoded.unknown:
            warnings.warn(
                f"prompt: {quoted_list(encoded.unknown[:5])} not in the vocabulary, read as unknown.",
                stacklevel=3,
            )
        return encoded.positions
