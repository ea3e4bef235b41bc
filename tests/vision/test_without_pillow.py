"""On a machine without Pillow the plain path works: data set, transforms, loader."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "PIL":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuse())
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "PIL" else real(name, *rest)

import rushlight as torch
from rushlight.vision import datasets, transforms

steps = transforms.Compose([
    transforms.Resize(20), transforms.RandomCrop(16, padding=2), transforms.RandomHorizontalFlip(),
    transforms.ColorJitter(0.1, 0.1), transforms.ToTensor(), transforms.Normalize(0.5, 0.5),
])
data = datasets.Digits(transform=steps)
pictures, labels = next(iter(torch.utils.data.DataLoader(data, batch_size=8)))
assert "PIL" not in sys.modules
try:
    transforms.ToPILImage()(pictures[0])
except ImportError as error:
    print(tuple(pictures.shape), error.__notes__[0])
"""


def test_digits_are_trained_on_without_pillow():
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=root, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == (
        "(8, 1, 16, 16) pictures need Pillow: pip install 'rushlight[vision]'"
    )
