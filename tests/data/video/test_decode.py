"""Decoding: videos and images to frames, at a rate and a size; damaged files are refused."""

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unrolled import ArgumentError, DataError, MissingDependencyError
from unrolled.data.video.decode import FrameFormat, decode_image, decode_video

av = pytest.importorskip("av", reason="av is not installed")

H, W = 32, 48


def write_video(path: Path, n: int = 20, rate: int = 10, codec: str = "mpeg4") -> Path:
    """Frame k is a uniform grey of 10 k, which compression keeps."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = W, H, "yuv420p"
        for k in range(n):
            frame = av.VideoFrame.from_ndarray(np.full((H, W, 3), 10 * k, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_image(path: Path, pixels: Any) -> Path:
    """PNG, which loses nothing."""
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        stream.height, stream.width, stream.pix_fmt = *pixels.shape[:2], "rgb24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def levels(frames: Any) -> list[int]:
    """Return the number of each uniform frame."""
    return [round(float(frame.mean()) / 10) for frame in frames]


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mkv"])
def test_a_video_is_read_frame_by_frame(name: str, tmp_path: Path) -> None:
    """In grey or in colour, in the order of time."""
    path = write_video(tmp_path / name)
    grey = decode_video(path, name, FrameFormat())
    assert grey.shape == (20, H, W)
    assert grey.dtype == np.uint8
    assert levels(grey) == list(range(20))
    assert decode_video(path, name, FrameFormat(has_color=True)).shape == (20, 3, H, W)


def test_a_rate_keeps_the_frames_that_are_shown_then(tmp_path: Path) -> None:
    """Every k / rate seconds the frame on the screen."""
    path = write_video(tmp_path / "a.mp4")
    assert levels(decode_video(path, "a", FrameFormat(), rate=5)) == [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]
    # at 0, 1/4, 1/2, 3/4 seconds and so on
    assert levels(decode_video(path, "a", FrameFormat(), rate=4)) == [0, 2, 5, 7, 10, 12, 15, 17]
    assert levels(decode_video(path, "a", FrameFormat(), rate=10)) == list(range(20))


def test_a_size_brings_frames_to_it(tmp_path: Path) -> None:
    """Areas are averaged, so that the mean of a picture stays."""
    board = np.kron(np.indices((H // 2, W // 2)).sum(0) % 2, np.ones((2, 2)))
    pixels = np.repeat((board * 200).astype(np.uint8)[..., None], 3, axis=2)
    path = write_image(tmp_path / "a.png", pixels)
    small = decode_image(path, "a", FrameFormat(size=(8, 12)))
    assert small.shape == (8, 12)
    assert np.abs(small.astype(float) - 100).max() < 6


def test_an_image_is_read_to_the_bit(tmp_path: Path) -> None:
    """Red, green and blue come first."""
    pixels = np.random.default_rng(0).integers(0, 256, (H, W, 3)).astype(np.uint8)
    image = decode_image(write_image(tmp_path / "a.png", pixels), "a", FrameFormat(has_color=True))
    assert np.array_equal(image, np.moveaxis(pixels, 2, 0))


def test_a_name_is_never_an_address_or_a_pattern(tmp_path: Path) -> None:
    """FFmpeg would read some names as such."""
    pixels = np.full((H, W, 3), 90, np.uint8)
    for name in ("a%03d.png", "concat:b.png", "http:c.png", "é ü.png"):
        written = write_image(tmp_path / "plain.png", pixels)
        written = written.rename(tmp_path / name)
        assert decode_image(written, name, FrameFormat()).mean() == pytest.approx(90, abs=1)


def test_a_rate_above_the_videos_own_is_refused(tmp_path: Path) -> None:
    """Frames that were not filmed cannot be read."""
    path = write_video(tmp_path / "a.mp4")
    with pytest.raises(ArgumentError, match="rate: a has 10 frames a second, got rate=25"):
        decode_video(path, "a", FrameFormat(), rate=25)


def test_damaged_files_are_refused_in_one_sentence(tmp_path: Path) -> None:
    """Cut, empty, of another kind, of a number of frames that is not there."""
    video = write_video(tmp_path / "a.mp4").read_bytes()
    image = write_image(tmp_path / "a.png", np.arange(H * W * 3).reshape(H, W, 3).astype(np.uint8))
    content = image.read_bytes()
    bad = {
        "half.mp4": video[: len(video) // 2],
        "no_codec.mp4": video[: video.index(b"stsd")],
        "empty.mp4": b"",
        "text.mp4": b"no video at all " * 40,
        "half.png": content[: len(content) * 2 // 3],
        "empty.png": b"",
        "flipped.png": content[:60] + bytes(b ^ 255 for b in content[60:90]) + content[90:],
    }
    for name, damaged in bad.items():
        path = tmp_path / name
        path.write_bytes(damaged)
        decode = decode_video if name.endswith("mp4") else decode_image
        with pytest.raises(
            DataError, match=f"^{name}: expected an? (image|video|whole video), got"
        ) as caught:
            decode(path, name, FrameFormat())
        assert "\n" not in str(caught.value)


def test_sound_is_no_video(tmp_path: Path) -> None:
    """A file that FFmpeg knows, without pictures."""
    from scipy.io import wavfile

    wavfile.write(tmp_path / "a.wav", 8000, np.ones(800, np.int16))
    with pytest.raises(DataError, match="expected a video, got a file without pictures"):
        decode_video(tmp_path / "a.wav", "a.wav", FrameFormat())


def test_without_pyav_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that installs it."""
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "unrolled\[video\]"'):
        decode_video(tmp_path / "a.mp4", "a.mp4", FrameFormat())


def test_times_are_exact() -> None:
    """A rate of 29.97 stays what it is over an hour."""
    from unrolled.data.video.decode import _at_rate

    class Shown:
        time_base = Fraction(1001, 30000)

        def __init__(self, k: int) -> None:
            self.pts = k

    frames = [Shown(k) for k in range(3000)]
    assert [frame.pts for frame in _at_rate(iter(frames), 30000 / 1001)] == list(range(3000))
