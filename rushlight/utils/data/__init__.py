"""Data sets, samplers and the loader, as `torch.utils.data`.

A sampler chooses indices, `fetch.py` asks the data set for them, `collate.py` makes a batch of the
samples; the loader does this in turn, or has workers do it (`pool.py`, `worker.py`).
"""

from ...core.names import explain_missing as _explain_missing
from . import _utils
from .collate import default_collate, default_convert
from .dataloader import DataLoader, _DatasetKind
from .dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from .distributed import DistributedSampler
from .sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from .worker import get_worker_info

_explain_missing(__name__)
