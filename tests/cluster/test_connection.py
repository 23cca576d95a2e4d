"""Which clusters are joined; none is."""

from __future__ import annotations

import signal
from pathlib import Path
from unittest.mock import Mock

import pytest

from serhpo.cluster import connected, connection
from serhpo.errors import ResourceError


@pytest.fixture(autouse=True)
def nothing_is_joined(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def init(**options: object) -> None:
        raise ConnectionError("joined\nand more")

    monkeypatch.setattr(connection.ray, "is_initialized", lambda: False)
    monkeypatch.setattr(connection.ray, "init", init)
    monkeypatch.setattr(connection, "CURRENT_CLUSTER", tmp_path / "ray_current_cluster")
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    monkeypatch.setattr(connection.socket, "create_connection", lambda *address: Mock())


def attempt(monkeypatch: pytest.MonkeyPatch, address: str | None) -> ResourceError:
    if address is not None:
        monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(ResourceError) as caught, connected(joining=True):
        raise AssertionError("connected")
    return caught.value


@pytest.mark.parametrize("address", ["10.0.0.7:6379", "head.example:6379", "[2001:db8::1]:6379"])
@pytest.mark.parametrize("found", [False, True])
def test_beyond_this_machine_no_cluster_is_joined_without_a_token(
    address: str, found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if found:  # as `ray start` leaves it
        connection.CURRENT_CLUSTER.write_text(f"{address}\n")
    error = attempt(monkeypatch, "auto" if found else address)
    assert "with a token only" in error.what
    assert (error.where, error.exit_code) == (address, 5)
    for mode in ("token", "disabled"):  # the latter is a word of the user's own
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
        assert attempt(monkeypatch, None).got == "joined"


@pytest.mark.parametrize("address", ["127.0.0.1:6379", "localhost:6379", "[::1]:6379", "local", None])
def test_this_machine_needs_none(address: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    error = attempt(monkeypatch, address)
    assert (error.what, error.got) == ("Cannot join the Ray cluster", "joined")


def test_rays_client_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    error = attempt(monkeypatch, "ray://head:10001")
    assert "--submit" in str(error.hint)


def test_where_nobody_answers_rays_own_patience_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(address: tuple[str, int], timeout: float) -> None:
        assert address == ("127.0.0.1", 6379)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(connection.socket, "create_connection", refuse)
    error = attempt(monkeypatch, "127.0.0.1:6379")
    assert (error.what, error.got) == ("No Ray cluster answers at this address", "Connection refused")
    assert "unset RAY_ADDRESS" in str(error.hint)


def test_a_signal_to_end_means_what_it_meant_before_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(connection.ray, "init", lambda **options: signal.signal(signal.SIGTERM, print))
    monkeypatch.setattr(connection.ray, "shutdown", lambda: None)
    with connected(joining=False):
        assert signal.getsignal(signal.SIGTERM) == before
