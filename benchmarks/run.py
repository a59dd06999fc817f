"""All benchmarks, or those that are named, each in a process of its own.

    python -m benchmarks.run                      all but the slow ones
    python -m benchmarks.run m3 sp500             these
    python -m benchmarks.run --toy                at toy size, nothing written
    python -m benchmarks.run --missing            only what has no numbers of this commit yet

One that fails does not stop the others; the exit status says whether any did. Each writes
results/<name>.json when it ends, so that an interrupted run goes on with --missing.
"""

import argparse
import json
import subprocess
import sys
import time

from benchmarks.record import RESULTS, ROOT, commit, print_now

# name: about how long on two cores; the slow ones only run when named
BENCHMARKS = {
    "kernels": "a minute",
    "layers": "five minutes",
    "last_step": "two minutes",
    "small_calls": "two minutes",
    "call_cost": "a minute",
    "gemm_share": "two minutes",
    "ragged": "five minutes",
    "options": "five minutes",
    "peak_memory": "five minutes",
    "epoch": "two minutes",
    "step_profile": "two minutes",
    "small_fits": "two minutes",
    "streams": "three minutes",
    "stream_drift": "two minutes",
    "stream_length": "two minutes",
    "startup": "two minutes",
    "busy_machine": "five minutes",
    "memory": "two minutes",
    "sp500": "five minutes",
    "averaging_alarms": "a minute",
    "m4_hourly": "five minutes",
    "classification": "five minutes",
    "training_budget": "five minutes",
    "serving": "three minutes",
    "m3": "ten minutes",
}
SLOW = {
    "frameworks": "twenty minutes, once `make rivals` has run",
    "fit_time": "ten minutes, once `make rivals-classifiers` has run",
    "sequential_mnist": "half an hour",
    "adding_problem": "half an hour",
    "missing_values": "an hour",
    "text": "ten minutes",
    "tagging": "half an hour",
    "text_training": "five minutes",
    "language_model": "a quarter of an hour",
    "language_model_large": "an hour",
    "clips": "ten minutes",
    "moving_mnist": "half an hour",
    "spoken_digits": "half an hour, with aeon an hour",
    "spotter": "ten minutes",
    "transcription": "an hour and a half",
    "translation": "an hour",
    "probe_trust": "an hour",
    "verdict_trust": "an hour",
    "comparison_trust": "an hour",
}


def main() -> None:
    known = BENCHMARKS | SLOW
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(known)}")
    parser.add_argument("--toy", action="store_true")
    parser.add_argument("--missing", action="store_true")
    given = parser.parse_args()
    if unknown := sorted(set(given.names) - set(known)):
        parser.error(f"no benchmark is called {unknown[0]!r}; there are {', '.join(known)}")
    names = given.names or list(BENCHMARKS)
    if given.missing:
        names = [name for name in names if not _has_numbers(name)]
    failed = [name for name in names if not _run(name, known[name], toy=given.toy)]
    failures = f"; failed: {', '.join(failed)}" if failed else ""
    print_now(f"{len(names) - len(failed)} of {len(names)} done{failures}")
    sys.exit(bool(failed))


def _run(name: str, about: str, *, toy: bool) -> bool:
    """Whether it ended well."""
    print_now(f"\n== {name}" + ("" if toy else f": about {about}"))
    start_s = time.perf_counter()
    command = [sys.executable, "-m", f"benchmarks.{name}", *["--toy"] * toy]
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    print_now(
        f"== {name}: {time.perf_counter() - start_s:.0f} s" + (f", FAILED with {status}" * bool(status))
    )
    return status == 0


def _has_numbers(name: str) -> bool:
    path = RESULTS / f"{name}.json"
    return path.exists() and json.loads(path.read_text(encoding="utf-8"))["commit"] == commit()


if __name__ == "__main__":
    main()
