"""A Function that is given a tensor of a wrapper class."""

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
