"""torch's own database of ops against rushlight: which agree, in what (needs torch and expecttest).

python -m tests.live.op_db                  the table
python -m tests.live.op_db --write          also docs/status.md and the list of agreeing ops
python -m tests.live.op_db add fft.rfft     these ops, with every disagreement
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Any

from torch.testing._internal.common_methods_invocations import op_db

from tests.live.op_db_checks import Tally, check

ROOT = Path(__file__).parents[2]
AGREED = Path(__file__).parent / "op_db_agreed.txt"
ASPECTS = ("value", "layout", "gradient", "node", "int64", "bool", "complex64", "method",
           "in-place", "out", "errors")  # fmt: skip

# What is not compared, and why. A pattern must match the whole name.
LEFT_OUT = {
    r"jiterator_.*": "compiles kernels for CUDA",
    r"sparse\..*|to_sparse": "sparse layouts",
    r"torch\..*": "kernels of GPUs, called by an internal name",
    r"nn\.functional\.scaled_dot_product_attention_.*": "kernels of GPUs, by an internal name",
    r"_segment_reduce|segment_reduce": "jagged tensors",
    r"_(?!_).*": "internal functions (a leading underscore)",
    r"native_.*_backward|max_pool2d_with_indices_backward":
        "backward kernels: rushlight derives them",
    r"native_.*|grid_sampler_.*|slice": "entry points under the public functions, which count",
}  # fmt: skip

# Where rushlight keeps to another answer, and why.
OWN_ANSWER = {
    "as_strided_scatter": "torch's gradient is that of the places written over, not of the others",
    "addbmm": "torch's in-place form resizes the tensor it writes to",
    "fft.ihfftn": "torch leaves `out` as it was",
    "renorm": "torch's gradient for the largest of complex numbers is nan",
    "amax": "NumPy has at most 64 dimensions", "amin": "NumPy has at most 64 dimensions",
    "aminmax": "NumPy has at most 64 dimensions",
}  # fmt: skip


def name_of(op: Any) -> str:
    """The op's dotted name, with the database's variant in brackets."""
    return f"{op.name}[{op.variant_test_name}]" if op.variant_test_name else op.name


def reason(name: str) -> str | None:
    """Why an op is left out, or None."""
    bare = name.partition("[")[0]
    return next((why for pattern, why in LEFT_OUT.items() if re.fullmatch(pattern, bare)), None)


def in_scope() -> dict[str, Any]:
    """The ops that count, by name."""
    return {name_of(op): op for op in op_db if reason(name_of(op)) is None}


def compare(names: list[str] | None = None) -> dict[str, Tally]:
    """The tallies of the named ops, or of all; a bare name stands for all its variants."""
    ops = in_scope()
    chosen = [n for n in ops if not names or n in names or n.partition("[")[0] in names]
    return {name: check(ops[name]) for name in chosen}


def summary(tallies: dict[str, Tally]) -> list[tuple[str, int, int, int, int]]:
    """For each aspect: ops that have it, ops that agree; samples, agreeing samples."""
    rows = []
    for aspect in ASPECTS:
        having = [tally for tally in tallies.values() if tally.tried.get(aspect)]
        agree = sum(aspect in tally.agreed() for tally in having)
        cases = sum(tally.tried[aspect] for tally in having)
        wrong = sum(len(tally.wrong.get(aspect, ())) for tally in having)
        rows.append((aspect, len(having), agree, cases, cases - wrong))
    return rows


def table(tallies: dict[str, Tally]) -> str:
    lines = ["| aspect | ops | agree | cases | agree |", "|---|--:|--:|--:|--:|"]
    lines += [f"| {' | '.join(map(str, row))} |" for row in summary(tallies)]
    return "\n".join(lines)


def whole(tally: Tally) -> bool:
    return bool(tally.tried) and not tally.wrong


def write(tallies: dict[str, Tally]) -> None:
    """The list of what agrees, and the page about it."""
    lines = [
        f"{n} {' '.join(sorted(t.agreed()))}" for n, t in sorted(tallies.items()) if t.agreed()
    ]
    AGREED.write_text("\n".join(lines) + "\n")
    (ROOT / "docs" / "status.md").write_text(page(tallies))


def page(tallies: dict[str, Tally]) -> str:
    missing = sorted(
        n for n, t in tallies.items() if any("missing:" in p for p in t.wrong.get("value", ()))
    )
    partly = sorted(n for n, t in tallies.items() if t.wrong and n not in missing)
    untried = sorted(n for n, t in tallies.items() if not t.tried)
    left = [
        f"| `{p}` | {why} |".replace("\\.", ".").replace("|_", "\\|_")
        for p, why in LEFT_OUT.items()
    ]
    return "\n".join([
        "# Agreement with torch's own op database", "",
        "Written by `python -m tests.live.op_db --write`; edit nothing here.", "",
        f"torch 2.13 lists {len(op_db)} ops for its own tests; {len(tallies)} are in scope."
        f" {sum(map(whole, tallies.values()))} agree in everything that was tried. Each op is tried"
        " on up to six of the database's samples in each data type.", "",
        table(tallies), "",
        "*value*: float32 and float64, with type and sizes; *layout*: strides; *gradient*: float64"
        " and complex64, for fixed cotangents; *method*, *in-place*, *out*: the other spellings;"
        " *node*: the name of `grad_fn`; *errors*: type and first line.", "",
        f"## Missing ({len(missing)})", "", ", ".join(f"`{n}`" for n in missing) or "None.", "",
        f"## Some sample disagrees ({len(partly)})", "",
        *(
            f"- `{n}`: {', '.join(a for a in ASPECTS if a in tallies[n].wrong)}"
            + (f" ({OWN_ANSWER[n]})" if n in OWN_ANSWER else "") for n in partly
        ), "",
        f"## Not tried ({len(untried)})", "",
        ", ".join(f"`{n}`" for n in untried) + ": the database gives it no data type on the CPU."
        if untried else "None.", "",
        "## Left out", "", "| name | why |", "|---|---|", *left, "",
    ])  # fmt: skip


def report(tallies: dict[str, Tally], most: int) -> None:
    for name, tally in tallies.items():
        for aspect, problems in tally.wrong.items():
            for problem in problems[:most]:
                print(f"{name:34} {aspect:9} {len(problems)}/{tally.tried[aspect]} {problem}")


if __name__ == "__main__":
    start = time.perf_counter()
    names = [word for word in sys.argv[1:] if not word.startswith("--")]
    tallies = compare(names)
    report(tallies, 20 if names else 1)
    print(table(tallies))
    agree = sum(map(whole, tallies.values()))
    print(f"{len(tallies)} ops, {agree} agree in all; {time.perf_counter() - start:.0f} s")
    if "--write" in sys.argv:
        write(tallies)
