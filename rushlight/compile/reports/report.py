"""What a compiled callable did and why: the text of `explain()`."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ...core import threads
from ..calls.bound import Bound
from ..middle.graph import Graph, Node
from ..middle.periods import repeated
from ..middle.rolled import Loop, loops, rolled

MOST = 20  # lines of one list
LOOPS = 6  # that are told, those that spare most


class Explanation:
    """The programs of a compiled callable, their guards and kernels, and what stayed eager.

    Printing it gives the whole text; the parts are attributes: `programs` (a dictionary each),
    `reasons` and `sizes` (sentences).
    """

    def __init__(self, name: str, backend: str, bounds: Sequence[Bound], reasons: Sequence[Any],
                 fallbacks: Sequence[BaseException], times: bool = False,
                 sizes: Sequence[str] = ()) -> None:  # fmt: skip
        self.name, self.backend = name, backend
        self.programs = [describe(bound) for bound in bounds]
        self.machine: dict[str, float] = {}  # of one core, and of memory
        if times:
            self._measure(bounds)
        self.sizes = list(sizes)
        self.reasons = [str(reason) for reason in reasons]
        self.fallbacks = [f"{type(error).__name__}: {error}" for error in fallbacks]

    def _measure(self, bounds: Sequence[Bound]) -> None:
        """Run instrumented copies of the programs, on arrays like those of the traced calls."""
        timing = importlib.import_module(".timing", __package__)
        self.machine = {"flops": timing.fma_peak(), "bytes": timing.bandwidth(),
                        "threads": threads.number()}  # fmt: skip
        for program, bound in zip(self.programs, bounds):
            program["times"] = [
                {**_kernel(kernel, half), "seconds": seconds}
                for half, kernel, seconds in timing.timed(bound)
            ]

    def __str__(self) -> str:
        lines = [f"{self.name}: {len(self.programs)} program(s), backend {self.backend}"]
        for place, program in enumerate(self.programs):
            lines += ["", f"program {place}: " + ", ".join(program["arguments"])]
            lines += [f"  {line}" for line in _program(program)]
            if program.get("times"):
                lines += [f"  {line}" for line in _times(program["times"], self.machine)]
        if self.sizes:
            lines += ["", "sizes:", *(f"  {line}" for line in self.sizes)]
        if self.reasons:
            lines += ["", "calls that ran eagerly:"]
            lines += [f"  {reason}" for reason in dict.fromkeys(self.reasons)]
        if self.fallbacks:
            lines += ["", "native code could not be made, NumPy runs the program:"]
            lines += [f"  {error}" for error in self.fallbacks]
        return "\n".join(lines)

    __repr__ = __str__


def describe(bound: Bound) -> dict[str, Any]:
    """Everything known of one program."""
    captured, program = bound.captured, bound.program
    native = getattr(program, "native", None)
    core = getattr(program, "core", None)
    found: dict[str, Any] = {
        "arguments": [
            *map(repr, bound.arguments[0]),
            *(f"{name}={x!r}" for name, x in bound.arguments[1].items()),
        ],
        "guards": [
            *(f"{text} gives {value!r}"
              for text, value in {**bound.conditions, **captured.here.told()}.items()),
            *captured.here.gone_by, *captured.chances.told(), *map(str, bound.places),
        ],
        "nodes": len(captured.graph), "ops": Counter(node.op for node in captured.graph),
        "loops": _loops(captured),
        "inputs": [_source(source) for source in captured.sources],
        "writes": len(captured.writes), "gradients": len(captured.gradients),
        "effects": list(map(str, [*captured.stores, *captured.said])),
        "rules": dict(getattr(program, "fired", {})),
        "host": _host(core if core is not None else captured.graph, native),
        "kernels": [] if native is None else [_kernel(kernel) for kernel in native.kernels],
        "rounds": [] if native is None else _rounds(native.kernels),
        "memory": None if native is None else native.plan.size,
        "short": bound.fast is not None,
    }  # fmt: skip
    halves: Any = getattr(bound.halves, "program", None)
    if getattr(halves, "native", None) is not None:
        found["kernels"] += [_kernel(kernel, "backward ") for kernel in halves.native.kernels]
    found["reused"] = 0 if native is None else max(native.plan.reused - native.plan.size, 0)
    found["again"] = [] if native is None else native.recipe.again
    found["flops"] = sum(kernel["flops"] for kernel in found["kernels"])
    found["bytes"] = sum(kernel["bytes"] for kernel in found["kernels"])
    if captured.joint is not None:
        found["kept"] = _kept(captured)
    return found


def _loops(captured: Any) -> list[dict[str, Any]]:
    """What the call does over and over, forwards and back."""
    graphs = [captured.graph, *([captured.joint.graph] if captured.joint is not None else ())]
    found = []
    for node in (node for graph in graphs for node in loops(rolled(graph))):
        loop: Loop = node.params[0]
        lines = dict.fromkeys(_short(one.line) for one in loop.nodes if one.line)
        found.append({
            "times": loop.count, "nodes": len(loop.nodes), "text": str(loop), "lines": list(lines),
            "ops": Counter(one.op for one in loop.nodes), "carried": loop.carried,
            "same": loop.same, "picked": len(loop.picks), "results": list(loop.stacked),
        })  # fmt: skip
    return found


def _rounds(kernels: Sequence[Any]) -> list[tuple[int, list[str]]]:
    """The kernels that are called one after the other, over and over: how often, and which."""
    names = [kernel.name for kernel in kernels]
    found = repeated([(kernel.name, kernel.units) for kernel in kernels])
    return [(one.count, names[one.start : one.start + one.size]) for one in found]


def _source(source: Any) -> str:
    owner = f"argument {source.owner}" if type(source.owner) is int else "a tensor"
    kind = {"argument": owner, "tensor": "tensor", "gradient": f"gradient of {owner}",
            "item": "attribute"}.get(source.kind, "number")  # fmt: skip
    what = f" {source.key!r}" if source.kind == "number" else ""
    what = f" {source.owner!s}" if source.kind in ("spot", "text") else what
    return f"{kind}{what}: {source.array.dtype}{list(source.array.shape)}"


def _host(graph: Graph, native: Any) -> list[str]:
    """What NumPy computes inside a native program, with the user's lines."""
    if native is None:
        return []
    return [
        f"{node.params[0] if node.op == 'extern' else node.op}"
        + (f" ({node.line})" if node.line else "")
        for node in graph
        if node.op in ("extern", "draw") or "." in node.op
    ]


