"""Recordings with labels from folders and tables."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import wavfile

from unrolled.data.audio.read import holds_recordings, read_recordings
from unrolled.errors import DataError

Tone = Callable[..., NDArray[np.int16]]


def test_the_folders_are_the_labels(word_folder: Path) -> None:
    """In the order of names; files of other kinds and hidden ones are left out with a note."""
    (word_folder / "README.md").write_text("about")
    (word_folder / "low" / ".hidden.wav").write_bytes(b"")
    read = read_recordings(word_folder)
    assert read.labels.tolist() == ["high"] * 3 + ["low"] * 3
    assert [each.name for each in read][:2] == ["high/0.wav", "high/1.wav"]
    assert [len(each) for each in read[:3]] == [1600, 1680, 1760]
    assert read.notes == ("1 file without a recording left out: 'README.md'.",)
    assert (read.groups, read.source) == (None, "words")


def test_a_folder_of_files_has_no_labels(word_folder: Path) -> None:
    """To be predicted; beside folders of labels they are refused."""
    read = read_recordings(word_folder / "low")
    assert (read.labels, len(read)) == (None, 3)
    (word_folder / "lone.wav").write_bytes((word_folder / "low" / "0.wav").read_bytes())
    with pytest.raises(DataError, match=r"in the folder of its label, got lone\.wav beside"):
        read_recordings(word_folder)


def test_a_label_with_one_file_is_read(word_folder: Path) -> None:
    """Whether it can be learned or tested, whoever uses it says."""
    (word_folder / "rare").mkdir()
    (word_folder / "low" / "0.wav").rename(word_folder / "rare" / "0.wav")
    assert read_recordings(word_folder).labels.tolist().count("rare") == 1


def test_links_are_followed_and_broken_ones_named(word_folder: Path) -> None:
    """A label may be a link to a folder elsewhere; a link to a folder around it is not walked for ever."""
    (word_folder / "low").rename(word_folder.parent / "elsewhere")
    (word_folder / "low").symlink_to(word_folder.parent / "elsewhere")
    (word_folder / "high" / "around").symlink_to(word_folder)
    read = read_recordings(word_folder)
    assert read.labels.tolist() == ["high"] * 3 + ["low"] * 3
    (word_folder / "high" / "gone.wav").symlink_to("nowhere.wav")
    with pytest.raises(DataError, match=r"gone\.wav: expected a file, got an error"):
        read_recordings(word_folder)


def test_a_missing_path_and_a_wrong_column_are_named(word_folder: Path) -> None:
    """By row; the paths are no labels."""
    table = word_folder / "list.csv"
    table.write_text("clip,said\nhigh/0.wav,high\n,low\n")
    with pytest.raises(DataError, match=r"list\.csv row 3, column 'clip': expected a text, got nothing"):
        read_recordings(table)
    table.write_text("clip,said\nhigh/0.wav,high\nlow/0.wav,low\n")
    for label, message in (("clip", "got 'clip', the paths"), (3, "expected a column 3 as label, got none")):
        with pytest.raises(DataError, match=message):
            read_recordings(table, label=label)  # type: ignore[arg-type]


def test_a_single_recording_has_no_label(word_folder: Path) -> None:
    """And no columns."""
    file = word_folder / "low" / "0.wav"
    read = read_recordings(file)
    assert (len(read), read.labels, read.source, read[0].name) == (1, None, "0.wav", "0.wav")
    assert np.array_equal(read[0].samples, read_recordings(word_folder / "low")[0].samples)
    with pytest.raises(DataError, match=r"got 'speaker'\. Leave it out, or read a table"):
        read_recordings(file, groups="speaker")


def test_a_table_has_paths_labels_and_speakers(word_folder: Path) -> None:
    """Paths are seen from its folder; the speaker's column is found by its name."""
    lines = ["clip,said,speaker"]
    lines += [f"{word}/{k}.wav,{word},s{k}" for word in ("high", "low") for k in range(3)]
    (word_folder / "list.csv").write_text("\n".join(lines))
    read = read_recordings(word_folder / "list.csv")
    assert read.labels.tolist() == ["high"] * 3 + ["low"] * 3
    assert read.groups.tolist() == ["s0", "s1", "s2"] * 2
    assert read.notes == ("Recordings with one 'speaker' are kept together.",)
    named = read_recordings(word_folder / "list.csv", label="speaker", groups="said")
    assert (named.labels.tolist(), named.groups.tolist()) == (read.groups.tolist(), read.labels.tolist())


