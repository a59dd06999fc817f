"""Speech to text: connected digits, synthetic speech and telephone prompts, each trained from nothing here.

`Transcriber()` as it comes, on recordings at 8 kHz. Word error rate (WER) and character error rate (CER) are
of all tested recordings together, beside the transcript of the nearest training recording.

digits: one to seven recordings of fsdd of one speaker, with pauses of a random length and a hiss 40 to 60 dB
below. "Known voices" learns from 2,000 sequences of takes 5 to 49 and is tested on 300 of takes 0 to 4; two
seeds. Each speaker is also left out entirely, and 100 sequences of that one are tested; one seed. Settings
were chosen on sequences of takes 15 to 49 tested on takes 10 to 14 of known voices.

captions: English captions of multi30k of at most eight words, in lower case, spoken by espeak-ng's en-us
voice: 1,500 to learn from, 200 others to test on. Left out where espeak-ng is not installed.

prompts: the sentences of Debian's asterisk-core-sounds-en-wav, one speaker, in lower case without signs; a
fifth, drawn by a hash of the name, is tested. Beside it stands pocketsphinx, where it is installed, with the
model of its wheel: that has heard much other speech, at 16,000 samples a second, of which these recordings of
8,000 hold the lower half of the band alone. Left out where the package is not.

`left_out` in the results names the tasks and seeds of this list that were not run. `--only` measures some of
them and keeps the other rows of the results; each row names its commit and processor. Fits that are done are
kept in `results/transcription.partial.json`, and one that is interrupted resumes. fsdd/ and multi30k/ lie in
the folder UNROLLED_DATA, by default ../shared/data.

    python -m benchmarks.transcription [--toy] [--only prompts] [--only "captions: seed 1"]
"""

import gzip
import hashlib
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.record import (
    DATA,
    Facts,
    chosen,
    commit,
    earlier,
    machine,
    main,
    measured,
    measured_at,
    print_now,
    require_file,
    table,
)
from unrolled import Recording, Transcriber
from unrolled.data.audio.error_rates import error_rates
from unrolled.data.audio.recording import RecordingList, read_recording
from unrolled.evaluate.audio.transcription_baselines import NearestRecording

SEEDS = 2
RATE = 8000
DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
KNOWN = "digits, known voices"
TASKS = ("captions", KNOWN, *(f"digits, {speaker} unheard" for speaker in SPEAKERS), "prompts")
PROMPTS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
PROMPT_TEXTS = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")
TOY: dict[str, Any] = {"hidden_size": 4, "num_layers": 1, "max_epochs": 1}
TEST_TAKES = 5


class Pairs(NamedTuple):
    """Recordings and their transcripts."""

    recordings: list[Recording]
    texts: list[str]


class Task(NamedTuple):
    """What is learned from, and what is tested."""

    train: Pairs
    test: Pairs


def run(toy: bool, only: Sequence[str] = ()) -> Facts:
    fits = [
        f"{task}: seed {seed}" for task in TASKS for seed in range(1 if toy or "unheard" in task else SEEDS)
    ]
    here = [fit for fit in fits if task_of(fit) in available_tasks(toy)]
    compute = partial(measure, toy=toy)
    rows = measured(here, compute, "transcription", part="rows", name_of=row_name, only=only, toy=toy)
    beside = earlier("transcription", "rivals", row_name) if only else {}
    if not toy:
        shutil.rmtree(checkpoints(), ignore_errors=True)
    for row in rivals(list(dict.fromkeys(map(task_of, chosen(here, only)))), toy):
        beside[row_name(row)] = row
    for part in (rows, beside):
        print_now("\n" + table(list(part.values())))
    return {
        "threads": torch.get_num_threads(),
        "left_out": [fit for fit in fits if fit not in rows],
        "rows": [rows[fit] for fit in fits if fit in rows],
        "rivals": sorted(beside.values(), key=lambda row: TASKS.index(row["task"])),
    }


def row_name(row: Facts) -> str:
    return f"{row['task']}: {row['model']}"


