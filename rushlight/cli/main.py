"""`rushlight`: choose the command, and turn its errors into sentences and exit codes."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import rushlight as rl
from rushlight.serialize.errors import CheckpointError
from rushlight.utils.errors import ArchiveError, DownloadError

from .environment import start_logging, warn_of_unknown
from .terminal import Complaint, complain

COMMANDS = {
    "train": "train a network and print its accuracy",
    "evaluate": "reload a trained network and repeat its accuracy",
    "run": "run a script written for torch",
    "launch": "run a script on several processes that work together",
    "grad": "print the derivative of a formula",
    "info": "print a report to paste into a question",
}
INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one sentence."""

    def error(self, message: str) -> NoReturn:
        complain(self.prog, f"{message} (see {self.prog} --help)")
        sys.exit(2)


def _version() -> str:
    interface, _, own = rl.__version__.partition("+rushlight")
    return f"rushlight {own} (the interface of torch {interface})"


def _parser(chosen: Sequence[str]) -> Parser:
    """The parser of all commands; the options of a chosen one need its module."""
    parser = Parser("rushlight", description="Deep learning with PyTorch's interface, on NumPy.")
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=f"{purpose.capitalize()}.")
        if (
            name in chosen
        ):  # never "run" and "launch", which read their own: what follows SCRIPT is the script's
            importlib.import_module(f".{name}", __package__).add_arguments(command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, 1 (it failed), 2 (wrong arguments) or 130 (Ctrl-C)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    warn_of_unknown()
    start_logging()
    if arguments[:1] in (["run"], ["launch"]):
        return importlib.import_module(f".{arguments[0]}", __package__).main(arguments[1:])
    options, unknown = _parser(arguments[:1]).parse_known_args(arguments)
    command = f"rushlight {options.command}"
    if unknown:  # `parse_args` would send the reader to the help of all commands
        complain(command, f"unrecognized arguments: {' '.join(unknown)} (see {command} --help)")
        return 2
    try:
        module = importlib.import_module(f".{options.command}", __package__)
        return module.main(options)
    except Complaint as complaint:
        complain(command, str(complaint), getattr(complaint, "__notes__", None))
        return complaint.code
    except KeyboardInterrupt:
        print(f"{command}: stopped", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`); Python must not write to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MemoryError as error:
        complain(command, f"out of memory: {error}", getattr(error, "__notes__", None))
        return 1
    except (OSError, DownloadError, ArchiveError, CheckpointError) as error:
        complain(command, str(error), getattr(error, "__notes__", None))
        return 1
