"""Runs the benchmarks and writes RESULTS.md: `python benchmarks/page.py [NAME ...]`.

The page is what the scripts print. Without names all of them run, one after the other (about 25
minutes on two quiet cores); with names those sections only, if the page is of this machine.
`RUSHLIGHT_DATA` names the folder with MNIST. What a script writes to its error stream (warnings of
other libraries, how many rounds other processes disturbed) is shown and not kept.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
PAGE = HERE / "RESULTS.md"
LIBRARIES = ("numpy", "llvmlite", "torch", "jax", "onnxruntime")


class Section(NamedTuple):
    """A script of this folder with its arguments, and what a reader must know of its output."""

    name: str
    title: str
    command: str
    words: str


SECTIONS = (
    Section("training", "Training steps", "training.py --rounds 7",
            "zero_grad, forward, loss, backward, SGD. In brackets the target; bold where reached. "
            "Eager targets are 4, 1.3, 1.1, 1.0 and 0.9 for a to e and 1.0 below."),
    Section("threads", "Training steps with two threads", "training.py --threads 2 --rounds 5",
            "Wall time; all contenders live in one process, so the idle threads of one take part "
            "of the processor from another."),
    Section("compiling", "The first compiled step", "compiling.py time",
            "Milliseconds of process time in fresh processes, with nothing on disk and then from "
            "the cache; the columns on the right are the phases."),
    Section("memory", "Memory", "compiling.py memory a b c d e lstm",
            "Peak of 20 steps in processes of their own."),
    Section("busy", "A busy neighbour", "compiling.py busy c d e", "Target: at most 2.2x."),
    Section("networks", "Other networks", "networks.py",
            "Milliseconds a step, as users of torch write them; AlexNet and VGG-11 at the "
            "course's sizes."),
    Section("gemm", "Products", "gemm.py", "GF/s on one core; target 75 % of the peak."),
    Section("convolution", "Convolutions", "convolution.py",
            "GF/s by the definition's count, forward (y) and to the input and weights (dx, dw). "
            "Layers of 3x3 and stride 1 compute by minimal filtering with fewer multiplications, "
            "hence more than the peak. Target: geometric mean 1.1x, none below 0.9x."),
    Section("inference", "Inference", "inference.py", "Target: level with the best peer."),
    Section("adam", "Adam over a million parameters", "adam.py", "Target: the copy's speed."),
    Section("bfloat16", "bfloat16", "bfloat16.py",
            "`words` uses the processor's AVX512-BF16 where it has it."),
    Section("overhead", "Overhead of an operation", "overhead.py",
            "4x4 float32. Targets: add 0.45, chains 0.50 of torch's time."),
    Section("small", "Calls on few elements", "small_operations.py", "No target."),
    Section("loops", "Loops of small calls", "small_loops.py", "No target."),
    Section("telling", "A step that prints its loss", "telling.py", "No target."),
    Section("data", "DataLoader over a TensorDataset", "data.py", "Target: 2x torch."),
    Section("epoch", "An epoch of LeNet on 10,000 images of MNIST", "epoch.py",
            "Eager; the second line of each has its kernels. No target."),
    Section("func", "Derivatives as functions", "differentiation_func.py",
            "Targets: a jvp at most 2 f and faster than torch's, a product with a Hessian at most "
            "4 gradients, a Hessian of 50 parameters faster than torch's, compiled at least as "
            "fast as jax.jit. What the ways cost as programs grow: docs/costs.md."),
    Section("programs", "torch.func's tutorials", "differentiation_programs.py",
            "Target: compiled at least as fast as jax.jit."),
    Section("draws", "Random numbers", "draws.py", "A million of each, the same bits."),
    Section("tables", "Reading a CSV file", "tables.py", "No target."),
    Section("importing", "Import", "importing.py", "Target: 0.2 s."),
)  # fmt: skip


def main() -> None:
    """Run the named sections (all without names) and write the page after each."""
    named = [section for section in SECTIONS if section.name in sys.argv[1:]]
    if unknown := set(sys.argv[1:]) - {section.name for section in SECTIONS}:
        sys.exit(
            f"no section {', '.join(unknown)}; there are {', '.join(s.name for s in SECTIONS)}"
        )
    texts = {} if not named else kept()
    for section in named or SECTIONS:
        print(f"-- {section.title}", file=sys.stderr, flush=True)
        texts[section.name] = measured(section)
        PAGE.write_text(page(texts))


def kept() -> dict[str, str]:
    """The sections that the page has, if it is of this machine."""
    old = PAGE.read_text()
    if machine() not in old:
        sys.exit(f"{PAGE.name} is of another machine or other versions: run all sections")
    found = re.findall(r"<!-- (\w+) -->\n(.*?)\n<!-- end -->", old, flags=re.DOTALL)
    return dict(found)


def measured(section: Section) -> str:
    """What a section's script prints, with the day."""
    command = [sys.executable, *f"{HERE}/{section.command}".split(" ")]
    done = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "PYTHONPATH": str(HERE.parent)})  # fmt: skip
    failed = f"\n\n(ended with status {done.returncode})" if done.returncode else ""
    return f"{datetime.date.today()}\n\n{as_markdown(done.stdout)}{failed}"


