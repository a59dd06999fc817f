"""A series of a million steps, window 512: memory grows with the series, not with series × window.

Each length in a fresh process, which first fits a short series so that libraries and kernels are loaded;
then the peak of resident memory before and after the fit of the long one. Stored windows would cost 4 bytes
for each of their steps and inputs.

    python -m benchmarks.memory [--toy]
"""

import json
import resource
import subprocess
import sys

from benchmarks.record import ROOT, Facts, main, print_now, table

WINDOW = 512
LENGTHS = (250_000, 500_000, 1_000_000)
MIB = 2**20


def run(toy: bool) -> Facts:
    window, rows = (32, []) if toy else (WINDOW, [])
    for length in (2_000,) if toy else LENGTHS:
        command = [sys.executable, "-m", "benchmarks.memory", "--fit", str(length), str(window)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"a fit of {length:,} steps ended with {done.returncode}\n{done.stderr}")
        facts = json.loads(done.stdout)
        stored = length * window * facts.pop("inputs") * 4 / MIB
        rows.append({"steps": length, **facts, "stored_windows_mib": round(stored)})
        print_now(table(rows[-1:]))
    if toy:
        return {}
    grown = (rows[-1]["grown_mib"] - rows[0]["grown_mib"]) * MIB / (rows[-1]["steps"] - rows[0]["steps"])
    print_now("\n" + table(rows) + f"\n{grown:.0f} bytes of peak memory for each further step")
    return {"window": window, "bytes_a_step": round(grown), "rows": rows}


def _fit(length: int, window: int) -> Facts:
    """Fit one series, in this process, and tell the peaks."""
    import time  # noqa: PLC0415 (these belong to the child, whose memory is measured)

    import numpy as np  # noqa: PLC0415

    from unrolled import Forecaster  # noqa: PLC0415

    y = 100 + np.random.default_rng(0).normal(size=length).cumsum()
    settings = {"horizon": 12, "hidden_size": 16, "window": window, "max_steps": 8, "batch_size": 8}
    Forecaster(**settings).fit(y[: 4 * window])
    before, start_s = _peak(), time.perf_counter()
    model = Forecaster(**settings).fit(y)
    seconds = time.perf_counter() - start_s
    return {
        "inputs": model.networks_[0].config.inputs,
        "before_mib": round(before / MIB),
        "peak_mib": round(_peak() / MIB),
        "grown_mib": round((_peak() - before) / MIB, 1),
        "seconds": round(seconds, 1),
    }


def _peak() -> int:
    """Bytes of resident memory, at most so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["--fit"]:
        print(json.dumps(_fit(int(sys.argv[2]), int(sys.argv[3]))))
    else:
        main(run)
