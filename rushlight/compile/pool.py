"""Threads for compiled code: `rushlight_parallel(kernel, table, n, chunk)`."""

from __future__ import annotations

import functools
from typing import Any

from . import llvm

_ALONE = """\
define void @rushlight_parallel(ptr %kernel, ptr %table, i64 %n, i64 %chunk) {
  call void %kernel(ptr %table, i64 0, i64 %n)
  ret void
}
"""


@functools.cache
def _code() -> Any:
    return llvm.compile(_ALONE)


llvm.symbol("rushlight_parallel", lambda: _code().address("rushlight_parallel"))