def test_channels_are_averaged_with_a_note(word_folder: Path, tone: Tone) -> None:
    """Seven in one of the files."""
    wavfile.write(word_folder / "low" / "0.wav", 8000, np.tile(tone()[:, None], 7))
    read = read_recordings(word_folder)
    assert read[3].wave() == pytest.approx(tone() / 32768)
    assert read.notes == ("Channels of 1 recording averaged, up to 7 of them.",)


def test_every_faulty_file_is_named(word_folder: Path) -> None:
    """A line each: one that is no recording, one that is cut, one without samples."""
    (word_folder / "low" / "0.wav").write_text("no sound")
    cut = word_folder / "low" / "1.wav"
    cut.write_bytes(cut.read_bytes()[:30])
    wavfile.write(word_folder / "high" / "0.wav", 8000, np.empty(0, np.int16))
    with pytest.raises(DataError) as caught:
        read_recordings(word_folder)
    lines = str(caught.value).splitlines()
    assert [("high/0.wav" in lines[0]), ("0.wav" in lines[1]), ("1.wav" in lines[2])] == [True] * 3
    assert ["got none" in lines[0], "got a file that begins with" in lines[1], "cut" in lines[2]] == [
        True
    ] * 3


def test_what_holds_no_recordings_is_refused(tmp_path: Path, word_folder: Path) -> None:
    """An empty folder, a table without paths, a column beside a folder."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"expected a folder of recordings, such as yes/a\.wav"):
        read_recordings(tmp_path / "empty")
    (tmp_path / "table.csv").write_text("x,label\n1,a\n2,b\n")
    with pytest.raises(DataError, match="expected a column of paths"):
        read_recordings(tmp_path / "table.csv")
    with pytest.raises(DataError, match="expected no column beside a folder"):
        read_recordings(word_folder, label="word")
    (tmp_path / "gone.csv").write_text("path,label\ngone.wav,a\n")
    with pytest.raises(DataError, match=r"gone\.wav: expected a file"):
        read_recordings(tmp_path / "gone.csv")


def test_folders_and_tables_of_recordings_are_told_from_others(tmp_path: Path, word_folder: Path) -> None:
    """For the command line, which reads sequences and texts too."""
    (tmp_path / "table.csv").write_text("x,label\n1,a\n2,b\n")
    (tmp_path / "list.csv").write_text("path,label\na.wav,a\nb.flac,b\n")
    paths = (word_folder, tmp_path / "list.csv", word_folder / "low" / "0.wav")
    assert all(map(holds_recordings, paths))
    (tmp_path / "none").mkdir()
    assert not any(map(holds_recordings, (tmp_path / "table.csv", tmp_path / "none", "absent.csv", "-")))


@pytest.mark.parametrize(
    ("header", "cells", "label", "expected"),
    [
        ("path,text,speaker", "07,ann", None, "07"),
        ("path,sentence,note", "one two,a longer note here", None, "one two"),
        ("path,spoken,note", "one two three,x", None, "one two three"),
        ("path,spoken,note", "1 2,x y z", "spoken", "1 2"),
    ],
)
def test_transcripts_stay_as_they_are_written(
    header: str, cells: str, label: str | None, expected: str, word_folder: Path
) -> None:
    """Found by the name of their column or by their words; digits are no numbers."""
    (word_folder / "list.csv").write_text(f"{header}\nlow/0.wav,{cells}\n")
    read = read_recordings(word_folder / "list.csv", label=label, transcripts=True)
    assert read.labels.tolist() == [expected]


def test_an_array_is_no_name_of_a_column(word_folder: Path) -> None:
    """Where a folder has none."""
    for options in ({"label": np.array(["a", "b"] * 99)}, {"groups": np.array([])}):
        with pytest.raises(DataError, match=r"expected no column beside a folder.* got array.*\. Leave"):
            read_recordings(word_folder, **options)  # type: ignore[arg-type]


def test_a_table_without_a_header_is_refused(word_folder: Path) -> None:
    """Its first recording would be taken for the names of the columns."""
    path = word_folder / "list.csv"
    path.write_text("no/0.wav,first\nno/1.wav,second\nyes/0.wav,third\n")
    with pytest.raises(DataError, match=r"list\.csv: expected a header in the first row, got the path 'no/0"):
        read_recordings(path, transcripts=True)


def test_a_table_of_paths_alone_has_no_transcripts(word_folder: Path) -> None:
    """And a missing one is named with its row."""
    (word_folder / "list.csv").write_text("path\nlow/0.wav\n")
    assert read_recordings(word_folder / "list.csv", transcripts=True).labels is None
    (word_folder / "list.csv").write_text("path,text\nlow/0.wav,one\nlow/1.wav,\n")
    with pytest.raises(DataError, match=r"row 3.*'text': expected a text, got nothing"):
        read_recordings(word_folder / "list.csv", transcripts=True)
