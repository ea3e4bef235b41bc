"""The cache folder follows the environment."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rushlight.utils.cache import cache_home, make_folder


def test_order_of_the_settings(monkeypatch, tmp_path):
    monkeypatch.setenv("RUSHLIGHT_HOME", str(tmp_path / "a"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert cache_home() == tmp_path / "a"
    monkeypatch.delenv("RUSHLIGHT_HOME")
    assert cache_home() == tmp_path / "b" / "rushlight"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_home().name == "rushlight"


@pytest.mark.parametrize(
    ("platform", "setting", "end"),
    [
        ("linux", {}, Path(".cache/rushlight")),
        ("darwin", {}, Path("Library/Caches/rushlight")),
        ("win32", {"LOCALAPPDATA": "/local"}, Path("/local/rushlight")),
    ],
)
def test_platform_folder(monkeypatch, platform, setting, end):
    monkeypatch.delenv("RUSHLIGHT_HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    assert cache_home() == (end if end.is_absolute() else Path.home() / end)


def test_make_folder_names_the_way_out(tmp_path):
    assert make_folder(tmp_path / "new" / "one").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError) as caught:
        make_folder(tmp_path / "file" / "below")
    assert any("RUSHLIGHT_HOME" in note for note in caught.value.__notes__)
