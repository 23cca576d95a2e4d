"""The table of ``serhpo predict``."""

import io

import pytest

from serhpo.cli import console, export
from serhpo.export import Prediction


@pytest.fixture
def printed(monkeypatch):
    def printed(*recordings):
        file = io.StringIO()
        monkeypatch.setattr(console, "out", console._Console(file=file, width=100, highlight=False))
        export._print_table([Prediction(name, "sad", {"sad": 0.75}, {"valence": 2.5}) for name in recordings])
        return file.getvalue()

    return printed


def test_recordings_are_named_without_their_folders_where_that_is_enough(printed):
    text = printed("/a/very/long/folder/of/recordings/one.wav", "/b/two.wav")
    assert "│ one.wav   │ sad     │ 0.75 │ 2.50" in text
    assert "folder" not in text
    assert "/a/one.wav" in printed("/a/one.wav", "/b/one.wav")
    assert printed() == ""
