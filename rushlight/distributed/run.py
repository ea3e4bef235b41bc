"""`python -m rushlight.distributed.run`: the launcher, in torchrun's spelling."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from .launcher import LOCAL_RANK, Plan, launch, threads_for


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: error: {message} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(2)


# torchrun's options that ask for nothing here: there is one way to meet, and to watch.
_TAKEN = (
    "rdzv-backend", "rdzv-id", "rdzv-conf", "monitor-interval", "start-method", "local-addr",
    "logs-specs", "numa-binding", "signals-to-handle", "event-log-handler", "local-ranks-filter",
)  # fmt: skip


def _said(name: str, default: str) -> str:
    """An option from the environment, as torchrun takes it."""
    return os.environ.get(f"PET_{name}", default)


def _parser(name: str) -> _Parser:
    parser = _Parser(
        name, description="Run a script on several processes, which meet by"
        " torch.distributed.init_process_group().", allow_abbrev=False,
    )  # fmt: skip
    add = parser.add_argument
    add("-n", "--nproc-per-node", "--nproc_per_node", default=_said("NPROC_PER_NODE", "1"),
        metavar="N", dest="processes",
        help="processes on this machine; cpu: one for each core")  # fmt: skip
    add("--nnodes", default=_said("NNODES", "1"), metavar="N",
        help="machines (start the launcher on each); of MIN:MAX, all of MAX")  # fmt: skip
    add(
        "--node-rank",
        "--node_rank",
        type=int,
        default=_said("NODE_RANK", "0"),
        metavar="I",
        help="this machine's number",
    )
    add("--master-addr", "--master_addr", default="", metavar="HOST", help="where machine 0 is")
    add("--master-port", "--master_port", type=int, default=0, metavar="PORT",
        help="where they meet (default: a free one)")  # fmt: skip
    add("--max-restarts", "--max_restarts", type=int, default=0, metavar="K",
        help="start all again up to K times when one has failed")  # fmt: skip
    add("--grace", type=float, default=5.0, metavar="S",
        help="seconds between asking a process to end and killing it")  # fmt: skip
    add("-m", "--module", action="store_true", help="run a module, as python -m does")
    add("--no-python", "--no_python", action="store_true", help="run a program of any kind")
    add("--standalone", action="store_true", help="one machine, which is the default")
    add("--role", default="default", metavar="NAME", help="what ROLE_NAME says")
    add("--log-dir", "--log_dir", default="", metavar="DIR", help="a folder for --redirects")
    add("-r", "--redirects", default="0", metavar="WHAT",
        help="what goes to files in the log folder: 1 output, 2 errors, 3 both")  # fmt: skip
    _accept_more(parser)
    add("--rdzv-endpoint", "--rdzv_endpoint", default="", metavar="HOST:PORT",
        help="--master-addr and --master-port in one")  # fmt: skip
    add("script", nargs="?", help="what to run")
    add("arguments", nargs=argparse.REMAINDER, help="its arguments")
    return parser


def _accept_more(parser: _Parser) -> None:
    """Take torchrun's options that change nothing."""
    for taken in _TAKEN:
        parser.add_argument(f"--{taken}", f"--{taken.replace('-', '_')}", help=argparse.SUPPRESS)
    for taken in ("run-path", "virtual-local-rank", "use-env"):
        both = f"--{taken}", f"--{taken.replace('-', '_')}"
        parser.add_argument(*both, action="store_true", help=argparse.SUPPRESS)


def _meeting(parser: _Parser, options: argparse.Namespace) -> tuple[str, int, int]:
    """Where the processes meet, and of how many machines."""
    host, _, port = options.rdzv_endpoint.partition(":")
    if not (port or "0").isdigit():
        parser.error(f"--rdzv-endpoint expects HOST:PORT, not {options.rdzv_endpoint!r}")
    least, _, most = options.nnodes.rpartition(":")
    if not most.isdigit() or not (least or "1").isdigit() or int(most) < 1:
        parser.error(f"--nnodes expects a number of machines or MIN:MAX, not {options.nnodes!r}")
    return options.master_addr or host, options.master_port or int(port or 0), int(most)


def _plan(name: str, arguments: Sequence[str], tells_rank: bool = False) -> Plan:
    parser = _parser(name)
    options = parser.parse_args(arguments)
    if options.script is None:
        parser.error("name a script to run")
    cores = threads_for(1)
    asked = str(cores) if options.processes in ("cpu", "auto") else options.processes
    count = int(asked) if asked.isdigit() else 0
    if count < 1:
        parser.error(f"-n expects a number of processes, not {options.processes!r}")
    host, port, nodes = _meeting(parser, options)
    if nodes > 1 and not (host and port):
        parser.error("several machines need --master-addr and --master-port")
    if nodes > 1 and options.max_restarts:
        parser.error("--max-restarts works on one machine")
    if not options.no_python and not options.module and not os.path.exists(options.script):
        parser.error(f"there is no file {options.script!r}")
    start = [] if options.no_python else [sys.executable, "-u", "-m", "rushlight", "run"]
    start += ["-m"] * options.module
    if options.redirects not in ("0", "1", "2", "3"):
        parser.error(f"--redirects expects 0, 1, 2 or 3, not {options.redirects!r}")
    told = [LOCAL_RANK] if tells_rank and not options.use_env else []
    if count > cores:
        print(f"{name}: {count} processes share {cores} cores", file=sys.stderr)
    return Plan(
        [*start, options.script, *told, *options.arguments], count, nodes, options.node_rank,
        host or "127.0.0.1", port, options.max_restarts, options.grace, name, options.role,
        options.log_dir, int(options.redirects),
    )  # fmt: skip


def main(
    arguments: Sequence[str] | None = None, name: str = "rushlight launch",
    tells_rank: bool = False,
) -> int:  # fmt: skip
    """Run the launcher; its exit status is that of the process that failed first, or 0.

    `tells_rank`: the program gets `--local-rank=N` as its first argument.
    """
    plan = _plan(name, sys.argv[1:] if arguments is None else arguments, tells_rank)
    try:
        return launch(plan)
    except (OSError, RuntimeError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(name="python -m rushlight.distributed.run"))
