"""`python -m rushlight.distributed.run`: the launcher, in torchrun's spelling."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from .launcher import Plan, launch, threads_for


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(2)


def _parser(name: str) -> _Parser:
    parser = _Parser(
        name, description="Run a script on several processes, which meet by"
        " torch.distributed.init_process_group().", allow_abbrev=False,
    )  # fmt: skip
    add = parser.add_argument
    add("-n", "--nproc-per-node", "--nproc_per_node", default="1", metavar="N", dest="processes",
        help="processes on this machine; cpu: one for each core")  # fmt: skip
    add("--nnodes", default="1", metavar="N", help="machines (start the launcher on each)")
    add(
        "--node-rank", "--node_rank", type=int, default=0, metavar="I", help="this machine's number"
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
    for taken in ("rdzv-backend", "rdzv-id", "rdzv-conf"):
        add(f"--{taken}", f"--{taken.replace('-', '_')}", help=argparse.SUPPRESS)
    add("--rdzv-endpoint", "--rdzv_endpoint", default="", metavar="HOST:PORT",
        help="--master-addr and --master-port in one")  # fmt: skip
    add("script", help="what to run")
    add("arguments", nargs=argparse.REMAINDER, help="its arguments")
    return parser


def _plan(name: str, arguments: Sequence[str]) -> Plan:
    parser = _parser(name)
    options = parser.parse_args(arguments)
    cores = threads_for(1)
    asked = str(cores) if options.processes in ("cpu", "auto") else options.processes
    count = int(asked) if asked.isdigit() else 0
    if count < 1:
        parser.error(f"-n expects a number of processes, not {options.processes!r}")
    host, _, port = options.rdzv_endpoint.partition(":")
    host = options.master_addr or host
    port = options.master_port or int(port or 0)
    nodes = int(options.nnodes.rpartition(":")[2])
    if nodes > 1 and not (host and port):
        parser.error("several machines need --master-addr and --master-port")
    if nodes > 1 and options.max_restarts:
        parser.error("--max-restarts works on one machine")
    if not options.no_python and not options.module and not os.path.exists(options.script):
        parser.error(f"there is no file {options.script!r}")
    start = [] if options.no_python else [sys.executable, "-u", "-m", "rushlight", "run"]
    start += ["-m"] * options.module
    if count > cores:
        print(f"{name}: {count} processes share {cores} cores", file=sys.stderr)
    return Plan(
        [*start, options.script, *options.arguments], count, nodes, options.node_rank,
        host or "127.0.0.1", port, options.max_restarts, options.grace, name,
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None, name: str = "rushlight launch") -> int:
    """Run the launcher; its exit status is that of the process that failed first, or 0."""
    plan = _plan(name, sys.argv[1:] if arguments is None else arguments)
    try:
        return launch(plan)
    except (OSError, RuntimeError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(name="python -m rushlight.distributed.run"))
