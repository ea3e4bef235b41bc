"""`rushlight run`: a script written for torch behaves as under `python SCRIPT`."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from pathlib import Path

from tests.cli.tools import environment, rushlight

WHERE = """
import os, sys
import helper
print(__name__, __file__, __spec__, sys.argv, os.path.basename(sys.path[0]))
print(sys.modules["__main__"].__dict__ is globals(), helper.value)
"""


def write(folder: Path, name: str, text: str) -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return name


def test_a_script_sees_what_python_shows_it(tmp_path: Path) -> None:
    write(tmp_path, "inner/helper.py", "value = 41")
    script = write(tmp_path, "inner/script.py", WHERE)
    ours = rushlight("run", script, "a", "--help", "-m", cwd=tmp_path)
    python = subprocess.run(
        [sys.executable, script, "a", "--help", "-m"], cwd=tmp_path, env=environment(),
        capture_output=True, text=True,
    )  # fmt: skip
    assert (ours.stdout, ours.stderr, ours.returncode) == (python.stdout, "", 0)
    assert "['inner/script.py', 'a', '--help', '-m'] inner" in ours.stdout


def test_tracebacks_are_pythons_own(tmp_path: Path) -> None:
    for text in (
        "def f():\n    raise ValueError('boom')\nf()\n",
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e\n",
        "x = (\n",
        "import sys\nsys.exit('a last word')\n",
        "import sys\nsys.exit(7)\n",
        "e = ValueError('x')\ne.add_note('a note')\nraise e\n",
        "raise KeyboardInterrupt\n",
    ):
        script = write(tmp_path, "script.py", text)
        ours = rushlight("run", script, cwd=tmp_path)
        python = subprocess.run(
            [sys.executable, script], cwd=tmp_path, env=environment(), capture_output=True,
            text=True,
        )  # fmt: skip
        assert ours.stderr == python.stderr
        code = 130 if "Interrupt" in text else python.returncode
        assert ours.returncode == code


def test_torch_is_rushlight_everywhere_in_the_script(tmp_path: Path) -> None:
    text = """
import torch, torchvision
import torch.nn as nn
import torch.nn.functional as F
import torch.backends.cudnn as cudnn
from torch import nn as again
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
import rushlight
assert torch is rushlight and nn is again is rushlight.nn and F is rushlight.nn.functional
assert torchvision is rushlight.vision and transforms is rushlight.vision.transforms
assert DataLoader is rushlight.utils.data.DataLoader
assert StepLR is rushlight.optim.lr_scheduler.StepLR
assert (nn.__spec__.name, nn.__name__) == ("rushlight.nn", "torch.nn")
cudnn.benchmark = True
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
print(nn.Linear(3, 2).to(device)(torch.ones(1, 3)).shape)
"""
    done = rushlight("run", write(tmp_path, "script.py", text), cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("torch.Size([1, 2])\n", "")


def test_worker_processes_find_the_same_torch(tmp_path: Path) -> None:
    ways = multiprocessing.get_all_start_methods()
    text = (
        f"WAYS = {ways}"
        + """
import torch
from torch.utils.data import DataLoader, Dataset

class Squares(Dataset):
    def __len__(self):
        return 4
    def __getitem__(self, index):
        import torchvision
        return torch.tensor(index ** 2), torch.nn.__name__ + torchvision.__name__

if __name__ == "__main__":
    for way in WAYS:
        loader = DataLoader(Squares(), 4, num_workers=1, multiprocessing_context=way)
        print(*next(iter(loader)))
"""
    )
    done = rushlight("run", write(tmp_path, "script.py", text), cwd=tmp_path)
    line = f"tensor([0, 1, 4, 9]) {('torch.nnrushlight.vision',) * 4}\n"
    assert (done.stdout, done.stderr) == (line * len(ways), "")


def test_modules_folders_and_archives_run_too(tmp_path: Path) -> None:
    import zipfile

    text = "import sys, torch\nprint(__name__, torch.__name__, torch.nn.__name__, sys.argv[1:])\n"
    write(tmp_path, "package/__main__.py", text)
    write(tmp_path, "package/__init__.py", "")
    with zipfile.ZipFile(tmp_path / "app.pyz", "w") as archive:
        archive.writestr("__main__.py", text)
    for arguments in (("-m", "package", "x"), ("package", "x"), ("app.pyz", "x")):
        done = rushlight("run", *arguments, cwd=tmp_path)
        assert (done.stdout, done.stderr) == ("__main__ torch torch.nn ['x']\n", ""), arguments
