"""Probe modules that look up tokens: the vectors of their embedding are the input whose influence counts.

A step is a column with the token and columns with its vector (N, T, 1 + D). The module is called with the
tokens, and its embedding returns the vectors instead of looking them up. So steps can be permuted or taken
from another sequence, and gradients have something to end at.

Shapes: N sequences, B of them at once, T steps of the longest, D numbers of a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.errors import DataError
from unrolled.probe.model.layer_hook import evaluation_mode
from unrolled.probe.model.torch_module import call_by_length

BaseCall = Callable[[Any, Tensor, Tensor, Tensor], Tensor]


def _as_numbers(tokens: Tensor) -> Tensor:
    return tokens


def _as_indices(tokens: Tensor) -> Tensor:
    return tokens[..., 0].long()


def _as_index_columns(tokens: Tensor) -> Tensor:
    return tokens.long()


_FORMS = (_as_numbers, _as_indices, _as_index_columns)  # (B, T, 1) floats, (B, T) and (B, T, 1) integers


@dataclass(frozen=True, eq=False)
class TokenCall:
    """Call of a module that looks up tokens, with the vectors given.

    Args:
        base: how the module is called: with lengths, or by length.
        form: tokens (B, T, 1) to what the module reads.
        embedding: name of the embedding in the module.
        is_time_first: whether the embedding returns (T, B, D).
    """

    base: BaseCall
    form: Callable[[Tensor], Tensor]
    embedding: str
    is_time_first: bool

    @property
    def is_by_length(self) -> bool:
        """Tell whether sequences of different lengths are passed in batches of one length."""
        return self.base is call_by_length

    def __call__(self, network: nn.Module, values: Tensor, lengths: Tensor, rows: Tensor) -> Tensor:
        """Run the network on steps (B, T, 1 + D)."""

        def read(steps: Tensor, **options: Any) -> Any:
            vectors = steps[..., 1:].transpose(0, 1) if self.is_time_first else steps[..., 1:]
            hook = network.get_submodule(self.embedding).register_forward_hook(
                lambda _module, _args, looked_up: vectors.reshape(looked_up.shape)
            )
            try:
                return network(self.form(steps[..., :1]), **options)
            finally:
                hook.remove()

        return self.base(read, values, lengths, rows)

    def look_up(self, network: nn.Module, values: Tensor, lengths: Tensor, rows: Tensor) -> Tensor:
        """Run the network on the tokens of the steps alone, so that its embedding can be trained."""

        def read(steps: Tensor, **options: Any) -> Any:
            return network(self.form(steps[..., :1]), **options)

        return self.base(read, values, lengths, rows)

    @torch.no_grad()
    def embed(self, network: nn.Module, tokens: Tensor) -> Tensor:
        """Look tokens (N, T, 1) up, and put each beside its vector: (N, T, 1 + D)."""
        embedding = network.get_submodule(self.embedding)
        vectors = embedding(tokens[..., 0].long())
        return torch.cat([tokens.to(vectors), vectors], -1)


@torch.no_grad()
def find_token_call(
    module: nn.Module, base: BaseCall, values: Tensor, lengths: Tensor, caller: str
) -> TokenCall | None:
    """Find out how a module looks tokens up; None where it looks up none.

    A module with an embedding is run on one of the longest sequences, in each form of tokens until one works,
    and watched: its embedding is asked for as many vectors as there are steps.

    Args:
        module: any module.
        base: how it is called.
        values: (N, T, F) steps, 0 beyond a length.
        lengths: (N,).
        caller: which probe is called.

    Raises:
        DataError: X holds a token that the embedding does not have.
    """
    embeddings = {name: part for name, part in module.named_modules() if isinstance(part, nn.Embedding)}
    row = lengths.argmax()[None].cpu()
    steps = values[row, : int(lengths.max())]
    if not embeddings or values.shape[2] != 1 or (values != values.floor()).any():
        return None
    for form in _FORMS:
        with _watch_lookups(embeddings) as lookups:
            try:
                _run_on_tokens(module, base, form, steps, lengths[row])
            except Exception:  # noqa: BLE001, S112 (whatever a module raises on a form that it does not read)
                continue
        matching = [each for each in lookups if torch.equal(each[1].flatten(), steps.flatten().long())]
        if not matching:
            return None
        name, _, vectors = matching[0]
        _require_tokens(values, embeddings[name].num_embeddings, module, caller)
        is_time_first = steps.shape[1] > 1 and vectors.shape[:2] == (steps.shape[1], 1)
        return TokenCall(base, form, name, is_time_first)
    _require_tokens(values, max(part.num_embeddings for part in embeddings.values()), module, caller)
    return None


def _require_tokens(tokens: Tensor, vocabulary: int, module: nn.Module, caller: str) -> None:
    is_strange = (tokens < 0) | (tokens >= vocabulary)
    if is_strange.any():
        raise DataError(
            f"{caller} X: expected tokens from 0 to {vocabulary - 1}, which the {type(module).__name__}'s "
            f"embedding has; got {int(tokens[is_strange][0])}. Give the tokens that it was trained on."
        )


@contextmanager
def _watch_lookups(embeddings: dict[str, nn.Embedding]) -> Iterator[list[tuple[str, Tensor, Tensor]]]:
    """Watch embeddings: yields a list of the name, the tokens and the vectors of each lookup."""
    lookups: list[tuple[str, Tensor, Tensor]] = []
    hooks = [
        part.register_forward_hook(lambda _module, args, out, name=name: lookups.append((name, args[0], out)))
        for name, part in embeddings.items()
    ]
    try:
        yield lookups
    finally:
        for hook in hooks:
            hook.remove()


def _run_on_tokens(
    module: nn.Module, base: BaseCall, form: Callable[[Tensor], Tensor], steps: Tensor, lengths: Tensor
) -> None:
    with evaluation_mode(module) as network:
        base(lambda x, **options: network(form(x), **options), steps, lengths, torch.arange(len(steps)))
