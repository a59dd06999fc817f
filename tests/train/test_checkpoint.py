"""A checkpoint is whole or not there, whatever happens while it is written."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from unrolled.errors import ModelLoadError
from unrolled.train.checkpoint import load_checkpoint, save_checkpoint, select_prefix
from unrolled.train.optimizer import AdamW, ParameterGroup

TENSORS = {"network.weight": torch.arange(6.0).reshape(2, 3).t(), "random_state": torch.get_rng_state()}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    """Tensors to the bit, also those that are not contiguous; the record as it was."""
    save_checkpoint(tmp_path / "c", TENSORS, {"epochs": [1.5, None]})
    tensors, record = load_checkpoint(tmp_path / "c")
    assert record == {"epochs": [1.5, None]}
    assert all(torch.equal(tensors[name], tensor) for name, tensor in TENSORS.items())
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == [
        "training.json",
        "training.safetensors",
    ]


def test_no_folder_is_no_checkpoint(tmp_path: Path) -> None:
    """The training then begins from the start."""
    assert load_checkpoint(tmp_path / "none") is None


@pytest.mark.parametrize("name", ["training.json", "training.safetensors"])
@pytest.mark.parametrize("fate", ["missing", "cut"])
def test_a_damaged_checkpoint_is_one_sentence(name: str, fate: str, tmp_path: Path) -> None:
    """Whichever file it is: the folder, and the way out."""
    save_checkpoint(tmp_path / "c", TENSORS, {"epochs": list(range(50))})
    file = tmp_path / "c" / name
    if fate == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(ModelLoadError, match=r"not a whole checkpoint .*Delete the folder to train from"):
        load_checkpoint(tmp_path / "c")


def test_the_optimizer_goes_on_where_it_was(tmp_path: Path) -> None:
    """Its moments and its count of steps survive the disk."""

    def stepped(weight: torch.Tensor, optimizer: AdamW) -> None:
        optimizer.zero_grad()
        (weight**2).sum().backward()
        optimizer.step()

    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = AdamW([ParameterGroup([weight])], learning_rate=0.1)
    for _ in range(3):
        stepped(weight, optimizer)
    save_checkpoint(tmp_path / "c", optimizer.tensors(), {})
    twin = torch.nn.Parameter(weight.detach().clone())
    other = AdamW([ParameterGroup([twin])], learning_rate=0.1)
    other.load_tensors(load_checkpoint(tmp_path / "c")[0])
    stepped(weight, optimizer)
    stepped(twin, other)
    assert torch.equal(weight, twin)


def test_below_takes_one_branch() -> None:
    """Names under a prefix, without it."""
    assert list(select_prefix("a.", {"a.b.c": torch.ones(1), "ab": torch.ones(1)})) == ["b.c"]


_SAVE_FOR_EVER = """
import sys, torch
from pathlib import Path
from unrolled.train.checkpoint import save_checkpoint
for epoch in range(10**9):
    tensors = {f"t{k}": torch.full((100_000,), float(epoch)) for k in range(4)}
    save_checkpoint(Path(sys.argv[1]), tensors, {"epoch": epoch})
    if epoch == 1:
        print("going", flush=True)
"""


@pytest.mark.parametrize("wait_s", [0.05, 0.11])
def test_a_kill_leaves_a_whole_checkpoint(wait_s: float, tmp_path: Path) -> None:
    """SIGKILL at any moment: the folder holds one epoch, all of it."""
    folder = tmp_path / "c"
    command = [sys.executable, "-c", _SAVE_FOR_EVER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "going\n"
        time.sleep(wait_s)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    tensors, record = load_checkpoint(folder)
    assert record["epoch"] >= 1
    assert all((tensor == record["epoch"]).all() for tensor in tensors.values())
    assert json.loads((folder / "training.json").read_text()).items() >= record.items()


def test_an_edited_record_is_a_damaged_checkpoint(tmp_path: Path) -> None:
    """The digest covers the record too: losses and step numbers decide how the training goes on."""
    save_checkpoint(tmp_path / "c", TENSORS, {"step": 3, "seconds": 0.1})
    file = tmp_path / "c" / "training.json"
    file.write_text(file.read_text().replace("3", '"3"', 1))
    with pytest.raises(ModelLoadError, match=r"not a whole checkpoint \(it is not what was written\)"):
        load_checkpoint(tmp_path / "c")


def test_nobody_is_told_to_delete_files_of_their_own(tmp_path: Path) -> None:
    """A folder with other files is refused by name; an empty one is no checkpoint yet; a file is none."""
    folder = tmp_path / "training"
    folder.mkdir()
    assert load_checkpoint(folder) is None
    (folder / "data.csv").write_text("mine")
    with pytest.raises(ModelLoadError, match=r"other files \(data\.csv\)\. Name another folder\.$"):
        load_checkpoint(folder)
    with pytest.raises(ModelLoadError, match=r"got a file\. Name another\.$"):
        load_checkpoint(folder / "data.csv")
    assert load_checkpoint(folder / "data.csv" / "training") is None  # saving there explains it


def test_a_checkpoint_is_read_whole_while_another_process_replaces_it(tmp_path: Path) -> None:
    """Record and tensors come from one save, whenever the folder is swapped."""
    folder = tmp_path / "c"
    command = [sys.executable, "-c", _SAVE_FOR_EVER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "going\n"
            for _ in range(60):
                tensors, record = load_checkpoint(folder)
                assert all((tensor == record["epoch"]).all() for tensor in tensors.values())
        finally:
            child.kill()
