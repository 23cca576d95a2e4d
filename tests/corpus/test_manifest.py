"""What is peculiar to manifests; all that readers share is in tests/contracts."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from serhpo.corpus import read_corpus
from serhpo.corpus.audio import read_audio
from serhpo.corpus.classes import ReadSettings
from serhpo.corpus.manifest import write
from serhpo.errors import ConfigError, CorpusError, StorageError, UsageError


@pytest.fixture
def manifest(tmp_path: Path, wav: Callable[..., Path]) -> Callable[..., Path]:
    wav(tmp_path / "a.wav")
    wav(tmp_path / "b.wav")

    def put(text: str, beside: str | None = None) -> Path:
        (tmp_path / "m.csv").write_text(text)
        if beside is not None:
            (tmp_path / "m.yaml").write_text(beside)
        return tmp_path / "m.csv"

    return put


def test_two_columns_are_enough(manifest: Callable[..., Path]) -> None:
    corpus = read_corpus(manifest("audio,speaker\nb.wav,x\na.wav,y\n")).require_clean()
    assert corpus.name == "m"
    assert corpus.column("utt_id") == ["a", "b"]
    assert corpus.groups == {"x": ("x",), "y": ("y",)}
    assert corpus.scheme.dimensions is None


def test_missing_columns_and_misspelt_ones(manifest: Callable[..., Path]) -> None:
    with pytest.raises(CorpusError, match="no column speaker"):
        read_corpus(manifest("audio,label\na.wav,happy\n"))
    with pytest.raises(CorpusError, match=r"Unknown column `valance`\. Did you mean `valence`"):
        read_corpus(manifest("audio,speaker,valance\na.wav,x,3\n"))


@pytest.mark.parametrize("line", ['b.wav,"x,y', 'b.wav,"x"y,y', f"b.wav,{'x' * 200_000},y"])
def test_a_quote_that_is_not_closed_does_not_swallow_the_rest(
    manifest: Callable[..., Path], line: str
) -> None:
    path = manifest(f"audio,speaker,text\na.wav,x,\n{line}\na.wav,x,\nb.wav,x,\n")
    with pytest.raises(CorpusError, match="Not valid CSV") as caught:
        read_corpus(path)
    assert caught.value.where == f"{path}:3"


def test_a_quoted_cell_may_hold_anything(manifest: Callable[..., Path]) -> None:
    path = manifest('audio,speaker,text\na.wav,x,"She said: ""No,\nnever."""\nb.wav,x,5\'10" tall\n')
    corpus = read_corpus(path).require_clean()
    assert corpus.column("text") == ['She said: "No,\nnever."', "5'10\" tall"]


def test_a_column_twice(manifest: Callable[..., Path]) -> None:
    path = manifest("audio,speaker,label,label\na.wav,x,sad,happy\n")
    with pytest.raises(CorpusError, match="column `label` stands twice") as caught:
        read_corpus(path)
    assert caught.value.where == f"{path}:1"


def test_ratings_need_a_declared_scale(manifest: Callable[..., Path]) -> None:
    text = "audio,speaker,valence\na.wav,x,3\nb.wav,y,\n"
    with pytest.raises(CorpusError, match="from what to what") as caught:
        read_corpus(manifest(text))
    assert "dimensions: [1, 5]" in str(caught.value.hint)
    corpus = read_corpus(manifest(text, "dimensions: [1, 7]\n"))
    assert corpus.scheme.dimensions == (1.0, 7.0)
    assert corpus.column("valence") == [3.0, None]


