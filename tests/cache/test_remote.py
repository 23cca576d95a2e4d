"""A store that several machines share: a folder between two processes, and a real S3 server on loopback."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import fs

from serhpo.cache import RemoteStore, Shard, build, builder, fetch, fill, open_store, plan, verify
from serhpo.corpus.table import Corpus
from serhpo.errors import ConfigError, StorageError
from serhpo.features import Waveform

CorpusMaker = Callable[..., Corpus]

BUCKETS = count()

pytestmark = pytest.mark.usefixtures("small_shards")


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    """Host and port of an S3 server that lives in memory."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Address of an empty bucket's folder."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    bucket = f"bucket-{next(BUCKETS)}"
    options = f"endpoint_override=http://{s3_server}&region=us-east-1&scheme=http"
    files, _ = fs.FileSystem.from_uri(f"s3://x?{options}&allow_bucket_creation=true")
    files.create_dir(bucket)
    return f"s3://{bucket}/features?{options}"


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RemoteStore:
    if request.param == "folder":
        return RemoteStore(str(tmp_path / "shared"))
    return RemoteStore(request.getfixturevalue("s3"))


def listing(store: RemoteStore) -> list[str]:
    """Names of all files in a store, through pyarrow."""
    if "://" in store.address:
        files, root = fs.FileSystem.from_uri(store.address)
    else:
        files, root = fs.LocalFileSystem(), store.address
    found = files.get_file_info(fs.FileSelector(root, recursive=True))
    return sorted(info.path[len(root) + 1 :] for info in found if info.type == fs.FileType.File)


def read(shards: tuple[Shard, ...]) -> list[bytes]:
    return [shard.path.read_bytes() for shard in shards]


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_what_one_machine_builds_the_next_one_fetches(
    make_corpus: CorpusMaker, pairs: Any, tmp_path: Path, store: RemoteStore
) -> None:
    corpus = make_corpus(5)
    first, second = (plan(corpus, pairs, tmp_path / name) for name in ("a", "b"))
    fill(first, remote=store)
    assert listing(store) == sorted(f"pairs/{shard.path.name}" for shard in first)
    how: list[str] = []
    paths = fill(second, progress=lambda made: how.append(made.how), remote=store)
    assert how == ["fetched"] * 3
    assert len(pairs.calls) == 5
    assert read(second) == read(first)
    assert open_store(paths).lengths.tolist() == [500, 505, 510, 515, 520]
    fill(second, progress=lambda made: how.append(made.how), remote=store)
    assert how[3:] == ["found"] * 3


def test_what_was_built_before_is_shared_too(
    make_corpus: CorpusMaker, pairs: Any, tmp_path: Path, store: RemoteStore
) -> None:
    shards = plan(make_corpus(2), pairs, tmp_path / "a")
    fill(shards)
    fill(shards, remote=store)
    assert listing(store) == [f"pairs/{shards[0].path.name}"]


@pytest.mark.parametrize("cut", [True, False], ids=["truncated", "flipped"])
def test_a_damaged_copy_is_not_taken_but_replaced(
    cut: bool, make_corpus: CorpusMaker, pairs: Any, tmp_path: Path, store: RemoteStore
) -> None:
    corpus = make_corpus(2)
    (first,), (second,) = (plan(corpus, pairs, tmp_path / name) for name in ("a", "b"))
    build(first, store)
    whole = first.path.read_bytes()
    damaged = tmp_path / "damaged"
    middle = len(whole) // 2
    damaged.write_bytes(whole[:-9] if cut else whole[:middle] + b"?" + whole[middle + 1 :])
    store.upload(damaged, f"pairs/{first.path.name}")
    with pytest.raises(StorageError, match="or holds it damaged"):
        fetch([second.path], store)
    assert build(second, store).how == "built"
    assert list(second.path.parent.glob("*.tmp")) == []
    second.path.unlink()
    fetch([second.path], store)
    assert second.path.read_bytes() == whole