def _kernel(kernel: Any, half: str = "") -> dict[str, Any]:
    ops = " ".join(node.op for node in kernel.nodes) or "puts in order what the next reads"
    shape = list(kernel.nodes[-1].shape) if kernel.nodes else []
    lines = sorted({_short(node.line) for node in kernel.nodes if node.line})
    return {"name": half + kernel.name, "ops": ops, "shape": shape, "lines": lines,
            "flops": kernel.flops, "bytes": kernel.read + kernel.written}  # fmt: skip


def _short(line: str) -> str:
    file, _, rest = line.rpartition("/")
    return rest if file else line


def _kept(captured: Any) -> str:
    joint = captured.joint
    arrays: list[Node] = [
        captured.graph.inputs[i] if is_input else captured.graph.outputs[i]
        for is_input, i in joint.kept
    ]
    own = sum(node.nbytes for node, (is_input, _) in zip(arrays, joint.kept) if not is_input)
    return f"{len(arrays)} values for the backward half, {_size(own)} of them made for it"


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def _program(program: dict[str, Any]) -> list[str]:
    lines = [
        f"{program['nodes']} ops captured, {len(program['inputs'])} inputs,"
        f" {program['writes']} written in place, {program['gradients']} gradients set"
    ]
    lines += _repeated(program["loops"])
    if program["rules"]:
        fired = ", ".join(f"{name} {count}" for name, count in program["rules"].items())
        lines.append(f"simplified: {fired}")
    if program["kernels"]:
        moved, kept = _size(program["bytes"]), _size(program["memory"])
        lines.append(
            f"{len(program['kernels'])} kernel calls, {program['flops'] / 1e6:.1f} MFLOP,"
            f" {moved} moved, {kept} of temporaries"
            + (f" ({_size(program['reused'])} more without reuse)" if program["reused"] else "")
        )
        lines += _called_again(program["rounds"])
        distinct: dict[str, list[Any]] = {}
        for kernel in program["kernels"]:
            distinct.setdefault(kernel["name"], []).append(kernel)
        lines += [_line(name, kernels) for name, kernels in _most(distinct)]
        if len(distinct) > MOST:
            lines.append(f"  ... and {len(distinct) - MOST} more kinds of kernels")
    if program["again"]:
        ops = ", ".join(f"{n} {op}" for op, n in Counter(op for op, _ in program["again"]).items())
        size = _size(sum(nbytes for _, nbytes in program["again"]))
        lines.append(f"made again where they are read late, not kept: {ops} ({size})")
    if program["host"]:
        lines.append(f"run by NumPy in between: {len(program['host'])}")
        lines += [f"  {text}" for text in dict.fromkeys(program["host"][:MOST])]
    if "kept" in program:
        lines.append(f"keeps {program['kept']}")
    if program["effects"]:
        lines.append(f"Python's part after every run: {len(program['effects'])}")
        lines += [f"  {text}" for text in program["effects"][:MOST]]
    lines.append(f"{len(program['guards'])} guards, among them:")
    lines += [f"  {text}" for text in program["guards"][:MOST]]
    return lines