@pytest.mark.parametrize("ends", ["[3, 3]", "[5, 1]"])
def test_a_scale_goes_from_low_to_high(manifest: Callable[..., Path], ends: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_corpus(manifest("audio,speaker,valence\na.wav,x,3\n", f"dimensions: {ends}\n"))
    assert caught.value.problems[0].key == "dimensions"
    assert "lowest rating comes first" in caught.value.problems[0].what


def test_declared_classes_and_what_lies_beside_them(manifest: Callable[..., Path]) -> None:
    text = "audio,speaker,label\na.wav,x,sad\nb.wav,y,sadd\n"
    corpus = read_corpus(manifest(text, "classes: [happy, sad]\n"))
    assert corpus.scheme.classes == ("happy", "sad")
    assert [problem.what for problem in corpus.problems] == ["unknown label `sadd`; declared: happy, sad"]
    assert corpus.problems[0].line == 3


def test_unknown_key_beside_it(manifest: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError) as caught:
        read_corpus(manifest("audio,speaker\na.wav,x\n", "dimension: [1, 5]\n"))
    assert "Did you mean `dimensions`" in caught.value.problems[0].what


def test_labels_are_mapped_to_classes(manifest: Callable[..., Path]) -> None:
    path = manifest(
        "audio,speaker,label,label_dist\n"
        'a.wav,x,joy,"{""joy"": 0.5, ""fun"": 0.25, ""odd"": 0.25}"\nb.wav,y,odd,\n',
        "classes: [joy, fun, odd]\n",
    )
    corpus = read_corpus(path, ReadSettings(classes={"good": ("joy", "fun"), "bad": ("odd",)}))
    assert corpus.column("label") == ["good", "bad"]
    assert corpus.column("label_dist") == [[("good", 0.75), ("bad", 0.25)], None]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("a.wav,x,0.3,9,,", "has no part 0.3 to 9 s: it is 0.5 s long"),
        ("a.wav,x,0.3,0.2,,", "has no part 0.3 to 0.2 s"),
        ("a.wav,x,,,8,", "rating outside 1 to 7: [8.0]"),
        ("a.wav,x,,,high,", "`valence` is no number: 'high'"),
        ("a.wav,x,,,,[1]", "`label_dist` is no JSON object of weights"),
        ('a.wav,x,,,,"{""s"": -1}"', "negative or not finite"),
        (",x,,,,", "no audio file is named"),
        ("a.wav,x,,,,,extra", "more cells than columns"),
        ("gone.wav,x,,,,", "does not exist"),
    ],
)
def test_lines_that_cannot_be_used(manifest: Callable[..., Path], cells: str, message: str) -> None:
    head = "audio,speaker,start,end,valence,label_dist\n"
    corpus = read_corpus(manifest(f"{head}b.wav,x,,,,\n{cells}\n", "dimensions: [1, 7]\n"))
    assert len(corpus) == 1
    assert message in corpus.problems[0].what
    assert corpus.problems[0].line == 3


def test_a_part_that_can_be_read_can_be_heard(manifest: Callable[..., Path]) -> None:
    """A reader that lets through what the feature cache refuses would lose the search."""
    path = manifest("audio,speaker,end\na.wav,x,0.5004\n")
    row = read_corpus(path).require_clean().table.to_pylist()[0]
    assert len(read_audio(Path(row["audio"]), row["start"], row["end"])) == 8_000


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_names_that_look_the_same_are_the_same(manifest: Callable[..., Path], kind: str) -> None:
    one, other = ("Renée", "joie", "train"), ("Rene\u0301e\u00a0", " joie", "train ")
    path = manifest("audio,speaker,label,split\n" + "".join(
        f"{file},{','.join(cells)}\n" for file, cells in (("a.wav", one), ("b.wav", other))
    ))  # fmt: skip
    if kind == "jsonl":
        head, *lines = (line.split(",") for line in path.read_text().splitlines())
        path = path.with_suffix(".jsonl")
        path.write_text("".join(json.dumps(dict(zip(head, cells, strict=True))) + "\n" for cells in lines))
    corpus = read_corpus(path).require_clean()
    assert corpus.speakers == ("Renée",)
    assert corpus.scheme.classes == ("joie",)
    assert corpus.column("split") == ["train", "train"]
    assert corpus.column("label") == ["joie", "joie"]


