"""A Function that is given a tensor of a wrapper class."""

import pytest

import rushlight as rl


class Quantised(rl.Tensor):
    """A wrapper whose products go through a Function that is given the wrapper itself."""

    @staticmethod
    def __new__(cls, whole, scale):
        return rl.Tensor._make_wrapper_subclass(cls, whole.size(), dtype=scale.dtype)

    def __init__(self, whole, scale):
        self.whole, self.scale = whole, scale

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func is rl.nn.functional.linear:
            return Product.apply(*args)
        with rl._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise NotImplementedError(func)


class Product(rl.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x @ (weight.whole.float() * weight.scale).t()

    @staticmethod
    def backward(ctx, g):
        weight = ctx.saved_tensors[1]
        return g @ (weight.whole.float() * weight.scale), None


def test_a_function_is_given_a_wrapper_as_it_is():
    weight = Quantised(rl.tensor([[1, 2], [3, -4]], dtype=rl.int8), rl.tensor(0.5))
    x = rl.tensor([[1.0, 2.0]], requires_grad=True)
    y = rl.nn.functional.linear(x, weight)
    y.sum().backward()
    assert (y.tolist(), x.grad.tolist()) == ([[2.5, -2.5]], [[2.0, -1.0]])  # torch's numbers


class Scaled(rl.Tensor):
    """Whole numbers and a scale, in a class that answers functions and operators itself."""

    @staticmethod
    def __new__(cls, numbers, scale):
        return rl.Tensor._make_wrapper_subclass(cls, numbers.size(), dtype=scale.dtype)

    def __init__(self, numbers, scale):
        self.numbers, self.scale = numbers, scale

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        with rl._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(cls, op, types, args=(), kwargs=None):
        if op.overloadpacket == rl.ops.aten.detach:
            return cls(op(args[0].numbers), op(args[0].scale))
        plain = [x.numbers * x.scale if isinstance(x, cls) else x for x in args]
        return op(*plain, **(kwargs or {}))


class Quantized(rl.autograd.Function):
    @staticmethod
    def forward(ctx, x, scale):
        return Scaled((x / scale).round().to(rl.int8), scale)

    @staticmethod
    def backward(ctx, g):
        return g, None


@pytest.mark.parametrize("asks", [True, False])
def test_what_a_function_wrapped_keeps_its_attributes(asks, monkeypatch):
    """Cut from its history, or made a parameter, it had no attributes."""
    if not asks:
        disabled = rl._C._disabled_torch_function_impl
        monkeypatch.setattr(Scaled, "__torch_function__", disabled)
    x = rl.tensor([[1.0, 2.2], [3.1, 3.9]], requires_grad=True)
    found = Quantized.apply(x, rl.full((2, 1), 0.5))
    assert found.requires_grad and found.grad_fn is not None
    for made in (found.detach(), found.data, rl.nn.Parameter(found)):
        assert type(made) is Scaled and made.is_leaf
        assert made.numbers.tolist() == [[2, 4], [6, 8]] and made.scale.shape == (2, 1)
        assert made.numbers is not found.numbers
    assert (found.detach() + 1).tolist() == [[2, 3], [4, 5]]
