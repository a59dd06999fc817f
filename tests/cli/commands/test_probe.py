"""`unrolled probe`: what a kept network remembers."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.io import wavfile

from unrolled import probe
from unrolled.models.audio.classifier import AudioClassifier
from unrolled.models.forecasting.forecaster import Forecaster
from unrolled.models.sequence.classifier import SequenceClassifier
from unrolled.models.sequence.regressor import SequenceRegressor

Run = Callable[..., Any]
ASKING = ["order", "memory", "gradients", "states", "length"]


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small models on disk, by what they are."""
    X = [[-1.0, -0.5, 0.0, 0.4, 0.6, 1.0], [1.0, 0.6, 0.4, 0.0, -0.5, -1.0]] * 6
    small = {"hidden_size": 4}
    tiny = small | {"max_epochs": 1}
    folder = tmp_path_factory.mktemp("kept")
    made = {
        "gru": SequenceClassifier(**tiny).fit(X, ["up", "down"] * 6),
        "flat": SequenceClassifier(cell="feedforward", **tiny).fit(X, ["up", "down"] * 6),
        "number": SequenceRegressor(**tiny).fit(X, [1.5, -1.25] * 6),
        "forecaster": Forecaster(horizon=2, window=4, max_steps=8, **small).fit(
            pd.Series(range(30), dtype=float)
        ),
    }
    return {name: model.save(folder / name) for name, model in made.items()}


def test_each_probe_says_its_sentence(unrolled: Run, kinds: Any, saved_model: Any, tmp_path: Path) -> None:
    """The quick ones, a paragraph each, and a page with all of them."""
    answer = unrolled("probe", saved_model["gru"], kinds("test", 20), "--report", "page.html")
    assert answer.status == 0, answer.err
    assert [line.split()[0] for line in answer.out.splitlines() if line[:1].strip()] == [*ASKING, "Written:"]
    assert all(len(line) <= 101 for line in answer.out.splitlines())
    text = (tmp_path / "page.html").read_text()
    assert '<p class="kicker">Probe report</p>' in text
    for words in ("Does order matter?", "How far back does it look?", "Do its gradients survive?"):
        assert f"<h2>{words}</h2>" in text


def test_some_probes_run_alone_and_for_machines(unrolled: Run, kinds: Any, saved_model: Any) -> None:
    """In the order of the page, whatever order they were named in; without every unit's states."""
    answer = unrolled("probe", saved_model["gru"], kinds("test", 20), "--only", "states, order", "--json")
    payload = json.loads(answer.out)
    assert answer.out.count("\n") == 1
    assert list(payload["probes"]) == ["order", "states"]
    assert payload["probes"]["order"]["retrained"] is None
    assert "sentence" in payload["probes"]["states"]
    assert "state" not in payload["probes"]["states"]


def test_without_labels_memory_and_states_are_asked(unrolled: Run, saved_model: Any, tmp_path: Path) -> None:
    """The others are skipped with their reason, or refused where they are named; a page is written."""
    lines = [",".join(str(k * t % 7 / 7) for t in range(6)) for k in range(1, 21)]
    (tmp_path / "plain.csv").write_text("\n".join(["t0,t1,t2,t3,t4,t5", *lines]) + "\n")
    answer = unrolled("probe", saved_model["gru"], "plain.csv", "--report", "page.html")
    assert answer.status == 0, answer.err
    assert [line.split()[0] for line in answer.out.splitlines() if line.startswith(("memory", "states"))]
    assert "Skipped: order: plain.csv: expected a label beside each sequence" in answer.out
    assert "<h2>How far back does it look?</h2>" in (tmp_path / "page.html").read_text()
    named = unrolled("probe", saved_model["gru"], "plain.csv", "--only", "order")
    assert named.status == 2
    assert "--only memory,states" in named.err
    assert unrolled("probe", saved_model["gru"], "plain.csv", "--only", "memory,states").status == 0


def test_a_seed_draws_other_shuffles(unrolled: Run, kinds: Any, saved_model: Any) -> None:
    """And the same seed the same ones."""
    base = ("probe", saved_model["gru"], kinds("test", 20), "--only", "order", "--json")
    losses = [
        json.loads(unrolled(*base, "--seed", seed).out)["probes"]["order"]["shuffled_losses"]
        for seed in (0, 0, 1)
    ]
    assert losses[0] == losses[1] != losses[2]


