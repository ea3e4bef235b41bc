"""Downloads: every way a server can fail leaves either the right file or none."""

from __future__ import annotations

import hashlib
import socket
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushlight.utils import download as module
from rushlight.utils.download import Expected, download, file_digest
from rushlight.utils.errors import DownloadError, describe_start
from tests.utils.server import Site, serve

CONTENT = bytes(range(256)) * 700
KNOWN = Expected(len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())


def fetch(site, path, expected=KNOWN, **options):
    return download(site.url + "file.bin", path, expected, pause=0.001, timeout=5, **options)


def leftovers(folder: Path) -> set[str]:
    return {item.name for item in folder.iterdir()}


def test_file_arrives_whole_with_user_agent_and_report(tmp_path):
    steps = []
    with serve(Site(CONTENT)) as site:
        path = fetch(site, tmp_path / "a" / "file.bin", report=lambda *step: steps.append(step))
    assert path.read_bytes() == CONTENT
    assert leftovers(path.parent) == {"file.bin"}
    assert "rushlight" in site.requests[0]["user-agent"]
    assert steps[-1] == (len(CONTENT), len(CONTENT)) and len(steps) > 1


def test_file_already_there_is_not_asked_for_again(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(CONTENT)
    with serve(Site(b"other")) as site:
        assert fetch(site, path) == path
    assert site.requests == [] and path.read_bytes() == CONTENT


@given(cuts=st.lists(st.integers(0, 100_000), max_size=3), ranges=st.booleans())
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_cut_connections_are_resumed(tmp_path, cuts, ranges):
    path = tmp_path / "file.bin"
    path.unlink(missing_ok=True)
    with serve(Site(CONTENT, cuts=list(cuts), ranges=ranges)) as site:
        fetch(site, path, attempts=5)
    assert path.read_bytes() == CONTENT
    assert leftovers(tmp_path) == {"file.bin"}


def test_a_part_from_an_earlier_run_is_continued_from_its_last_byte(tmp_path):
    path = tmp_path / "file.bin"
    with serve(Site(CONTENT, cuts=[1000])) as site:
        with pytest.raises(DownloadError) as caught:
            fetch(site, path, attempts=1)
        assert "connection cut after 1000 of" in "".join(caught.value.__notes__)
        assert leftovers(tmp_path) == {"file.bin.part"}
        fetch(site, path)
    assert site.requests[-1]["range"] == "bytes=1000-"
    assert path.read_bytes() == CONTENT


def test_a_stale_part_is_thrown_away_and_the_file_fetched_whole(tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"x" * 500)
    with serve(Site(CONTENT)) as site:
        assert fetch(site, tmp_path / "file.bin").read_bytes() == CONTENT
    assert "range" not in site.requests[-1]


@pytest.mark.parametrize("known", [KNOWN, Expected()])
def test_a_part_longer_than_the_file_is_thrown_away(tmp_path, known):
    (tmp_path / "file.bin.part").write_bytes(CONTENT + b"tail")
    with serve(Site(CONTENT)) as site:
        assert fetch(site, tmp_path / "file.bin", known).read_bytes() == CONTENT


def test_a_complete_part_of_unknown_length_is_taken(tmp_path):
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    with serve(Site(CONTENT)) as site:
        assert fetch(site, tmp_path / "file.bin", Expected()).read_bytes() == CONTENT
    assert len(site.requests) == 1


@pytest.mark.parametrize("name", ["sha256", "md5"])
def test_wrong_checksum_shows_both_values_and_leaves_nothing(tmp_path, name):
    wrong = "0" * len(hashlib.new(name).hexdigest())
    with serve(Site(CONTENT)) as site, pytest.raises(RuntimeError) as caught:
        fetch(site, tmp_path / "file.bin", Expected(**{name: wrong}))
    notes = "\n".join(caught.value.__notes__)
    assert wrong in notes and hashlib.new(name, CONTENT).hexdigest() in notes
    assert str(tmp_path) in notes
    assert leftovers(tmp_path) == set()


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        (b"<!DOCTYPE html><p>Sign in", "HTML page"),
        (b"\xef\xbb\xbf \n<html>", "HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
        (b"<?xml version='1.0'?><Error>AccessDenied", "XML document"),
    ],
)
def test_a_page_instead_of_the_file_is_named(tmp_path, page, sentence):
    with serve(Site(page)) as site, pytest.raises(DownloadError) as caught:
        fetch(site, tmp_path / "file.bin", Expected())
    assert sentence in "".join(caught.value.__notes__)
    assert leftovers(tmp_path) == set()


