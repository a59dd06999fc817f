"""Dataset of a language model: a long text, or documents one after the other, in parallel streams.

Shapes: N tokens in all, B streams, T steps of a window.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.text.language.codec import END

NO_TARGET = -100
_LEAST_SHARE, _MOST_SHARE = 0.6, 1.4  # of the usual window, before all are fitted into a pass


class StreamBatch(NamedTuple):
    """Next window of each stream."""

    tokens: Tensor  # (T, B) int64
    targets: Tensor  # (T, B) int64, the token after each; NO_TARGET where there is none
    resets: Tensor | None  # (B, T) true where a document begins; None where none does


class StreamDataset:
    """Windows of B parallel streams through one text, in order: window k of stream b is example k B + b.

    For truncated backpropagation through time: the state after a window is where the next begins. A document
    begins with the token END, at which the state is reset.

    In training each pass over the text starts at another place, and cuts it at other places, windows from
    about 0.6 to 1.4 times the usual; text that is left over belongs to no window of that pass. Draws from
    torch's random state.

    Args:
        tokens: (N + 1,) int64.
        n_streams: B.
        window: usual T.
        is_training: False for all of the text, in equal windows, the last of them short of targets.
        device: where batches are.

    >>> data = StreamDataset(torch.tensor([1, 5, 6, 7, 8]), n_streams=2, window=2, is_training=False)
    >>> len(data), data.batch(torch.tensor([0, 1])).targets.tolist()
    (2, [[5, 7], [6, 8]])
    """

    def __init__(
        self, tokens: Tensor, *, n_streams: int, window: int, is_training: bool, device: str = "cpu"
    ) -> None:
        n_targets = len(tokens) - 1
        self.n_streams, self.is_training = n_streams, is_training
        self._n_steps = n_targets // n_streams if is_training else -(-n_targets // n_streams)
        self.n_windows = max(1, round(self._n_steps / window))
        self._inputs, self._targets = tokens[:-1].to(device), tokens[1:].to(device)
        if not is_training:
            missing = self._n_steps * n_streams - n_targets
            self._inputs = torch.nn.functional.pad(self._inputs, (0, missing), value=END)
            self._targets = torch.nn.functional.pad(self._targets, (0, missing), value=NO_TARGET)
        self._has_documents = bool((self._inputs == END).sum() > 0)
        self._start, self._ends = 0, self._even_ends()

    def __len__(self) -> int:
        return self.n_windows * self.n_streams

    def batch(self, rows: Tensor) -> StreamBatch:
        """Return window k of every stream: rows are k B, k B + 1, ... k B + B - 1."""
        k = int(rows[0]) // self.n_streams
        if k == 0 and self.is_training:
            self._cut_anew()
        first, last = (int(self._ends[k - 1]) if k else 0), int(self._ends[k])
        streams = torch.arange(self.n_streams, device=self._inputs.device) * self._n_steps
        steps = torch.arange(self._start + first, self._start + last, device=self._inputs.device)
        places = (steps[:, None] + streams).remainder_(len(self._inputs))  # (T, B)
        tokens = self._inputs[places]
        begins = tokens == END
        resets = begins.t() if self._has_documents and bool(begins.any()) else None
        return StreamBatch(tokens, self._targets[places], resets)

    def fingerprint(self, settings: str) -> str:
        """Compute a digest of the text and of how it is used: a training resumes with the same only."""
        digest = hashlib.sha256(settings.encode())
        digest.update(repr((self.n_streams, self.n_windows)).encode())
        for tokens in (self._inputs, self._targets):
            digest.update(tokens.cpu().numpy().tobytes())
        return digest.hexdigest()

    def _even_ends(self) -> NDArray[np.int64]:
        return np.linspace(0, self._n_steps, self.n_windows + 1).round().astype(np.int64)[1:]

    def _cut_anew(self) -> None:
        self._start = int(torch.randint(len(self._inputs), ()))
        shares = torch.empty(self.n_windows, dtype=torch.float64).uniform_(_LEAST_SHARE, _MOST_SHARE)
        ends = (shares.cumsum(0) / shares.sum() * self._n_steps).round().long()
        self._ends = ends.clamp_(min=torch.arange(1, self.n_windows + 1)).numpy()
