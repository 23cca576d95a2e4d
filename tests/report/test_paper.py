import json

import pytest

from serhpo.errors import ConfigError, StorageError
from serhpo.report.content import collect
from serhpo.report.paper import save_figures
from tests.fakes import make_study, random_trials


@pytest.fixture
def study(tmp_path):
    return make_study(tmp_path / "study", random_trials(40), epochs=9, rungs=(1, 3))


@pytest.mark.parametrize(("kind", "start"), [("pdf", b"%PDF"), ("png", b"\x89PNG")])
def test_every_figure_of_the_report_becomes_a_file(tmp_path, study, kind, start):
    pytest.importorskip("matplotlib")
    paths = save_figures(study, tmp_path / "figures", kind)
    drawn = [name for name, figure in collect(study).figures.items() if figure is not None]

    assert [path.name for path in paths] == [f"{name}.{kind}" for name in drawn]
    assert all(path.read_bytes().startswith(start) for path in paths)


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path, study):
    pytest.importorskip("matplotlib")
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError):
        save_figures(study, tmp_path / "file" / "figures", "pdf")


def test_without_matplotlib_the_extra_is_named(tmp_path, study, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)

    with pytest.raises(ConfigError) as caught:
        save_figures(study, tmp_path, "pdf")
    assert "serhpo[figures]" in json.dumps(caught.value.to_json())
