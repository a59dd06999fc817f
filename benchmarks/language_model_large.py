"""Tiny Shakespeare by a larger network than the default: two layers of 512 units, one seed.

As `benchmarks.language_model`, whose simple models stand beside.

    python -m benchmarks.language_model_large [--toy]
"""

from typing import Any

import torch

from benchmarks.language_model import BASELINES, TOY, measure, summarized
from benchmarks.record import Facts, main, print_now, table

SETTINGS: dict[str, Any] = {
    "hidden_size": 512, "num_layers": 2, "dropout": 0.3, "learning_rate": 3e-3, "max_epochs": 9,
}  # fmt: skip


def run(toy: bool) -> Facts:
    settings = TOY if toy else SETTINGS
    fits = [measure(name, settings=settings, toy=toy) for name in (*BASELINES, "seed 0")]
    rows = summarized(fits)
    print_now(table(rows))
    return {"threads": torch.get_num_threads(), "settings": settings, "rows": rows, "fits": fits}


if __name__ == "__main__":
    main(run)
