"""Attributes that a program gives a tensor go with its copies, pickles and files."""

import copy
import io
import pickle

import pytest

import rushlight as rl


class Tagged(rl.Tensor):
    """A class of a user's own, for parameters of it."""


def through_file(x):
    file = io.BytesIO()
    rl.save(x, file)
    file.seek(0)
    return rl.load(file)


WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "file": through_file,
}
MAKERS = {
    "tensor": lambda: rl.ones(2),
    "leaf": lambda: rl.ones(2, requires_grad=True),
    "parameter": lambda: rl.nn.Parameter(rl.ones(2)),
    "buffer": lambda: rl.nn.Buffer(rl.ones(2)),
    "parameter of a class": lambda: rl.nn.Parameter(rl.ones(2).as_subclass(Tagged)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", MAKERS)
def test_attributes_go_along(kind, way):
    if (kind, way) in (("parameter", "deepcopy"), ("parameter of a class", "file")):
        pytest.skip("torch makes a new Parameter without them; classes are not stored")
    x = MAKERS[kind]()
    x.tag, x._no_weight_decay, x._sizes = "a", True, [1, 2]
    y = WAYS[way](x)
    assert (y.tag, y._no_weight_decay, y._sizes) == ("a", True, [1, 2])
    assert (y._sizes is x._sizes) is (way == "copy")
    assert type(y) is type(x) and y.requires_grad is x.requires_grad
    assert isinstance(y, rl.nn.Parameter) is kind.startswith("parameter")
    assert isinstance(y, rl.nn.Buffer) is (kind == "buffer")


def test_what_the_library_keeps_stays_behind():
    x = rl.ones(2, requires_grad=True)
    x.register_hook(lambda g: 2 * g)
    view = x.view(2)
    view.sum().backward()
    with rl.no_grad():
        y = copy.copy(x)
    assert y.grad is None and view._base is x
    z = copy.deepcopy(x)
    assert rl.equal(z.grad, x.grad) and z.grad is not x.grad
    z.sum().backward()
    assert z.grad.tolist() == [3.0, 3.0]  # the hook is the original's alone