def test_declared_classes_are_compared_like_cells(manifest: Callable[..., Path]) -> None:
    text = 'audio,speaker,label,label_dist\na.wav,x,Entrée,"{""Entre\u0301e "": 1}"\n'
    corpus = read_corpus(manifest(text, "classes: ['Entre\u0301e ', sad]\n")).require_clean()
    assert corpus.scheme.classes == ("Entrée", "sad")
    assert corpus.column("label_dist") == [[("Entrée", 1.0)]]


def test_a_file_is_named_as_it_is(manifest: Callable[..., Path], wav: Callable[..., Path]) -> None:
    path = manifest("audio,speaker\n c\u0327.wav,x\n")
    wav(path.parent / " c\u0327.wav")
    assert len(read_corpus(path).require_clean()) == 1


def test_nobody_else_says_the_same_recording(manifest: Callable[..., Path]) -> None:
    """A dialogue listed under both its speakers would train and test, whatever the protocol."""
    path = manifest(
        "audio,speaker,utt_id,start,end\n"
        "a.wav,anna,1,,\na.wav,ben,2,0,\na.wav,anna,3,,\n"
        "b.wav,anna,4,0,0.3\nb.wav,ben,5,0.2,0.5\nb.wav,ben,6,0,0.3\n"
    )
    corpus = read_corpus(path)
    assert corpus.column("utt_id") == ["1", "3", "4", "5"]  # who speaks at once still says two things
    assert [problem.line for problem in corpus.problems] == [3, 7]
    recording = path.parent.resolve() / "a.wav"
    assert corpus.problems[0].what == f"the same part of {recording} is said by anna in {path}:2, by ben here"


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        ({"audio": "caf\udce9/a.wav"}, r"`audio` is not UTF-8: caf\udce9/a.wav"),
        ({"speaker": "\ud800"}, r"`speaker` is not UTF-8: \ud800"),
        ({"label": "s\udfffd"}, r"`label` is not UTF-8: s\udfffd"),
        ({"utt_id": "\udce9"}, r"`utt_id` is not UTF-8: \udce9"),
    ],
)
def test_what_is_not_utf8_is_a_problem_of_its_line(
    manifest: Callable[..., Path], cells: dict[str, str], what: str
) -> None:
    path = manifest("").with_suffix(".jsonl")
    rows = [{"audio": "b.wav", "speaker": "x", "label": "sad"}, {"audio": "a.wav", "speaker": "y", **cells}]
    path.write_text("\n".join(map(json.dumps, rows)))
    corpus = read_corpus(path)
    assert corpus.scheme.classes == ("sad",)
    assert corpus.column("utt_id") == ["b"]
    assert [(problem.what, problem.line) for problem in corpus.problems] == [(what, 2)]


def test_speakers_nobody_has_named(manifest: Callable[..., Path]) -> None:
    corpus = read_corpus(manifest("audio,speaker,split\na.wav,,train\nb.wav,,\n"))
    assert corpus.column("speaker") == ["Unknown-train", "Unknown"]


def test_recordings_below_move_along(tiny: Path, tmp_path: Path) -> None:
    corpus = read_corpus(tiny)
    write(corpus, tiny / "corpus.parquet")
    tiny.rename(tmp_path / "moved")
    assert len(read_corpus(tmp_path / "moved" / "corpus.parquet").require_clean()) == len(corpus)


def test_only_parquet_is_written(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="converted to Parquet"):
        write(read_corpus(tiny), tmp_path / "out.csv")


def test_a_full_disk_leaves_nothing(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("serhpo.corpus.manifest.pq.write_table", full)
    with pytest.raises(StorageError, match="disk is full"):
        write(read_corpus(tiny), tmp_path / "new" / "out.parquet")
    assert list((tmp_path / "new").iterdir()) == []
