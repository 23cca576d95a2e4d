"""What every reader of corpora owes; a new one joins by a layout in layouts.py."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from serhpo.corpus import READERS, read_corpus
from serhpo.corpus.audio import read_audio
from serhpo.corpus.classes import ReadSettings
from serhpo.corpus.manifest import write
from serhpo.corpus.table import DIMENSIONS, SCHEMA
from serhpo.errors import ConfigError, CorpusError
from tests.contracts.layouts import LAYOUTS, Layout


@pytest.fixture(params=LAYOUTS.values(), ids=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> Layout:
    return request.param


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path.resolve() / "corpus"


def test_every_reader_is_under_contract() -> None:
    assert {layout.reader for layout in LAYOUTS.values()} == set(READERS)


def test_only_its_reader_recognises_it(layout: Layout, root: Path) -> None:
    path = layout.write(root)
    assert [name for name, reader in READERS.items() if reader.recognises(path)] == [layout.reader]


def test_table(layout: Layout, root: Path) -> None:
    corpus = read_corpus(layout.write(root)).require_clean()
    assert corpus.table.schema.equals(SCHEMA)
    for field in SCHEMA:
        assert field.nullable or corpus.table[field.name].null_count == 0
    names = corpus.column("utt_id")
    assert names == sorted(set(names))
    assert set(corpus.column("corpus")) == {corpus.name}
    assert all(Path(path).is_absolute() for path in corpus.column("audio"))
    assert len(corpus.scheme.classes) >= 2
    assert set(corpus.column("label")) <= {*corpus.scheme.classes, None}
    assert set(corpus.column("gender")) <= {"F", "M", None}


def test_labels_are_as_on_disk_and_missing_ones_stay_missing(layout: Layout, root: Path) -> None:
    corpus = read_corpus(layout.write(root))
    rows = {row["utt_id"]: row for row in corpus.table.to_pylist()}
    assert {name: row["label"] for name, row in rows.items()} == layout.labels
    for name, expected in layout.ratings.items():
        assert [rows[name][key] for key in DIMENSIONS] == [
            None if value is None else float(np.float32(value)) for value in expected
        ]


def test_ratings_lie_within_the_declared_scale(layout: Layout, root: Path) -> None:
    corpus = read_corpus(layout.write(root))
    ratings = [value for name in DIMENSIONS for value in corpus.column(name) if value is not None]
    if corpus.scheme.dimensions is None:
        assert not ratings
    else:
        low, high = corpus.scheme.dimensions
        assert all(low <= value <= high for value in ratings)


def test_soft_labels_are_shares_of_classes(layout: Layout, root: Path) -> None:
    corpus = read_corpus(layout.write(root))
    for shares in filter(None, corpus.column("label_dist")):
        assert {name for name, _ in shares} <= set(corpus.scheme.classes)
        assert sum(share for _, share in shares) == pytest.approx(1)


def test_recordings_can_be_read(layout: Layout, root: Path) -> None:
    corpus = read_corpus(layout.write(root))
    columns = (corpus.column(name) for name in ("audio", "start", "end", "source"))
    for (path, *rest), seconds in zip(zip(*columns, strict=True), corpus.seconds(), strict=True):
        audio = read_audio(Path(path), *rest)
        assert audio.dtype == np.float32
        assert len(audio) / 16_000 == pytest.approx(seconds, abs=1e-3)


def test_source_names_file_and_line(layout: Layout, root: Path) -> None:
    path = layout.write(root)
    for source in read_corpus(path).column("source"):
        file, _, line = source.rpartition(":")
        assert Path(file if line.isdigit() else source).is_file()


def test_a_garbled_label_is_named_and_left_out(layout: Layout, root: Path) -> None:
    path = layout.write(root)
    before = set(read_corpus(path).column("utt_id"))
    file, line = layout.garble(root)
    corpus = read_corpus(path)
    assert [(problem.file, problem.line) for problem in corpus.problems] == [(str(file), line)]
    assert set(corpus.column("utt_id")) <= before
    with pytest.raises(CorpusError, match="1 problem in the corpus"):
        corpus.require_clean()


def test_a_broken_recording_is_named_with_its_label(layout: Layout, root: Path) -> None:
    path = layout.write(root)
    first = read_corpus(path).table.to_pylist()[0]
    wav = Path(first["audio"])
    wav.write_bytes(wav.read_bytes()[:-2000])
    corpus = read_corpus(path)
    problem = corpus.problems[0]
    assert str(wav) in problem.what
    assert "truncated" in problem.what
    place = problem.file if problem.line is None else f"{problem.file}:{problem.line}"
    assert place == first["source"]
    assert first["utt_id"] not in corpus.column("utt_id")


def test_a_missing_recording_is_named(layout: Layout, root: Path) -> None:
    if layout.reader == "crema-d":
        pytest.skip("its recordings are its list")
    path = layout.write(root)
    wav = Path(read_corpus(path).column("audio")[0])
    wav.unlink()
    problem = read_corpus(path).problems[0]
    assert wav.name in problem.what
    assert "does not exist" in problem.what


def test_digest_stays_when_the_corpus_moves(layout: Layout, root: Path, tmp_path: Path) -> None:
    path = layout.write(root)
    before = read_corpus(path).digest
    shutil.move(root, tmp_path / "elsewhere")
    assert read_corpus(tmp_path / "elsewhere" / path.relative_to(root)).digest == before


def test_root_and_settings_read_it_again(layout: Layout, root: Path) -> None:
    settings = ReadSettings(classes=layout.classes)
    corpus = read_corpus(layout.write(root), settings)
    again = read_corpus(corpus.root, corpus.settings)
    assert again.table.equals(corpus.table)
    assert again.digest == corpus.digest


def test_pickles(layout: Layout, root: Path) -> None:
    corpus = read_corpus(layout.write(root))
    copy = pickle.loads(pickle.dumps(corpus))
    assert copy.table.equals(corpus.table)
    assert (copy.digest, copy.scheme, copy.settings) == (corpus.digest, corpus.scheme, corpus.settings)


def test_presets_and_classes_of_ones_own(layout: Layout, root: Path) -> None:
    path = layout.write(root)
    if layout.classes is not None:
        corpus = read_corpus(path, ReadSettings(classes=layout.classes))
        assert len(corpus.scheme.classes) == layout.classes
    with pytest.raises(ConfigError, match="no such set of classes") as caught:
        read_corpus(path, ReadSettings(classes=77))
    assert caught.value.allowed is not None
    assert "YAML file" in caught.value.allowed
    with pytest.raises(ConfigError, match="no code `joie`"):
        read_corpus(path, ReadSettings(classes={"glad": ("joie",), "rest": ("triste",)}))


def test_converted_it_reads_back_as_the_same_table(layout: Layout, root: Path, tmp_path: Path) -> None:
    corpus = read_corpus(layout.write(root))
    back = read_corpus(write(corpus, tmp_path / "out.parquet"))
    assert back.table.drop_columns(["source"]).equals(corpus.table.drop_columns(["source"]))
    assert (back.name, back.scheme, back.problems) == (corpus.name, corpus.scheme, ())


def test_an_empty_folder_is_an_error(layout: Layout, root: Path) -> None:
    path = layout.write(root)
    if path.is_file():
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(lines[0] if path.suffix == ".csv" else b"")
    else:
        shutil.rmtree(root)
        root.mkdir()
    with pytest.raises(CorpusError):
        read_corpus(path).require_clean()
