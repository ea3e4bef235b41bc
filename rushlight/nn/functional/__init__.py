"""Functions of networks, without state: `torch.nn.functional`."""

from .activation import *
from .classification import *
from .convolution import *
from .noise import *
from .products import *
from .normalization import *
from .pooling import *
from .regression import *
from .sparse import *
