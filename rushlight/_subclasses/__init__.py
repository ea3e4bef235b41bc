"""What torch keeps beside Tensor: here only the question whether a tensor is a fake one."""

from . import fake_tensor as fake_tensor
from . import functional_tensor as functional_tensor
