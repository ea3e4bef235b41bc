"""The functions of the `torch` namespace, one module per family."""

from .creation import *
from .drawing import *
from .indexing import *
from .pointwise import *
from .products import *
from .protocol import *
from .reduction import *
from .structure import *