def task_of(fit: str) -> str:
    return fit.split(": seed ", maxsplit=1)[0]


def available_tasks(toy: bool) -> list[str]:
    """Name the tasks whose data are here."""
    if toy:
        return [KNOWN, f"digits, {SPEAKERS[0]} unheard"]
    has = {"captions": bool(shutil.which("espeak-ng")), "prompts": PROMPTS.is_dir() and PROMPT_TEXTS.exists()}
    return [task for task in TASKS if has.get(task, True)]


def measure(name: str, *, toy: bool) -> Facts:
    """Fit one seed on one task, and score it on what was left out."""
    task_name, seed = task_of(name), name.split(": seed ")[1]
    task = make_task(task_name, toy)
    model = Transcriber(rate=RATE, random_state=int(seed), verbose=False, **(TOY if toy else {}))
    start_s, cpu_s = time.perf_counter(), time.process_time()
    checkpoint = None if toy else checkpoints() / re.sub(r"\W+", "-", name)
    model.fit(*task.train, checkpoint=checkpoint)
    fit_s, cpu_s = time.perf_counter() - start_s, time.process_time() - cpu_s
    start_s = time.perf_counter()
    texts = model.predict(task.test.recordings)
    predict_s = time.perf_counter() - start_s
    return scores(task_name, f"seed {seed}", texts, task.test) | {
        "fit_s": round(fit_s, 1),
        "fit_cpu_s": round(cpu_s, 1),
        "seconds_a_second": round(predict_s / sum(each.seconds for each in task.test.recordings), 4),
    }


def rivals(tasks: list[str], toy: bool) -> list[Facts]:
    """Score what is simpler on the same recordings, and pocketsphinx on the prompts."""
    rows = []
    for name in tasks:
        task = make_task(name, toy)
        train, test = (RecordingList(tuple(part.recordings), RATE) for part in task)
        nearest = NearestRecording().fit(train, task.train.texts).predict(test)
        rows.append(scores(name, "nearest recording", nearest, task.test))
        if name == "prompts" and (texts := pocketsphinx_texts(task.test.recordings)):
            rows.append(scores(name, "pocketsphinx", texts, task.test))
    return rows


def scores(task: str, model: str, texts: list[str], test: Pairs) -> Facts:
    rates = error_rates(texts, test.texts)
    return {
        "task": task,
        "model": model,
        "wer": round(rates.word_error_rate, 4),
        "cer": round(rates.character_error_rate, 4),
        "exact": round(rates.n_right / rates.n_texts, 4),
        "tested": rates.n_texts,
        **measured_at(machine()),
    }


def checkpoints() -> Path:
    """Return the folder of the trainings of this commit."""
    return Path(tempfile.gettempdir()) / f"unrolled-transcription-{commit()}"


@cache
def make_task(name: str, toy: bool) -> Task:
    """Make the recordings of a task, the same every time."""
    if name == "captions":
        return captions()
    if name == "prompts":
        return prompts()
    source = read_digits(toy)
    n_train, n_test = (24, 8) if toy else (2000, 300)
    if name == KNOWN:
        is_test = source.takes < TEST_TAKES
    else:
        is_test, n_test = source.speakers == name.split()[1], n_test if toy else 100
    parts = zip((~is_test, is_test), (n_train, n_test), range(2), strict=True)
    return Task(*(connect(source, np.flatnonzero(rows), n, seed) for rows, n, seed in parts))


class SpokenDigits(NamedTuple):
    """Recordings (N) with digit, speaker and take of each."""

    waves: list[NDArray[Any]]
    digits: NDArray[np.int64]
    speakers: NDArray[np.str_]
    takes: NDArray[np.int64]


