"""Who looks on while a layer runs: transforms, forward mode, dispatch modes, tracing.

Torch has no public name for some of these questions. Its private ones are looked up here, once; where
a version of torch lacks one, the answer is yes, which costs time and never a wrong number.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad


def find_private(owner: Any, name: str, instead: Callable[..., Any]) -> Callable[..., Any]:
    """The function of this dotted name, or what stands in for it in a torch that has none."""
    for part in name.split("."):
        owner = getattr(owner, part, None)
    return owner if callable(owner) else instead


# How deep in transforms of torch.func, or in a batch of gradients, we are, from 1 on; None where in none.
transform_level = find_private(torch._C, "_functorch.maybe_current_level", lambda: 1)  # noqa: SLF001 (no public name for it)
# How many dispatch modes look on.
n_dispatch_modes = find_private(torch._C, "_len_torch_dispatch_stack", lambda: 1)  # noqa: SLF001 (nor for this)
# Whether torch.jit.trace looks on.
is_tracing = find_private(torch._C, "_is_tracing", lambda: True)  # noqa: SLF001 (the public one takes twice as long)
# Whether a transform maps over a tensor; only a better sentence depends on it.
is_batched = find_private(torch._C, "_functorch.is_batchedtensor", lambda _: False)  # noqa: SLF001 (nor for this)


_is_batch = find_private(torch._C, "_functorch.is_legacy_batchedtensor", lambda _: True)  # noqa: SLF001 (nor for this)


def has_batched_gradient(gradients: Sequence[Tensor | None]) -> bool:
    """Whether any of them is a batch, as `is_grads_batched` and vectorized jacobians send."""
    return any([_is_batch(g) for g in gradients if g is not None])  # noqa: C419 (a list is faster)


def is_in_forward_mode() -> bool:
    """Whether derivatives are taken in forward mode."""
    return bool(getattr(forward_ad, "_current_level", 0) >= 0)
