"""The table of ``serhpo predict``."""

import io

import pytest

from serhpo.cli import console, export
from serhpo.export import Prediction


@pytest.fixture
def printed(monkeypatch):
    def printed(*recordings, width=100):
        file = io.StringIO()
        monkeypatch.setattr(console, "out", console._Console(file=file, width=width, highlight=False))
        export._print_table([Prediction(name, "sad", {"sad": 0.75}, {"valence": 2.5}) for name in recordings])
        return file.getvalue()

    return printed


def test_recordings_are_named_without_their_folders_where_that_is_enough(printed):
    text = printed("/a/very/long/folder/of/recordings/one.wav", "/b/two.wav")
    assert "one.wav   sad     0.75 2.50" in text
    assert "folder" not in text
    assert "/a/one.wav" in printed("/a/one.wav", "/b/one.wav")
    assert printed() == ""


def test_a_narrow_terminal_folds_names_alone(printed):
    lines = printed("a_recording_with_a_long_name.wav", width=40).splitlines()
    assert lines[0].split() == ["recording", "emotion", "sad", "valence"]
    assert lines[2].split()[1:] == ["sad", "0.75", "2.50"]
    assert len(lines) == 4


def test_a_folder_without_recordings_and_two_formats_at_once_are_usage_errors(serhpo, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    nothing = serhpo("predict", tmp_path, tmp_path)
    assert (nothing.code, "No recordings" in nothing.err, str(tmp_path) in nothing.err) == (2, True, True)
    assert serhpo("predict", tmp_path, "a.wav", "--csv", "--json").code == 2
