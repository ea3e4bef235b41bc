"""torch's operators below autograd, for modes and tensor classes that look at them."""

from . import attention, door, layers, pointwise, products, shapes

__all__ = ["attention", "door", "layers", "pointwise", "products", "shapes"]