def _repeated(loops: Sequence[dict[str, Any]]) -> list[str]:
    """The loops that spare most."""
    lines = []
    spared = sorted(loops, key=lambda loop: -loop["nodes"] * (loop["times"] - 1))
    for loop in spared[:LOOPS]:
        where = f"  [{', '.join(loop['lines'][:2])}]" if loop["lines"] else ""
        lines.append(
            f"{loop['text']}; carries {loop['carried']}, picks {loop['picked']}, gives"
            f" {sum(loop['results'])} of each step{where}"
        )
    return lines + [f"... and {len(loops) - LOOPS} more loops"] * (len(loops) > LOOPS)


def _called_again(rounds: Sequence[tuple[int, list[str]]]) -> list[str]:
    """The kernels that are called in loops."""
    lines = []
    for count, names in sorted(rounds, key=lambda one: -len(one[1]) * (one[0] - 1))[:LOOPS]:
        more = " ..." if len(names) > MOST else ""
        lines.append(f"  in a loop, {count} times: {' '.join(names[:MOST])}{more}")
    return lines


def _most(distinct: dict[str, list[Any]]) -> list[tuple[str, list[Any]]]:
    work = {name: sum(k["flops"] + k["bytes"] for k in ks) for name, ks in distinct.items()}
    return sorted(distinct.items(), key=lambda pair: -work[pair[0]])[:MOST]


def _line(name: str, kernels: list[Any]) -> str:
    first, times = kernels[0], f" x{len(kernels)}" if len(kernels) > 1 else ""
    ops = first["ops"] if len(first["ops"]) < 60 else first["ops"][:57] + "..."
    where = f"  [{', '.join(first['lines'][:2])}]" if first["lines"] else ""
    flops = sum(kernel["flops"] for kernel in kernels)
    return f"  {name}{times}: {ops} {first['shape']} {flops / 1e6:.2f} MFLOP{where}"


def _times(kernels: Sequence[dict[str, Any]], machine: dict[str, float]) -> list[str]:
    """The kernels by the time they take, beside what the machine can do."""
    total = sum(kernel["seconds"] for kernel in kernels) or 1e-12
    count = int(machine["threads"])
    peak, most = machine["flops"] * count / 1e9, machine["bytes"] / 1e9
    lines = [
        f"times: {total * 1e6:.1f} us in kernels; this machine: {peak:.0f} GF/s of multiply-adds on"
        f" {count} thread(s), a copy moves {most:.1f} GB/s"
    ]
    groups: dict[str, list[dict[str, Any]]] = {}
    for kernel in kernels:
        groups.setdefault(kernel["name"], []).append(kernel)
    ordered = sorted(groups.items(), key=lambda one: -sum(k["seconds"] for k in one[1]))
    for name, same in ordered[:MOST]:
        spent = sum(kernel["seconds"] for kernel in same) or 1e-12
        rate = sum(kernel["flops"] for kernel in same) / spent / 1e9
        moved = sum(kernel["bytes"] for kernel in same) / spent / 1e9
        text = f"{same[0]['ops'][:50]} {same[0]['shape']}"
        lines.append(
            f"  {name} x{len(same)}: {spent * 1e6:.1f} us, {spent / total:.0%} of the time;"
            f" {rate:.1f} GF/s, {rate / peak:.0%} of the peak; {moved:.1f} GB/s,"
            f" {moved / most:.0%} of a copy's; {text}"
        )
    return lines