def as_markdown(output: str) -> str:
    """Tables as they are, other lines as preformatted text."""
    blocks: list[tuple[bool, list[str]]] = []
    for line in filter(str.strip, output.splitlines()):
        table = line.startswith("|")
        if not blocks or blocks[-1][0] != table:
            blocks.append((table, []))
        blocks[-1][1].append(line.rstrip())
    return "\n\n".join(
        "\n".join(lines if table else ["```text", *lines, "```"]) for table, lines in blocks
    )


def page(texts: dict[str, str]) -> str:
    """The whole page."""
    parts = [
        "# Results beside torch\n",
        "Written by `python benchmarks/page.py`, which runs the scripts named below.\n\n"
        f"{machine()}\n",
        "One thread and process time unless said; contenders take turns in one process, medians "
        "(or the least, where a script says so). Ratios move by 5 to 10 % between runs. What the "
        "figures say about each promise: [docs/promises/speed.md](../docs/promises/speed.md). What "
        "bounds the compiled steps: [docs/notes/0003-compiler.md](../docs/notes/0003-compiler.md). "
        "Earlier runs on other processors: [OTHER_MACHINES.md](OTHER_MACHINES.md).\n",
    ]
    parts += [
        f"## {section.title}\n\n`python benchmarks/{section.command}`. {section.words}\n\n"
        f"<!-- {section.name} -->\n{texts[section.name]}\n<!-- end -->\n"
        for section in SECTIONS
        if section.name in texts
    ]
    return "\n".join(parts)


def machine() -> str:
    """The processor, its caches and the versions, in one sentence each."""
    facts = dict(
        re.findall(r"^([^:\n]+?)\s*: (.*)$", _read("/proc/cpuinfo").split("\n\n")[0], re.M)
    )
    sets = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_tile")
            if name in facts.get("flags", "").split()]  # fmt: skip
    levels = sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"))
    caches = [f"L{_read(level / 'level')} {_read(level / 'size')}"
              for level in levels if _read(level / "type") != "Instruction"]  # fmt: skip
    versions = [f"{name} {_version(name)}" for name in LIBRARIES if _version(name)]
    return (
        f"{os.cpu_count()} virtual cores of {facts.get('model name', platform.machine())} (family "
        f"{facts.get('cpu family', '?')}, model {facts.get('model', '?')}: {', '.join(sets)}; "
        f"{', '.join(caches)}), {platform.system()}. Python {platform.python_version()}, "
        f"{', '.join(versions)}."
    )


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


if __name__ == "__main__":
    main()
