"""torch's private names that older scripts import: `_utils.collate`, `_utils.worker`."""

from .. import fetch, worker
from . import collate, pin_memory
