"""Short torch programs: what they print, or which error they end in, with either framework."""

from __future__ import annotations

import contextlib
import io
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "programs"
PUNCTUATION = re.compile(r"[][(){},:\s]+")
NUMBER = re.compile(r"-?\d+\.\d*(?:e[+-]?\d+)?")


def programs() -> dict[str, str]:
    """Every program by name: files hold blocks that a line `--- name` begins."""
    found: dict[str, str] = {}
    for path in sorted(FOLDER.glob("*.txt")):
        for place, block in enumerate(
            re.split(r"^---.*\n", path.read_text(), flags=re.MULTILINE)[1:]
        ):
            found[f"{path.stem}-{place:03}"] = block
    return found


def same_text(ours: str, theirs: str) -> bool:
    """Equal text; printed numbers may differ by one unit of the last printed place."""
    if ours == theirs:
        return True
    if sys.version_info >= (3, 12) and "OrderedDict(" in theirs:
        # Python's own text of it is another there; answers are those of 3.11
        ours, theirs = PUNCTUATION.sub(" ", ours), PUNCTUATION.sub(" ", theirs)
    if NUMBER.sub("#", ours) != NUMBER.sub("#", theirs):
        return False
    pairs = zip(NUMBER.findall(ours), NUMBER.findall(theirs))
    return all(abs(float(a) - float(b)) <= 1.01e-4 * max(1.0, abs(float(b))) for a, b in pairs)


@contextlib.contextmanager
def named_torch(torch: Any) -> Iterator[None]:
    """Let `import torch` inside a program find the framework under test."""
    own = torch.__name__
    if own == "torch":  # what torch imports late must stay: it registers itself once
        yield
        return
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "torch"}
    for name in before:
        del sys.modules[name]
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == own:
            sys.modules["torch" + name[len(own) :]] = module
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "torch"]:
            del sys.modules[name]
        sys.modules.update(before)


def run(source: str, torch: Any) -> dict[str, str]:
    """Run a program under a framework: its prints, its warnings' first lines, its error."""
    out = io.StringIO()
    names: dict[str, Any] = {
        "torch": torch,
        "nn": torch.nn,
        "F": torch.nn.functional,
        "__name__": "program",
    }
    torch.manual_seed(0)
    error = ""
    with (
        named_torch(torch), warnings.catch_warnings(record=True) as caught,
        contextlib.redirect_stdout(out), contextlib.chdir("."),  # and back
    ):  # fmt: skip
        for kind in (UserWarning, FutureWarning):
            warnings.simplefilter("always", kind)
        try:
            exec(compile(source, "program", "exec"), names)
        except Exception as failure:
            error = f"{_kind(failure)}: {str(failure).splitlines()[0] if str(failure) else ''}"
    found = {"out": out.getvalue(), "error": error}
    texts = [
        str(one.message).splitlines()[0] for one in caught if issubclass(one.category, UserWarning)
    ]
    if texts:
        found["warnings"] = "\n".join(texts)
    return found


def _kind(failure: BaseException) -> str:
    """The nearest built-in exception class (ours may be subclasses of torch's)."""
    for kind in type(failure).__mro__:
        if kind.__module__ == "builtins":
            return kind.__name__
    return type(failure).__name__
