"""torch.cuda.streams: queues of work on a GPU; none can be made here."""

from ..core.names import explain_missing as _explain_missing
from . import Event, Stream

__all__ = ["Event", "Stream"]
_explain_missing(__name__)
