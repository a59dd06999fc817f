"""`unrolled classify`: a class a sequence, beside what is simpler."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.models.forecasting.forecaster import Forecaster
from unrolled.models.sequence.classifier import SequenceClassifier

Run = Callable[..., Any]
TINY = ("--hidden-size", 4, "--max-epochs", 1)
STEPS = 6


def test_every_file_format_gives_the_same_predictions(unrolled: Run, kinds: Any) -> None:
    """CSV, Parquet, .npz, .ts and a long table: the same sequences, whatever they came in."""
    unrolled("classify", kinds("train", 24), "--label", "kind", *TINY, "--folds", 2, "--save", "kept")
    payload = {}
    for form in ("csv", "parquet", "npz", "ts", "long"):
        columns = ("--label", "kind") if form in {"csv", "parquet", "long"} else ()
        columns += ("--id", "run", "--time", "second") if form == "long" else ()
        answer = unrolled("classify", kinds(form, 12, form, seed=1), "--model", "kept", *columns, "--json")
        assert answer.status == 0, answer.err
        payload[form] = [(one["y"], one["answer"], one["p-up"]) for one in json.loads(answer.out)["answers"]]
    assert len(payload["csv"]) == 12
    assert all(answers == payload["csv"] for answers in payload.values())


def test_a_test_file_is_scored(unrolled: Run, kinds: Any) -> None:
    """And nothing else; everyone simpler stands beside the network."""
    train, test = kinds("train", 24), kinds("test", 12, seed=1)
    payload = json.loads(unrolled("classify", train, "--test", test, *TINY, "--json").out)
    assert (payload["n_sequences"], payload["folds"], payload["task"]) == (12, None, "labels")
    scores = {row["name"]: row["accuracy"] for row in payload["rows"]}
    assert scores["majority class"] == 0.5
    assert {"gru", "1-NN Euclidean", "bag of steps", "reservoir"} <= set(scores)


def test_without_a_test_file_folds_are_scored(unrolled: Run, kinds: Any) -> None:
    """Every sequence once; in five, as --help says, where their number is not given."""
    for words, folds in ((("--folds", 2), 2), ((), 5)):
        payload = json.loads(unrolled("classify", kinds("train", 20), *TINY, *words, "--json").out)
        assert (payload["n_sequences"], payload["folds"]) == (20, folds)
    help_text = " ".join(unrolled("classify", "--help").out.split())
    assert "of a cross-validation; by default 5, or one a group." in help_text


def test_a_row_a_sequence_that_looks_like_a_row_a_step_is_reported(unrolled: Run, tmp_path: Path) -> None:
    """On stderr, with the way out, before anything is fitted."""
    rows = [
        f"{run},{value},{'up' if run % 2 else 'down'}\n" for run in range(6) for value in (0.5, 0.25, 1.5)
    ]
    (tmp_path / "long.csv").write_text("patient,value,kind\n" + "".join(rows))
    answer = unrolled("classify", "long.csv", "--folds", 19)
    assert answer.err.startswith(
        "Note: A row was taken as a sequence of 2 steps, though column 'patient' seems to tell sequences of "
        "several rows apart; if it does, name it with --id.\n"
    )
    assert "Note:" not in unrolled("classify", "long.csv", "--id", "patient", "--folds", 19).err


def test_names_that_look_like_numbers_are_those_of_the_training(unrolled: Run, tmp_path: Path) -> None:
    """A test file need not hold the label with a zero in front, by which names are told from numbers."""
    for name, labels in (("train", ("01", "02", "10", "11")), ("test", ("10", "11"))):
        rows = [f"{k % 4},{k % 5},{label}\n" for k, label in enumerate(labels * 6)]
        (tmp_path / f"{name}.csv").write_text("t0,t1,label\n" + "".join(rows))
    words = ("--solver", "reservoir", "--hidden-size", 4, "--save", "names")
    assert unrolled("classify", "train.csv", "--test", "test.csv", *words).status == 0
    assert unrolled("probe", "names", "test.csv", "--only", "length").status == 0


def test_an_npz_with_both_parts_is_tested_on_its_test_part(unrolled: Run, tmp_path: Path) -> None:
    """X_train, y_train, X_test, y_test in one file."""
    X, y = _block(30, 0)
    path = tmp_path / "both.npz"
    np.savez(path, X_train=X[:20], y_train=y[:20], X_test=X[20:], y_test=y[20:])
    payload = json.loads(unrolled("classify", path, *TINY, "--json").out)
    assert (payload["n_sequences"], payload["folds"]) == (10, None)


def test_it_prints_table_sentence_and_written_paths(unrolled: Run, kinds: Any, tmp_path: Path) -> None:
    """The network first; a page, a table of answers and a model that answers alike."""
    train, test = kinds("train", 24), kinds("test", 12, seed=1)
    words = ("--report", "page.html", "--output", "told.csv", "--save", "kept")
    answer = unrolled("classify", train, "--test", test, *TINY, *words)
    lines = answer.out.splitlines()
    assert answer.status == 0
    assert lines[0].split()[:2] == ["model", "accuracy"]
    assert lines[1].startswith("gru ")
    assert "The GRU is right on" in answer.out
    assert lines[-3:] == ["Written: page.html", "Written: told.csv", "Written: kept"]
    assert '<p class="kicker">Classification report</p>' in (tmp_path / "page.html").read_text()
    payload = pd.read_csv(tmp_path / "told.csv")
    assert list(payload.columns[:3]) == ["id", "y", "gru"]
    again = unrolled("classify", test, "--model", "kept", "--output", "again.csv")
    assert again.status == 0
    frame = pd.read_csv(tmp_path / "again.csv")
    assert list(frame.columns) == ["id", "y", "answer", "p-down", "p-up"]
    assert frame["answer"].tolist() == payload["gru"].tolist()
    assert frame[["p-down", "p-up"]].sum(axis=1).to_numpy() == pytest.approx(np.ones(12), abs=1e-5)


def test_predictions_of_a_saved_model_are_printed_as_text_or_json(
    unrolled: Run, kinds: Any, tmp_path: Path
) -> None:
    """Twenty lines at most; an answer needs no label."""
    unrolled("classify", kinds("train", 24), *TINY, "--folds", 2, "--save", "kept")
    unlabelled = pd.DataFrame(_block(25, 2)[0], columns=[f"t{k}" for k in range(STEPS)])
    unlabelled.to_csv(tmp_path / "new.csv", index=False)
    answer = unrolled("classify", "new.csv", "--model", "kept")
    assert re.match(r"sequence +answer +sure\n0 +(up|down) +0\.\d{3}\n", answer.out)
    assert answer.out.endswith("... and 5 more sequences; --output writes them all to a file.\n")
    payload = json.loads(unrolled("classify", "new.csv", "--model", "kept", "--json").out)
    assert len(payload["answers"]) == 25
    assert set(payload["answers"][0]) == {"id", "answer", "p-down", "p-up"}


OPTIONS: list[dict[str, object]] = [
    {"cell": "rnn", "activation": "relu", "hidden_size": 3, "max_epochs": 1, "seed": 1},
    {"bidirectional": True, "n_members": 2, "hidden_size": 4, "max_epochs": 2},
    {"solver": "reservoir", "hidden_size": 4},
]


@pytest.mark.parametrize("given", OPTIONS)
def test_every_option_reaches_the_model(unrolled: Run, kinds: Any, tmp_path: Path, given: Any) -> None:
    """It is kept with it."""
    options = {name.removeprefix("n_").replace("_", "-"): value for name, value in given.items()}
    words = [(f"--{name}", *([] if value is True else [value])) for name, value in options.items()]
    train, test = kinds("train", 12), kinds("test", 10, seed=1)
    answer = unrolled("classify", train, "--test", test, *chain(*words), "--save", "kept")
    assert answer.status == 0, answer.err
    params = json.loads((tmp_path / "kept" / "config.json").read_text())["params"]
    saved_model = {"seed" if name == "random_state" else name: value for name, value in params.items()}
    assert {name: saved_model[name] for name in given} == given


BAD: dict[str, tuple[tuple[object, ...], str]] = {
    "no such file": (("absent.csv",), "absent.csv: "),
    "no labels": (("plain.csv",), "plain.csv: expected a label beside each sequence, got none."),
    "no such column": (("train.csv", "--label", "knd"), "train.csv: expected a column 'knd' as label"),
    "no such cell": (("train.csv", "--cell", "grue"), "--cell: expected one of"),
    "no units": (("train.csv", "--hidden-size", 0), "--hidden-size: expected a whole number from 1"),
    "one fold": (("train.csv", "--folds", 1), "--folds: expected a whole number at least 2, got 1."),
    "more folds than sequences": (
        ("train.csv", "--label", "kind", "--folds", 50),
        "--folds: expected at most 12, as there are 12 sequences; got 50.",
    ),
    "folds beside a test file": (
        ("train.csv", "--test", "test.csv", "--folds", 5),
        "--folds: there is a test set, nothing is cross-validated; got --test as well. Leave one out.",
    ),
    "folds beside a test part": (
        ("both.npz", "--folds", 5),
        "--folds: there is a test set, nothing is cross-validated; both.npz has X_test. Leave --folds out.",
    ),
    "folds of a saved model": (
        ("train.csv", "--model", "kept", "--folds", 5),
        "--model: a saved model takes no options of training or testing, got --folds. Leave",
    ),
    "output over test": (
        ("train.csv", "--test", "test.csv", "--output", "test.csv"),
        "--output: expected another file than the input test.csv, got 'test.csv'. Name another.",
    ),
    "report over train": (
        ("train.csv", "--report", "train.csv"),
        "--report: expected another file than the input train.csv, got 'train.csv'. Name another.",
    ),
    "a table of no kind": (("train.csv", "--output", "told.txt"), "--output: expected a name that ends in"),
    "settings of a saved model": (
        ("train.csv", "--model", "kept", "--cell", "rnn", "--test", "test.csv"),
        "--model: a saved model takes no options of training or testing, got --cell, --test.",
    ),
    "no model": (("train.csv", "--model", "kept"), "kept: expected the folder of a saved model, found none."),
    "no name": (("",), "TRAIN: expected a name, got ''. Give the file to read."),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_refusal_is_one_sentence(unrolled: Run, kinds: Any, tmp_path: Path, case: str) -> None:
    """On stderr, status 2, before any training; no file is touched."""
    words, sentence = BAD[case]
    kinds("train", 12)
    kinds("test", 10, seed=1)
    pd.DataFrame(_block(6, 0)[0]).to_csv(tmp_path / "plain.csv", index=False)
    X, y = _block(20, 0)
    np.savez(tmp_path / "both.npz", X_train=X[:12], y_train=y[:12], X_test=X[12:], y_test=y[12:])
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    answer = unrolled("classify", *words)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith(sentence)
    assert answer.err.count("\n") == 1
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_a_folder_beside_a_model_of_another_kind_names_its_command(unrolled: Run, tmp_path: Path) -> None:
    """And not the folder, which that command reads."""
    (tmp_path / "calls").mkdir()
    Forecaster(1, hidden_size=2, max_steps=1).fit(np.arange(60.0)).save(tmp_path / "flow")
    answer = unrolled("classify", "calls", "--model", "flow")
    assert answer.status == 2
    assert "Read it with unrolled forecast --model" in answer.err


def _block(count: int, seed: int) -> tuple[Any, Any]:
    """Rising and falling sequences, half of each."""
    rng = np.random.default_rng(seed)
    y = np.array(["up", "down"] * count)[:count]
    slopes = np.where(y == "up", 1.0, -1.0)
    X = slopes[:, None] * np.linspace(-1, 1, STEPS) + rng.normal(0, 0.3, size=(count, STEPS))
    return np.round(X, 4), y


def test_ctrl_c_in_the_last_training_saves_nothing(
    unrolled: Run, kinds: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 130, and no half-trained model in a folder or on a page."""
    fit = SequenceClassifier.fit

    def interrupted(model: Any, X: Any, y: Any, **kwargs: Any) -> Any:
        fit(model, X, y, **kwargs)
        if len(X) == 24:  # everything, after the folds
            model.history_ = replace(model.history_, stopped="interrupted")
        return model

    monkeypatch.setattr(SequenceClassifier, "fit", interrupted)
    words = (*TINY, "--folds", 2, "--save", "kept", "--report", "page.html")
    answer = unrolled("classify", kinds("train", 24), *words)
    assert (answer.status, answer.out) == (130, "")
    assert not list(tmp_path.glob("kept")) + list(tmp_path.glob("page.html"))