def read_digits(toy: bool) -> SpokenDigits:
    """Read fsdd; tones of two heights and two made-up speakers where it is a toy."""
    if toy:
        rows = [
            (digit, speaker, take) for digit in (0, 1) for speaker in ("george", "b") for take in range(8)
        ]
        waves = [1e4 * np.sin(np.arange(1600 + 40 * t) * (0.3 + 0.9 * d)) for d, _, t in rows]
        digits, speakers, takes = zip(*rows, strict=True)
        return SpokenDigits(waves, np.array(digits), np.array(speakers), np.array(takes))
    with np.load(require_file(DATA / "fsdd" / "fsdd.npz")) as parts:
        waves = np.split(parts["audio"], parts["offsets"][1:-1])
        return SpokenDigits(waves, parts["digit"], parts["speaker"], parts["take"])


def connect(source: SpokenDigits, rows: NDArray[np.int64], n: int, seed: int) -> Pairs:
    """Join one to seven digits of one speaker, n times, among these rows."""
    rng, recordings, texts = np.random.default_rng(seed), [], []
    for _ in range(n):
        speaker = rng.choice(np.unique(source.speakers[rows]))
        picked = rng.choice(rows[source.speakers[rows] == speaker], rng.integers(1, 8))
        waves = [source.waves[row].astype(np.float64) / 2**15 for row in picked]
        hiss = np.abs(waves[0]).max() * 10 ** (-rng.uniform(40, 60) / 20)
        pauses = [rng.normal(0, hiss, int(RATE * rng.uniform(0.02, 0.35))) for _ in range(len(waves) + 1)]
        parts = [part for pair in zip(pauses, waves, strict=False) for part in pair]
        recordings.append(Recording(np.concatenate([*parts, pauses[-1]]), RATE))
        texts.append(" ".join(DIGITS[source.digits[row]] for row in picked))
    return Pairs(recordings, texts)


def captions() -> Task:
    """Let espeak-ng speak short captions."""
    with gzip.open(require_file(DATA / "multi30k" / "train.en.gz"), "rt", encoding="utf-8") as file:
        plain = dict.fromkeys(without_signs(line) for line in file)
    texts = [text for text in plain if 3 <= len(text.split()) <= 8 and text.isascii()][:1700]
    recordings = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoken.wav"
        for text in texts:
            subprocess.run(["espeak-ng", "-v", "en-us", "-w", str(path), text], check=True)
            recordings.append(read_recording(path).resampled(RATE))
    return Task(Pairs(recordings[:1500], texts[:1500]), Pairs(recordings[1500:], texts[1500:]))


def prompts() -> Task:
    """Read the prompts, a fifth of them by the hash of their names to test on."""
    parts = [Pairs([], []), Pairs([], [])]
    with gzip.open(PROMPT_TEXTS, "rt", encoding="utf-8") as file:
        lines = [line.split(":", 1) for line in file if ":" in line and not line.startswith(";")]
    for name, text in lines:
        path = PROMPTS / f"{name.strip()}.wav"
        if not path.exists() or "[" in text or not without_signs(text):
            continue
        is_test = hashlib.sha256(name.strip().encode()).digest()[0] % 5 == 0
        parts[is_test].recordings.append(read_recording(path))
        parts[is_test].texts.append(without_signs(text))
    return Task(*parts)


def without_signs(text: str) -> str:
    """Return the letters, digits and apostrophes of a text in lower case, one space between words."""
    return " ".join(re.sub(r"[^a-z0-9' ]+", " ", text.lower()).split())


def pocketsphinx_texts(recordings: list[Recording]) -> list[str]:
    """Transcribe with pocketsphinx and its own model; nothing where it is not installed."""
    try:
        import pocketsphinx  # noqa: PLC0415 (a rival)
    except ImportError:
        return []
    decoder: Any = pocketsphinx.Decoder(samprate=2 * RATE, loglevel="FATAL")
    texts = []
    for recording in recordings:
        wave = recording.resampled(2 * RATE).wave()
        decoder.start_utt()
        decoder.process_raw((np.clip(wave, -1, 1) * 32767).astype(np.int16).tobytes(), full_utt=True)
        decoder.end_utt()
        texts.append(without_signs(decoder.hyp().hypstr) if decoder.hyp() else "")
    return texts


if __name__ == "__main__":
    main(run)
