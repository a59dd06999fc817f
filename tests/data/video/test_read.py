"""Reading clips: videos, folders of images, arrays, a folder a label."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unrolled import ArgumentError, DataError, read_labelled, read_videos
from unrolled.data.video.read import holds_videos

RNG = np.random.default_rng(0)


def clip(*shape: int) -> Any:
    """Distinct bytes."""
    return RNG.integers(0, 256, shape).astype(np.uint8)


def write_pgm(path: Path, pixels: Any) -> None:
    """The plainest image there is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = f"P5\n{pixels.shape[1]} {pixels.shape[0]}\n255\n"
    path.write_bytes(header.encode() + pixels.tobytes())


def test_a_folder_a_label_of_arrays(tmp_path: Path) -> None:
    """Each file is a clip, named by its path."""
    clips = {"left/b.npy": clip(5, 8, 6), "left/a.npy": clip(3, 8, 6), "right/c.npy": clip(4, 8, 6)}
    for name, array in clips.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        np.save(tmp_path / name, array)
    (tmp_path / "left" / "notes.txt").write_text("by hand")
    (tmp_path / ".hidden.npy").write_bytes(b"")
    read = read_videos(tmp_path)
    assert read.sequences.ids == ("left/a.npy", "left/b.npy", "right/c.npy")
    assert read.labels is not None
    assert read.labels.tolist() == ["left", "left", "right"]
    assert np.array_equal(read.sequences["left/b.npy"].values, clips["left/b.npy"])
    assert "left/notes.txt" in read.sequences.notes[0]
    assert holds_videos(tmp_path)


def test_arrays_in_files_of_numpy(tmp_path: Path) -> None:
    """One clip, several, and several with labels."""
    block = clip(3, 5, 8, 6)
    np.save(tmp_path / "one.npy", block[0])
    np.save(tmp_path / "all.npy", block)
    np.savez(tmp_path / "both.npz", X=block, y=["a", "b", "a"])
    assert read_videos(tmp_path / "one.npy").sequences.lengths.tolist() == [5]
    assert np.array_equal(read_videos(tmp_path / "all.npy").sequences.values, block.reshape(15, 8, 6))
    both = read_videos(tmp_path / "both.npz")
    assert both.labels is not None
    assert both.labels.tolist() == ["a", "b", "a"]
    assert np.array_equal(read_labelled(tmp_path / "both.npz").sequences.values, both.sequences.values)


def test_images_of_a_folder_are_a_clip_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """frame10 comes after frame9, in folders of labels too."""
    pytest.importorskip("av", reason="av is not installed")
    frames = clip(11, 8, 6)
    for k, frame in enumerate(frames):
        write_pgm(tmp_path / "one" / f"frame{k}.pgm", frame)
        write_pgm(tmp_path / "two" / "up" / "first" / f"{k}.pgm", frame)
        write_pgm(tmp_path / "two" / "down" / "first" / f"{k}.pgm", frame[::-1].copy())
    one = read_videos(tmp_path / "one")
    assert np.array_equal(one.sequences.values, frames)
    assert (one.labels, one.sequences.ids) == (None, ("one",))
    two = read_videos(tmp_path / "two", size=(8, 6))
    assert two.labels is not None
    assert two.labels.tolist() == ["down", "up"]
    assert two.sequences.ids == ("down/first", "up/first")
    assert np.array_equal(two.sequences[1].values, frames)


def test_a_size_makes_images_of_many_sizes_one_clip(tmp_path: Path) -> None:
    """Without it the sentence names the odd one."""
    pytest.importorskip("av", reason="av is not installed")
    write_pgm(tmp_path / "a" / "0.pgm", clip(8, 6))
    write_pgm(tmp_path / "a" / "1.pgm", clip(6, 8))
    with pytest.raises(
        DataError, match=r"a, 1\.pgm: expected \(8, 6\) as of 0\.pgm, got \(6, 8\)\. .* size="
    ):
        read_videos(tmp_path / "a")
    assert read_videos(tmp_path / "a", size=(4, 4)).sequences.feature_shape == (4, 4)
    assert read_videos(tmp_path / "a", size=(4, 4), color=True).sequences.feature_shape == (3, 4, 4)


def test_bad_folders_and_files_are_refused_in_one_sentence(tmp_path: Path) -> None:
    """Empty, missing, of other files, with a clip beside its folder, damaged."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: expected a folder of clips, .* got 0 other files"):
        read_videos(tmp_path / "empty")
    assert not holds_videos(tmp_path / "empty")
    with pytest.raises(DataError, match="missing: expected a file or a folder, found none"):
        read_videos(tmp_path / "missing")
    (tmp_path / "mixed" / "up").mkdir(parents=True)
    np.save(tmp_path / "mixed" / "up" / "a.npy", clip(2, 4, 5))
    np.save(tmp_path / "mixed" / "b.npy", clip(2, 4, 5))
    with pytest.raises(DataError, match=r"expected every clip in the folder of its label, got b\.npy"):
        read_videos(tmp_path / "mixed")
    (tmp_path / "mixed" / "b.npy").write_bytes(b"\x93NUMPY cut")
    with pytest.raises(DataError, match=r"expected a whole \.npy file"):
        read_videos(tmp_path / "mixed" / "b.npy")
    np.savez(tmp_path / "table.npz", X=np.ones((3, 5, 2)), y=[0, 1, 0])
    with pytest.raises(DataError, match=r"table\.npz: expected frames \(H, W\)"):
        read_videos(tmp_path / "table.npz")


def test_sizes_that_differ_among_clips_name_the_clip(tmp_path: Path) -> None:
    """And say what to do."""
    np.save(tmp_path / "a.npy", clip(2, 4, 5))
    np.save(tmp_path / "b.npy", clip(2, 5, 4))
    with pytest.raises(DataError, match=r"clip 1 \(b\.npy\): expected frames of 4 x 5 .*, got 5 x 4"):
        read_videos(tmp_path)


def test_a_single_file_is_a_clip_of_its_name(tmp_path: Path) -> None:
    """An image too, of one frame."""
    np.save(tmp_path / "a.npy", clip(2, 4, 5))
    assert read_videos(tmp_path / "a.npy").sequences.ids == ("a.npy",)
    (tmp_path / "b.pgm").write_bytes(b"P5\n4 2\n255\n" + bytes(range(8)))
    assert holds_videos(tmp_path / "b.pgm")
    image = read_videos(tmp_path / "b.pgm").sequences
    assert (image.ids, image.lengths.tolist(), image.feature_shape) == (("b.pgm",), [1], (2, 4))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"rate": 0}, "rate: expected a number above 0, got 0"),
        ({"rate": 5}, "rate: .* holds no video"),
        ({"size": 64}, r"size: expected \(H, W\), two whole numbers, got 64"),
        ({"size": (0, 8)}, "size: height: expected a whole number"),
        ({"size": (8, 8)}, "size and color: .* holds arrays, which stay as they are"),
        ({"color": "yes"}, "color: expected True or False, got 'yes'"),
    ],
)
def test_arguments_out_of_place_are_refused(options: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    """None is ignored."""
    np.save(tmp_path / "a.npy", clip(2, 4, 5))
    with pytest.raises(ArgumentError, match=sentence):
        read_videos(tmp_path, **options)


def test_five_damaged_files_are_named_together(tmp_path: Path) -> None:
    """Then the reading stops."""
    for k in range(7):
        (tmp_path / f"{k}.npy").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        read_videos(tmp_path)
    assert [f"{k}.npy" in str(caught.value) for k in range(7)] == [True] * 5 + [False] * 2
