"""Groups that differ in nothing but their memory are worked out once.

The steps of a loop, and layers alike, come as groups of the same ops over other values. What a
group computes is told with its values by place: whose memory they lie in is a number, and where
they begin there is counted from the first that is met. Groups told alike have one expression, with
other operands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..middle.graph import POINTWISE, Node
from .affine import contiguous
from .expression import Expression, Layout
from .normal import SOURCES, shift, storage
from .roots import Root
from .schedule import Group, Schedule

# what reads places out of memory, or has to be looked at otherwise
_OTHERWISE = frozenset("take scatter scatter_add iota strided conv empty part joined".split())


Ahead = tuple[int, ...]  # per dimension how far; () for nowhere


class _Unlike(Exception):
    """A group that is worked out by itself."""


def _rest(ahead: Sequence[int]) -> Ahead:
    return tuple(ahead) if any(ahead) else ()


def _under(ahead: Ahead, shape: Sequence[int]) -> Ahead:
    """How far an operand is read that is broadcast."""
    own = ahead[len(ahead) - len(shape) :]
    return _rest([0 if n == 1 else k for n, k in zip(shape, own)])


class Template:
    """What a group does as it is told, the owners of its memory, and where in it values begin.

    `key` is a number that groups told alike have in common.
    """

    def __init__(self, group: Group, schedule: Schedule, layout: Layout) -> None:
        self.schedule, self.layout = schedule, layout
        self.members = {root.node: -1 - k for k, root in enumerate(group.place)}
        self.owners: dict[Node, int] = {}
        self.begins: list[int] = []
        self._told: list[Any] = [
            (group.kind, tuple(group.extents), group.reduced, group.pieces, len(group.place))
        ]
        self._numbers: dict[Any, int] = {}
        for root, place in group.place.items():
            self._root(root, place, group)
        self.told, self.key = tuple(self._told), -1

    def _root(self, root: Root, place: Any, group: Group) -> None:
        node, phase, stored = root.node, group.phase[root], root in group.stored
        product = node in self.schedule.gemm
        at = tuple([coordinates for _, coordinates in root.sinks])
        self._told.append((place, phase, stored, product, root.reduced, root.own, at))
        self._told.append(self._body(node))
        if stored or product:
            if node.op == "put":
                self._told.append((node.params[:2], *self._memory(node, node.params[2])))
            else:
                self._told.append((node.shape, *self._memory(node)))

    def _body(self, node: Node, ahead: Ahead = ()) -> Any:
        """An op over what it reads, `ahead` of its first element."""
        op, inputs, params = node.op, node.inputs, node.params
        if op in _OTHERWISE:
            raise _Unlike
        below: Any = None
        if op == "put" or op == "copy":
            inputs, params = inputs[-1:], ()
        elif op == "slice":
            (x,) = inputs
            bounds = [slice(*b).indices(n) for n, *b in zip(x.shape, *params)]
            far = ahead or (0,) * node.ndim
            below = [_rest([start + step * k for k, (start, _, step) in zip(far, bounds)])]
            params = tuple([step for _, _, step in bounds])
        elif ahead:
            if op in POINTWISE or op == "expand":
                below = [_under(ahead, x.shape) for x in inputs]
            elif op == "permute":
                back = dict(zip(params[0], ahead))
                below = [tuple([back[dim] for dim in range(node.ndim)])]
            else:
                params = (*params, ahead)
        if below is None:
            return (op, params, node.shape, node.dtype, *map(self._value, inputs))
        children = [self._value(x, at) for x, at in zip(inputs, below)]
        return (op, params, node.shape, node.dtype, *children)

    def _value(self, node: Node, ahead: Ahead = ()) -> Any:
        """The number of a value: negative that of a member."""
        member = self.members.get(node)
        if member is not None:
            return (member, ahead) if ahead else member
        key = (node, ahead) if ahead else node
        found = self._numbers.get(key)
        if found is None:
            told = self._source(node, ahead) or self._body(node, ahead)
            found = self._numbers[key] = len(self._told)
            self._told.append(told)
        return found

    def _stands(self, node: Node) -> bool:
        """Whether a value is read from memory, or is a number."""
        return node.op in SOURCES or (node in self.schedule.roots and node not in self.members)

    def _source(self, node: Node, ahead: Ahead) -> Any:
        """What is read from memory: the same further on. None where it is made in registers."""
        home = node
        while home.op == "reshape" and ahead and home not in self.members:
            if self._stands(home):
                break
            home = home.inputs[0]
        if not self._stands(home):
            return None
        strides = self.layout.strides.get(home)
        if home is not node and strides is not None:
            return None
        if home.op == "constant" and home.params[0].size == 1:
            return repr(home.params[0].reshape(()).item()), node.dtype, node.shape
        steps = strides or contiguous(node.shape)
        start = sum([k * step for k, step in zip(ahead, steps)])
        return (node.shape, node.dtype, strides, *self._memory(home, start))

    def _memory(self, node: Node, ahead: int = 0) -> tuple[Any, ...]:
        """Whose memory a value lies in, and how far from the first that is met there."""
        owner, begin = storage(node), shift(node) + ahead
        if begin and not node.shape:  # a single number is looked for at the beginning
            raise _Unlike
        number = self.owners.get(owner)
        if number is None:
            number = self.owners[owner] = len(self.begins)
            self.begins.append(begin)
            return number, 0, owner.dtype, owner.op == "input"
        return number, begin - self.begins[number]


class Templates:
    """The templates of a program so far, each with the expression that was made from it."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._numbers: dict[Any, int] = {}
        self._known: dict[int, tuple[Template, Expression]] = {}

    def of(self, group: Group, schedule: Schedule) -> Template | None:
        """The template of a group; None if that cannot be told."""
        try:
            template = Template(group, schedule, self.layout)
            template.key = self._numbers.setdefault(template.told, len(self._numbers))
        except (_Unlike, TypeError):
            return None
        return template

    def filled(self, template: Template | None, group: Group) -> Expression | None:
        """The expression of a group like one before."""
        known = None if template is None else self._known.get(template.key)
        if template is None or known is None:
            return None
        before, expression = known
        owners = dict(zip(before.owners, template.owners))
        moved = [new - old for old, new in zip(before.begins, template.begins)]
        made = expression.with_operands(group, {owners[x]: k for x, k in expression.slots.items()})
        made.offsets = {
            k: expression.offsets[k] + moved[before.owners[x]]
            for x, k in expression.slots.items() if k in expression.offsets
        }  # fmt: skip
        return made

    def keep(self, template: Template | None, expression: Expression) -> None:
        """Note what was made of a template."""
        if template is not None and expression.slots.keys() <= template.owners.keys():
            self._known[template.key] = template, expression
