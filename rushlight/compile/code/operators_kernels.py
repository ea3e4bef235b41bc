"""Sums, differences, products and quotients of a few real numbers, for `operators.py`."""

from __future__ import annotations

KERNELS: tuple[str, ...] = ("", "fadd", "fsub", "fmul", "fdiv")


def _kernel(op: str, kind: str) -> str:
    """y = a op b of n numbers; without a step, b is eight times the same."""
    size = 4 if kind == "float" else 8
    return f"""\
define internal void @{op}_{kind}(ptr %y, ptr %a, ptr %b, i64 %n, i64 %step) {{
start:
  br label %next
next:
  %i = phi i64 [ 0, %start ], [ %i8, %body ]
  %i8 = add i64 %i, 8
  %more = icmp sle i64 %i8, %n
  br i1 %more, label %body, label %tail
body:
  %ib = mul i64 %i, %step
  %pa = getelementptr {kind}, ptr %a, i64 %i
  %pb = getelementptr {kind}, ptr %b, i64 %ib
  %py = getelementptr {kind}, ptr %y, i64 %i
  %va = load <8 x {kind}>, ptr %pa, align {size}
  %vb = load <8 x {kind}>, ptr %pb, align {size}
  %vy = {op} <8 x {kind}> %va, %vb
  store <8 x {kind}> %vy, ptr %py, align {size}
  br label %next
tail:
  %t = phi i64 [ %i, %next ], [ %t1, %one ]
  %left = icmp slt i64 %t, %n
  br i1 %left, label %one, label %end
one:
  %tb = mul i64 %t, %step
  %qa = getelementptr {kind}, ptr %a, i64 %t
  %qb = getelementptr {kind}, ptr %b, i64 %tb
  %qy = getelementptr {kind}, ptr %y, i64 %t
  %xa = load {kind}, ptr %qa
  %xb = load {kind}, ptr %qb
  %xy = {op} {kind} %xa, %xb
  store {kind} %xy, ptr %qy
  %t1 = add i64 %t, 1
  br label %tail
end:
  ret void
}}
"""


def kernels() -> str:
    """All of them, and `compute`, which chooses by twice the place in `KERNELS`, 1 more: double."""
    names = [f"{op}_{kind}" for op in KERNELS[1:] for kind in ("float", "double")]
    cases = "\n".join(f"    i64 {k + 2}, label %{name}" for k, name in enumerate(names))
    calls = "\n".join(
        f"{name}:\n  call void @{name}(ptr %y, ptr %a, ptr %b, i64 %n, i64 %step)\n  ret void"
        for name in names
    )
    made = "".join(_kernel(*name.split("_")) for name in names)
    return f"""{made}\
define internal void @compute(i64 %which, ptr %y, ptr %a, ptr %b, i64 %n, i64 %step) {{
start:
  switch i64 %which, label %end [
{cases}
  ]
{calls}
end:
  ret void
}}
"""