def test_retraining_is_an_option(
    unrolled: Run, kinds: Any, saved_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then networks like it are trained anew, for the order and for the last two probes."""
    from unrolled.cli.commands import probe as command

    asked: list[tuple[str, bool]] = []

    def note(self: Any, name: str) -> Any:
        asked.append((name, self.retrain))
        raise command.ArgumentError("nobody answers.")

    monkeypatch.setattr(command.ProbeRun, "one", note)
    answer = unrolled("probe", saved_model["gru"], kinds("test", 20), "--retrain")
    assert asked == [(name, True) for name in [*ASKING, "activations", "feedforward"]]
    assert answer.out.splitlines()[0] == "Skipped: order: nobody answers."
    assert answer.status == 0


def test_probes_that_train_are_skipped_with_too_few_sequences(
    unrolled: Run, kinds: Any, saved_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found is printed, and why the last was not asked; asked for by name, it is a fault."""
    short = partial(probe.activations, seeds=1, max_epochs=1)
    monkeypatch.setattr(probe, "activations", short)
    few = ("probe", saved_model["gru"], kinds("test", 8))
    answer = unrolled(*few, "--only", "length,feedforward")
    assert answer.status == 2
    assert answer.err.splitlines()[-1].startswith("feedforward: expected at least 20 sequences")
    answer = unrolled(*few, "--retrain")
    assert answer.status == 0, answer.err
    payload = [line.split()[0] for line in answer.out.splitlines() if line[:1].strip()]
    assert payload == [*ASKING, "activations", "Skipped:"]
    assert "Skipped: feedforward: feedforward: expected at least 20" in answer.out


def test_regressors_are_probed_too(unrolled: Run, saved_model: Any, tmp_path: Path) -> None:
    """A SequenceRegressor's folder; errors in place of right answers."""
    frame = pd.DataFrame({f"t{k}": [0.1 * k, -0.1 * k] * 10 for k in range(6)}).assign(
        target=[1.5, -1.25] * 10
    )
    frame.to_csv(tmp_path / "numbers.csv", index=False)
    answer = unrolled(
        "probe", saved_model["number"], "numbers.csv", "--only", "order,length", "--report", "page.html"
    )
    assert answer.status == 0, answer.err
    text = (tmp_path / "page.html").read_text()
    assert "Error when the steps stand in another order" in text


def test_probes_that_need_recurrence_are_skipped_without_it(
    unrolled: Run, kinds: Any, saved_model: Any
) -> None:
    """The others are told; asked for by name, they are a fault."""
    answer = unrolled("probe", saved_model["flat"], kinds("test", 20))
    assert answer.status == 0
    assert "Skipped: memory: MODEL: expected one with a recurrent layer" in answer.out
    one = unrolled("probe", saved_model["flat"], kinds("test", 20), "--only", "memory")
    assert (one.status, one.out) == (2, "")
    assert one.err.splitlines()[-1].startswith("MODEL: expected one with a recurrent layer")


BAD: dict[str, tuple[tuple[str, ...], str]] = {
    "no such probe": (
        ("gru", "test.csv", "--only", "order,memry"),
        (
            "--only: expected one of order, memory, gradients, states, length, influence, activations, "
            "feedforward; got 'memry'. Did you mean 'memory'?"
        ),
    ),
    "nothing to retrain": (
        ("gru", "test.csv", "--only", "states,memory", "--retrain"),
        (
            "--retrain: only order, activations and feedforward train networks; got --only memory,states. "
            "Leave --retrain out, or ask for one of those."
        ),
    ),
    "nothing to draw": (
        ("gru", "test.csv", "--only", "length,states", "--seed", "0"),
        (
            "--seed: states, length and influence draw nothing at random; got --only states,length. "
            "Leave --seed out."
        ),
    ),
    "no such folder": (("absent", "test.csv"), "absent: expected the folder of a saved model, found none."),
    "another estimator": (("forecaster", "test.csv"), "{forecaster}: expected one of SequenceClassifier"),
    "no such data": (("gru", "absent.csv"), "absent.csv: "),
    "no name": (("", "test.csv"), "MODEL: expected a name, got ''. Give the folder to read."),
    "a page over the data": (
        ("gru", "test.csv", "--report", "test.csv"),
        "--report: expected another file than the input test.csv, got 'test.csv'. Name another.",
    ),
    "a page in the model": (
        ("gru", "test.csv", "--report", "{gru}/config.json"),
        "--report: expected a place outside the folder of MODEL, got",
    ),
    "another class": (("gru", "other.csv"), "order y: expected the classes that the model knows (down, up)"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_refusal_is_one_sentence(
    unrolled: Run, kinds: Any, saved_model: Any, tmp_path: Path, case: str
) -> None:
    """On stderr, status 2; nothing is written."""
    (model, data, *words), sentence = BAD[case]
    test = kinds("test", 20)
    (tmp_path / "other.csv").write_text(test.read_text().replace("up", "level"))
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    payload = [word.format(**saved_model) for word in words]
    answer = unrolled("probe", saved_model.get(model, model), data, *payload)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.splitlines()[-1].startswith(sentence.format(**saved_model))
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_recordings_are_asked_what_they_are_remembered_by(unrolled: Run, tmp_path: Path) -> None:
    """A folder a label: the order of its frames, memory in seconds, and a page."""
    rng = np.random.default_rng(0)
    for word, pitch in (("low", 0.3), ("high", 1.2)):
        (tmp_path / "words" / word).mkdir(parents=True)
        for k in range(6):
            wave = 0.2 * np.sin(np.arange(1600) * pitch) + rng.normal(0, 0.01, 1600)
            wavfile.write(tmp_path / "words" / word / f"{k}.wav", 8000, (wave * 2**15).astype(np.int16))
    AudioClassifier(hidden_size=4, num_layers=1, max_epochs=1).fit(tmp_path / "words").save(tmp_path / "m")
    answer = unrolled("probe", "m", "words", "--only", "order,memory,states", "--report", "page.html")
    assert answer.status == 0, answer.err
    assert "A step is 10 ms" in " ".join(answer.out.split())
    assert "words" in (tmp_path / "page.html").read_text(encoding="utf-8")
    refused = unrolled("probe", "m", "words", "--id", "x")
    assert refused.status == 2
    assert "--id: recordings have no use for it" in refused.err
    trained = unrolled("probe", "m", "words", "--only", "feedforward", "--retrain")
    assert trained.status == 2
    assert "trained on recordings" in trained.err