def test_columns_of_another_file_are_taken_by_name(unrolled: Run, kinds: Any) -> None:
    """Of --test and with --model: in another order they are the same sequences, other names are refused."""
    train = kinds("train", 24)
    frame = pd.read_csv(kinds("test", 12, seed=1))
    frame[["t3", "kind", "t5", "t0", "t1", "t4", "t2"]].to_csv("turned.csv", index=False)
    frame.rename(columns={"t0": "u0"}).to_csv("renamed.csv", index=False)
    unrolled("classify", train, *TINY, "--folds", 2, "--save", "kept")
    for before, after in (((), ("--model", "kept")), ((train, "--test"), TINY)):
        one, other, third = (
            unrolled("classify", *before, file, *after, "--json")
            for file in ("test.csv", "turned.csv", "renamed.csv")
        )
        payloads = [json.loads(answer.out) for answer in (one, other)]
        if before:
            accuracies = [{row["name"]: row["accuracy"] for row in each["rows"]} for each in payloads]
            assert accuracies[0] == accuracies[1]
        else:
            assert payloads[0]["answers"] == payloads[1]["answers"]
        assert third.status == 2
        assert "expected the columns 't0', " in third.err
        assert "got 't0' missing and 'u0' besides" in third.err


def test_several_columns_name_the_sequences(unrolled: Run, tmp_path: Path) -> None:
    """Two --id are both ids; answers carry each in its own column."""
    rng = np.random.default_rng(0)
    label = rng.permutation(np.tile([-1, 1], 8))
    frame = pd.DataFrame(
        {
            "who": np.repeat(np.arange(4), 16),
            "try": np.tile(np.repeat([1, 2, 3, 4], 4), 4),
            "time": np.tile(np.arange(4), 16),
            "height": np.repeat(label, 4) + rng.normal(0, 0.2, 64),
            "label": np.repeat(np.where(label > 0, "up", "down"), 4),
        }
    )
    frame.to_csv(tmp_path / "long.csv", index=False)
    words = ("--id", "who", "--id", "try", "--time", "time", "--json")
    answer = unrolled("classify", "long.csv", *words, *TINY, "--folds", 2, "--save", "kept")
    assert (answer.status, json.loads(answer.out)["n_sequences"]) == (0, 16)
    answers = json.loads(unrolled("classify", "long.csv", "--model", "kept", *words).out)["answers"]
    assert [(one["who"], one["try"]) for one in answers[:5]] == [(0, 1), (0, 2), (0, 3), (0, 4), (1, 1)]


def test_gaps_are_read_as_fill_says(unrolled: Run, tmp_path: Path) -> None:
    """By name of the option where they are refused; a saved model reads them as it was fitted."""
    rng = np.random.default_rng(0)
    lines = []
    for k in range(24):
        steps = [f"{v:.3f}" for v in rng.normal(size=6) + 3 * (k % 2)]
        steps[rng.integers(1, 5)] = ""
        lines.append(",".join([*steps, "up" if k % 2 else "down"]))
    head = ",".join([*(f"t{k}" for k in range(6)), "kind"])
    (tmp_path / "gaps.csv").write_text("\n".join([head, *lines]) + "\n")
    refused = unrolled("classify", "gaps.csv", *TINY, "--folds", 2)
    assert refused.status == 2
    assert "--fill mask" in refused.err
    for how in ("mask", "forward", "linear"):
        answer = unrolled("classify", "gaps.csv", *TINY, "--folds", 2, "--fill", how, "--save", how)
        assert answer.status == 0, answer.err
        assert unrolled("classify", "gaps.csv", "--model", how).status == 0
    assert "--fill: expected" in unrolled("classify", "gaps.csv", "--folds", 2, "--fill", "mean").err