def test_a_longer_file_is_refused_without_reading_it_all(tmp_path):
    with serve(Site(CONTENT * 50)) as site, pytest.raises(DownloadError, match=r"file\.bin"):
        fetch(site, tmp_path / "file.bin", Expected(size=10))
    assert leftovers(tmp_path) == set()


def test_the_next_mirror_is_tried_and_all_are_named_when_none_works(tmp_path):
    with serve(Site(b"", statuses=[404])) as dead, serve(Site(CONTENT)) as living:
        urls = [dead.url + "gone", living.url + "file.bin"]
        assert download(urls, tmp_path / "x", KNOWN, pause=0).read_bytes() == CONTENT
        assert len(dead.requests) == 1
        dead.statuses += [403]
        living.statuses += [500, 503, 500]
        with pytest.raises(DownloadError) as caught:
            download(urls, tmp_path / "y", KNOWN, pause=0)
    notes = "\n".join(caught.value.__notes__)
    assert "HTTP 403" in notes and "HTTP 503" in notes and str(tmp_path / "y") in notes


def test_a_server_error_is_tried_again(tmp_path):
    with serve(Site(CONTENT, statuses=[503, 429])) as site:
        assert fetch(site, tmp_path / "file.bin").read_bytes() == CONTENT


def test_nobody_listening(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]  # held, so that nobody else listens there
        with pytest.raises(DownloadError) as caught:
            download(f"http://127.0.0.1:{port}/x", tmp_path / "x", pause=0, attempts=2)
    assert "refused" in "".join(caught.value.__notes__).lower()


def test_a_silent_server_does_not_hang(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/x"
        with pytest.raises(DownloadError) as caught:
            download(url, tmp_path / "x", timeout=0.2, attempts=1)
    assert "timed out" in "".join(caught.value.__notes__)


def test_offline_refuses_but_still_finds_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("RUSHLIGHT_OFFLINE", "1")
    with serve(Site(CONTENT)) as site:
        with pytest.raises(DownloadError, match="RUSHLIGHT_OFFLINE") as caught:
            fetch(site, tmp_path / "file.bin")
        (tmp_path / "file.bin").write_bytes(CONTENT)
        assert fetch(site, tmp_path / "file.bin").exists()
    assert site.requests == [] and site.url in "".join(caught.value.__notes__)


def test_only_web_addresses(tmp_path):
    with pytest.raises(ValueError, match="file:"):
        download("file:///etc/passwd", tmp_path / "x")


def test_a_full_disk_is_seen_before_the_first_byte(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 2**20})
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: usage)
    with serve(Site(CONTENT)) as site, pytest.raises(DownloadError, match=r"1\.0 MiB free"):
        fetch(site, tmp_path / "x", Expected(size=2**21))
    assert site.requests == []


def test_a_folder_that_cannot_be_written_points_to_the_setting(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with serve(Site(CONTENT)) as site, pytest.raises(OSError) as caught:
        fetch(site, tmp_path / "file" / "below")
    assert "RUSHLIGHT_HOME" in "".join(caught.value.__notes__)


def test_processes_asking_at_once_fetch_once(tmp_path):
    with serve(Site(CONTENT)) as site:
        jobs = [
            threading.Thread(target=fetch, args=(site, tmp_path / "file.bin")) for _ in range(6)
        ]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join()
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert len(site.requests) == 1


@given(st.binary(max_size=200))
def test_ordinary_bytes_are_not_mistaken_for_a_page(start):
    if start and start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"<", b"v"):
        assert describe_start(start) is None


def test_digest_of_a_file(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert file_digest(tmp_path / "x", "md5") == "900150983cd24fb0d6963f7d28e17f72"
