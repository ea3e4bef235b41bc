"""Models of installed libraries: their classes are nobody's code here, their tensors and settings
are looked at all the same.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.compile.disk.owned import own_file
from rushlight.testing import assert_close
from rushlight.utils import _pytree

LIBRARY = """
import rushlight as torch

class Settings:
    def __init__(self):
        self.scale = 2.0

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.settings = Settings()
        self.layer = torch.nn.Linear(3, 3)
        self.register_buffer("places", torch.arange(3.0))

    def forward(self, x):
        return self.layer(x + self.places) * self.settings.scale
"""


class Makes(OrderedDict):
    """A table that makes something new of what it keeps, whenever it is asked."""

    def __getitem__(self, key):
        return super().__getitem__(key)()


ACTIVATIONS = Makes(relu=torch.nn.ReLU)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    home = tmp_path / "site-packages"
    home.mkdir()
    (home / "some_models.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(str(home))
    yield importlib.import_module("some_models")
    del sys.modules["some_models"]


@pytest.mark.filterwarnings("error")
def test_buffers_and_settings_of_a_librarys_model(library) -> None:
    model = library.Model()
    compiled = torch.compile(model)
    x = torch.ones(2, 3)
    for _ in range(3):
        assert_close(compiled(x), model(x))
    model.settings.scale = 5.0
    assert_close(compiled(x), model(x))
    model.places.add_(1)
    assert_close(compiled(x), model(x))


@pytest.mark.filterwarnings("error")
def test_a_table_that_makes_what_it_gives() -> None:
    compiled = torch.compile(lambda x: x * len(ACTIVATIONS) if "relu" in ACTIVATIONS else -x)
    assert compiled(torch.ones(1)).item() == 1
    assert compiled(torch.ones(1)).item() == 1


class Output(OrderedDict):
    """As a library's outputs: made of keywords, its items are attributes too."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self.__dict__.update(parts)


_pytree.register_pytree_node(
    Output,
    lambda x: (list(x.values()), list(x)),
    lambda parts, keys: Output(**dict(zip(keys, parts))),
)


@pytest.mark.filterwarnings("error")
def test_a_registered_container_is_returned() -> None:
    layer = torch.nn.Linear(2, 2)

    def f(x: Any) -> Any:
        y = layer(x)
        return Output(loss=y.sum(), parts=(y, x), count=3)

    compiled, x = torch.compile(f), torch.ones(1, 2)
    for _ in range(3):
        found, wanted = compiled(x), f(x)
        assert type(found) is Output and list(found) == ["loss", "parts", "count"]
        assert vars(found)["count"] == 3 and found["parts"][1] is x
        assert_close(found["loss"], wanted["loss"])
        grads = torch.autograd.grad(found["loss"], layer.weight)
        assert_close(grads, torch.autograd.grad(wanted["loss"], layer.weight))


@pytest.mark.parametrize(
    "home",
    [
        "/home/someone/.venv/lib/python3.12/site-packages",
        "/usr/lib/python3/dist-packages",
        "/usr/local/lib/python3.14/dist-packages",  # pip's, with Debian's own Python
    ],
)
def test_installed_code_is_nobodys_here(home: str) -> None:
    assert not own_file(f"{home}/some/models.py")
    assert own_file("/home/someone/models.py")


@pytest.mark.skipif(sys.platform == "win32", reason="makes links")
def test_numpy_is_nobodys_code_wherever_it_lies(tmp_path: Path) -> None:
    """As `pip install --target` puts it beside other code."""
    home = Path(np.__file__).parent
    for name in ("numpy", "numpy.libs"):
        if (home.parent / name).exists():
            (tmp_path / name).symlink_to(home.parent / name)
    script = (
        "import numpy as np, rushlight; from rushlight.compile.disk.owned import own_file;"
        "print(np.__file__, own_file(np.lib.__file__), own_file(np.__path__[0] + 'beside.py'))"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(torch.__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": path},
        capture_output=True, text=True, cwd=tmp_path, check=True,
    )  # fmt: skip
    assert done.stdout.split() == [str(tmp_path / "numpy" / "__init__.py"), "False", "True"]
