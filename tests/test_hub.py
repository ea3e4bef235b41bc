"""torch.hub without a network: folders with a hubconf.py, and files behind file:// addresses."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

import rushlight as torch

CONF = '''
"""Models."""
dependencies = ["numpy"]
from beside import WIDTH
import torch_like as torch


def linear(out=2, **kwargs):
    """A linear map."""
    return torch.nn.Linear(WIDTH, out, **kwargs)


constant = 3
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "hubconf.py").write_text(CONF.replace("torch_like", "rushlight"))
    (tmp_path / "beside.py").write_text("WIDTH = 3\n")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    return tmp_path


def test_a_local_repository(folder: Path) -> None:
    net = torch.hub.load(str(folder), "linear", 4, source="local", bias=False)
    assert net.weight.shape == (4, 3) and net.bias is None
    with pytest.raises(RuntimeError, match="Cannot find callable constant in hubconf"):
        torch.hub.load(str(folder), "constant", source="local")
    with pytest.raises(ValueError, match=r'Unknown source: "disk"\. Allowed values: "github"'):
        torch.hub.load(str(folder), "linear", source="disk")
    (folder / "hubconf.py").write_text("dependencies = ['nothing_such', 'numpy']\n")
    with pytest.raises(RuntimeError, match=r"^Missing dependencies: nothing_such$"):
        torch.hub.load(str(folder), "linear", source="local")


def test_weights_behind_an_address(folder: Path) -> None:
    assert torch.hub.get_dir() == str(folder / "home" / "hub")
    torch.save({"w": torch.arange(3.0)}, folder / "plain.pth")
    digest = hashlib.sha256((folder / "plain.pth").read_bytes()).hexdigest()
    stored = (folder / "plain.pth").rename(folder / f"net-{digest[:8]}.pth")
    for _ in range(2):  # the second time there is nothing left to fetch
        found = torch.hub.load_state_dict_from_url(stored.as_uri(), check_hash=True)
        assert found["w"].tolist() == [0, 1, 2]
        stored.unlink(missing_ok=True)
    assert (folder / "home/hub/checkpoints" / stored.name).exists()


def test_other_content_is_refused_and_leaves_nothing(folder: Path) -> None:
    source, target = folder / "data", folder / "copy"
    source.write_bytes(b"rushlight")
    with pytest.raises(
        RuntimeError, match=r'invalid hash value \(expected "00", got "[0-9a-f]{64}'
    ):
        torch.hub.download_url_to_file(source.as_uri(), str(target), "00")
    assert sorted(path.name for path in folder.iterdir()) == ["beside.py", "data", "hubconf.py"]
    torch.hub.download_url_to_file(source.as_uri(), str(target))
    assert target.read_bytes() == b"rushlight"


def test_the_folder_of_downloads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert torch.hub.get_dir() == "/cache/torch/hub"
    monkeypatch.setattr(torch.hub, "_state", {"folder": None})
    torch.hub.set_dir("/elsewhere")
    assert torch.hub.get_dir() == "/elsewhere"
