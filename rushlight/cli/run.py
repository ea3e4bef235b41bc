"""`rushlight run SCRIPT [ARGS]`: run a script written for torch with torch's names meaning ours."""

from __future__ import annotations

import builtins
import io
import os
import runpy
import sys
from collections.abc import Callable
from types import CodeType, ModuleType, TracebackType

from ..compat import install
from ..compat.alias import STAND_IN, our_name
from .terminal import complain

USAGE = """\
usage: rushlight run SCRIPT [ARGS ...]
       rushlight run -m MODULE [ARGS ...]
       rushlight run -n N SCRIPT [ARGS ...]

Run a Python script as `python SCRIPT` does, with `import torch` and `import torchvision`
(and everything below them) resolved to rushlight; with -n, on N processes: `rushlight launch`."""
COMMAND = "rushlight run"


def main(arguments: list[str]) -> int:
    """Run the script or module named first; the rest belongs to it."""
    if arguments[:1] in (["-h"], ["--help"]):
        print(USAGE)
        return 0
    if arguments[:1] == ["-n"]:
        from .launch import main as launch

        return launch(arguments)
    named = arguments[:1] == ["-m"]
    rest = arguments[1:] if named else arguments
    if not rest or (rest[0].startswith("-") and not named):
        what = f"unknown option {rest[0]}" if rest else "name a script to run"
        complain(COMMAND, f"{what} (see {COMMAND} --help)")
        return 2
    if not named and not os.path.exists(rest[0]):
        complain(COMMAND, f"there is no file {rest[0]!r}")
        return 2
    install()
    if "RUSHLIGHT_LAUNCH_FOLDER" in os.environ:
        from ..distributed.launched import prepare

        prepare()
    if named:
        sys.argv = ["-m", *rest[1:]]
        _set_path(os.getcwd())
        module = our_name(rest[0]) or rest[0]
        return _guarded(lambda: runpy.run_module(module, run_name="__main__", alter_sys=True))
    return run_script(rest[0], rest[1:])


def run_script(path: str, arguments: list[str]) -> int:
    """Run a file (or a folder or zip archive with a `__main__.py`) as the main module."""
    sys.argv = [path, *arguments]
    if os.path.isdir(path) or not _is_source(path):
        _set_path(os.path.abspath(path))
        return _guarded(lambda: runpy.run_path(path, run_name="__main__"))
    _set_path(os.path.dirname(os.path.abspath(path)))
    return _guarded(lambda: _execute(path))


def _is_source(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(4) != b"PK\x03\x04"


def _set_path(folder: str) -> None:
    """Put the script's folder first, as Python does, and right after it our `torch`."""
    if not sys.flags.safe_path:
        sys.path.pop(0)
    sys.path[:0] = [folder, STAND_IN]


def _execute(path: str) -> None:
    """Execute a source file in a new `__main__`, under its absolute path as Python does."""
    path = os.path.abspath(path)
    with io.open_code(path) as file:
        source = file.read()
    main = ModuleType("__main__")
    main.__dict__.update(__file__=path, __builtins__=builtins, __cached__=None, __spec__=None)
    sys.modules["__main__"] = main
    code: CodeType = compile(source, path, "exec", dont_inherit=True)
    exec(code, main.__dict__)


def _guarded(execute: Callable[[], object]) -> int:
    """Run, and report an exception as Python itself would: without a word about how it was run."""
    try:
        execute()
    except SystemExit:
        raise
    except BaseException as error:
        trace = _beyond_ours(error.__traceback__)
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _beyond_ours(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the script's first frame on; None (a SyntaxError) if it never started."""
    while trace is not None and _is_runner(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


def _is_runner(filename: str) -> bool:
    return filename == __file__ or filename in (runpy.__file__, "<frozen runpy>")
