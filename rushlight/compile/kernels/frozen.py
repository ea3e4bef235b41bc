"""What a program makes of values that do not change: it is done once, and again if they do.

Packed weights are the usual case; so is what is computed from weights alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..middle.graph import Node
from ..products.dispatch import Product
from ..products.gemm import plan_gemm
from .normal import hosted, storage
from .schedule import Group, Schedule

if TYPE_CHECKING:
    from .maker import Prepared


class Frozen:
    """The `values` that stay as they are from run to run, and the memory that has to last."""

    def __init__(self, inputs: Iterable[Node]) -> None:
        self.values = set(inputs)
        self.groups: set[int] = set()
        self.lasting: dict[Node, None] = {}

    def __bool__(self) -> bool:
        return bool(self.values)

    def note(
        self, group: Group, one: Prepared | None, outside: Iterable[Node], schedule: Schedule
    ) -> None:
        """See whether a group, next in order, computes from such values alone.

        What it writes is a value of its own that nobody writes into, or a part of one that is put
        together out of parts, of which no two overlap: the edges of a pad.
        """
        if not self.values or one is None or group.chain or group.kind not in ("nest", "gemm"):
            return
        made = {root.node: storage(root.node) for root in group.stored}
        if any(hosted(node) for node in made) or set(made.values()) & set(outside):
            return
        parts = [node for node, home in made.items() if node is not home]
        if any(node.op != "put" or made[node].op != "empty" for node in parts):
            return
        if any(_written_into(home, schedule) for home in made.values()):
            return
        read = {node for node, _ in one.operands} - {*made.values(), group.scratch}
        if all(node in self.values or node.op == "constant" for node in read):
            self.values.update(node for node, home in made.items() if node is home)
            self.groups.add(group.number)
            self.lasting.update(dict.fromkeys(made.values()))

    def once(self, one: Prepared, packs: str, target: Any) -> bool:
        """Whether a kernel of a group has to run only when values changed.

        What a group of once packs lasts too: the groups of every run share it.
        """
        group, work = one.group, one.work
        noted = group.number in self.groups
        if not packs:
            return noted
        if isinstance(work, Product):
            plan, part = plan_gemm(work.gemm, target), "xy".index(packs)
            slot, own = (plan.x, plan.y)[part].slot, work.shared[part]
        else:
            slot, own = work.plan.weight.slot, -1  # type: ignore[attr-defined]  # a conv
        if group.chain and not isinstance(work, Product):
            return noted
        if not noted and one.operands[slot][0] not in self.values:
            return False
        memory = group.scratch if own < 0 else one.operands[own][0]
        assert memory is not None
        self.lasting[memory] = None
        return True


def _written_into(home: Node, schedule: Schedule) -> bool:
    """Whether a value's memory is changed once more: by sums into it, or by parts put over it."""
    changes = {node.op for node in schedule.roots if node is not home and storage(node) is home}
    return "scatter" in changes or ("put" in changes and home.op != "empty")
