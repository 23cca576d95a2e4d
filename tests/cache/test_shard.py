"""The file: what is written comes back, and no damage goes unseen."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from serhpo.cache import open_store, verify
from serhpo.cache.shard import FORMAT, Header, encode, write_shard

UTTERANCES = [np.arange(3 * n, dtype=np.float16).reshape(n, 3) for n in (3, 1, 5)]


def header(key: str, **other: Any) -> Header:
    fields: dict[str, Any] = {
        "format": FORMAT,
        "key": key,
        "extractor": "test",
        "version": 1,
        "settings": {"hop": 160, "floor": 1e-10},
        "storage": "float16",
        "channels": 3,
        "frames_per_second": 100.0,
        "software": {"torch": "2.13.0"},
    }
    return Header(**{**fields, **other})


def write(path: Path, **other: Any) -> Path:
    with path.open("wb") as file:
        write_shard(file, header(**{"key": path.stem, **other}), UTTERANCES)
    return path


def replace(path: Path, content: bytes) -> None:
    """As a new file: what is mapped of the old one stays."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.replace(path)


def test_a_whole_shard_verifies(tmp_path: Path) -> None:
    assert verify(write(tmp_path / "a.arrow")) is None


def test_any_arrow_reader_can_read_it(tmp_path: Path) -> None:
    table = pa.ipc.open_stream(write(tmp_path / "a.arrow").read_bytes()).read_all()
    assert table["features"].to_pylist() == [utterance.tolist() for utterance in UTTERANCES]


def test_every_flipped_byte_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "a.arrow")
    whole = path.read_bytes()
    for place in range(len(whole)):
        replace(path, whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        assert verify(path) is not None, f"byte {place} of {len(whole)}"


def test_every_truncation_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "a.arrow")
    whole = path.read_bytes()
    for length in range(len(whole)):
        replace(path, whole[:length])
        assert verify(path) is not None, f"{length} of {len(whole)} bytes"


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"key": "b"}, "other features than its name"),
        ({"format": FORMAT + 1}, f"format {FORMAT + 1}"),
    ],
)
def test_a_whole_file_of_another_kind_is_refused(tmp_path: Path, other: dict[str, Any], reason: str) -> None:
    assert reason in str(verify(write(tmp_path / "a.arrow", **other)))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert verify(tmp_path / "a.arrow") == "it does not exist"


@pytest.mark.parametrize("content", [b"", b"abc", b"RIFF" + bytes(1000)])
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.arrow").write_bytes(content)
    assert verify(tmp_path / "a.arrow") is not None


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.arrow").mkdir()
    assert verify(tmp_path / "a.arrow") is not None


def test_another_number_of_channels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="need 6 channels"):
        write(tmp_path / "a.arrow", channels=6)


def test_int16_is_rounded_and_clipped() -> None:
    frames = np.array([[0.5, -1.0, 1.0, 2.0, -7.0, 0.7 / 2**15]], np.float32)
    assert encode(frames, "int16").tolist() == [[16384, -32768, 32767, 32767, -32768, 1]]


def test_float16_overflow_becomes_infinite() -> None:
    assert encode(np.array([[65504.0, 70000.0]], np.float32), "float16").tolist() == [[65504.0, np.inf]]


def test_many_shards_need_no_descriptors(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{i}.arrow") for i in range(40)]
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("counts descriptors in /proc")
    before = len(list(folder.iterdir()))
    store = open_store(paths)
    assert len(store) == 120
    assert len(list(folder.iterdir())) < before + 10