def test_a_machine_that_only_trains_fetches_what_it_lacks(
    make_corpus: CorpusMaker, pairs: Any, tmp_path: Path, store: RemoteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = make_corpus(4)
    first, second = (plan(corpus, pairs, tmp_path / name) for name in ("a", "b"))
    fill(first, remote=store)
    fetched: list[str] = []
    original = RemoteStore.fetch
    monkeypatch.setattr(
        RemoteStore, "fetch", lambda self, name, out: fetched.append(name) or original(self, name, out)
    )
    paths = [shard.path for shard in second]
    fetch(paths, store)
    fetch(paths, store)
    assert fetched == [f"pairs/{path.name}" for path in paths]  # once each
    assert all(verify(path) is None for path in paths)
    flip(paths[1])
    fetch(paths, store)
    assert fetched[2:] == [f"pairs/{paths[1].name}"]
    assert all(verify(path) is None for path in paths)


def test_a_shard_the_store_lacks_is_one_clear_error(
    make_corpus: CorpusMaker, pairs: Any, tmp_path: Path, store: RemoteStore
) -> None:
    (shard,) = plan(make_corpus(1), pairs, tmp_path / "a")
    with pytest.raises(StorageError, match="does not hold") as caught:
        fetch([shard.path], store)
    assert shard.path.name in str(caught.value.where)
    assert "endpoint_override" not in str(caught.value.where)


def test_an_upload_that_fails_leaves_nothing_behind(
    make_corpus: CorpusMaker, pairs: Any, tmp_path: Path
) -> None:
    store = RemoteStore(str(tmp_path / "shared"))
    (shard,) = plan(make_corpus(1), pairs, tmp_path / "a")
    (tmp_path / "shared" / "pairs" / shard.path.name).mkdir(parents=True)  # in the way of the real name
    with pytest.raises(StorageError, match="shared feature cache"):
        build(shard, store)
    assert listing(store) == []
    assert verify(shard.path) is None


def test_a_bucket_that_is_not_there_is_one_clear_error(
    make_corpus: CorpusMaker, pairs: Any, tmp_path: Path, s3: str
) -> None:
    (shard,) = plan(make_corpus(1), pairs, tmp_path / "a")
    address = f"s3://user:secret@no-such-bucket/x?{s3.partition('?')[2]}"
    with pytest.raises(StorageError, match="shared feature cache") as caught:
        build(shard, RemoteStore(address))
    assert caught.value.where == "s3://no-such-bucket/x"
    assert "credentials" in str(caught.value.hint)


def test_an_address_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no address") as caught:
        RemoteStore("ftps://x/y").has("a")
    assert "s3://" in str(caught.value.allowed)


def test_a_full_disk_while_fetching_leaves_the_cache_as_it_was(
    make_corpus: CorpusMaker, pairs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RemoteStore(str(tmp_path / "shared"))
    corpus = make_corpus(2)
    (first,), (second,) = (plan(corpus, pairs, tmp_path / name) for name in ("a", "b"))
    build(first, store)

    def full(*_: Any) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(builder.os, "fsync", full)
    with pytest.raises(StorageError, match="disk is full"):
        build(second, store)
    assert [path.suffix for path in (tmp_path / "b" / "pairs").iterdir()] == [".lock"]


MACHINE = """
import pickle, sys
from pathlib import Path
from serhpo.cache import RemoteStore, builder, fill
builder.socket.gethostname = lambda: sys.argv[3]
shards = pickle.loads(Path(sys.argv[1]).read_bytes())
sys.stdin.readline()
how = []
fill(shards, progress=lambda made: how.append(made.how), remote=RemoteStore(sys.argv[2]))
print(" ".join(how))
"""


def test_two_machines_at_the_same_shards_never_harm_each_other(
    make_corpus: CorpusMaker, tmp_path: Path, store: RemoteStore
) -> None:
    """Two processes with folders and host names of their own, started together on the same shards."""
    import pickle

    corpus = make_corpus(8)
    both = [plan(corpus, Waveform(), tmp_path / name) for name in ("a", "b")]
    machines = []
    for name, shards in zip("ab", both, strict=True):
        (tmp_path / f"{name}.pickle").write_bytes(pickle.dumps(shards))
        command = [sys.executable, "-c", MACHINE, tmp_path / f"{name}.pickle", store.address, f"host-{name}"]
        pipe = subprocess.PIPE
        machines.append(subprocess.Popen([str(part) for part in command], stdin=pipe, stdout=pipe, text=True))
    for machine in machines:
        assert machine.stdin is not None
        machine.stdin.write("\n")
        machine.stdin.flush()
    outputs = [machine.communicate(timeout=120)[0].split() for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0]
    for one, other in zip(*outputs, strict=True):
        assert "built" in (one, other)  # at worst both of them
        assert {one, other} <= {"built", "fetched"}
    assert listing(store) == sorted(f"waveform/{shard.path.name}" for shard in both[0])
    assert all(verify(shard.path) is None for shards in both for shard in shards)
    third = plan(corpus, Waveform(), tmp_path / "c")
    fetch([shard.path for shard in third], store)
    assert all(verify(shard.path) is None for shard in third)


def test_a_shard_as_large_as_a_pretrained_models_goes_up_in_parts(tmp_path: Path, s3: str) -> None:
    """48 MB: S3 clients send that in pieces of 10 MB at once, and end with one more request."""
    store, large, back = RemoteStore(s3), tmp_path / "large", tmp_path / "back"
    large.write_bytes(np.random.default_rng(0).bytes(48 << 20))
    store.upload(large, "hubert/large.arrow")
    assert listing(store) == ["hubert/large.arrow"]
    store.fetch("hubert/large.arrow", back)
    assert back.read_bytes() == large.read_bytes()


def test_an_upload_that_fails_when_it_is_closed_is_an_error(
    tmp_path: Path, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last request of an upload in parts fails: nobody may take the shard for shared."""
    from moto.s3.models import S3Backend

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("out of order")

    monkeypatch.setattr(S3Backend, "complete_multipart_upload", refuse)
    (tmp_path / "large").write_bytes(bytes(24 << 20))
    store = RemoteStore(s3)
    with pytest.raises(StorageError, match="shared feature cache"):
        store.upload(tmp_path / "large", "hubert/large.arrow")
    assert listing(store) == []
