"""torch.distributed: several processes that compute together, on one machine or on several.

`rushlight launch -n 2 program.py` starts them; docs/distributed.md says what runs. A collective
(`collectives.py`) gives a job to its group (`process_group.py`), which does it in order, on a lane
of its own (`work.py`), by a transport: shared memory, TCP or MPI (`shared.py`, `sockets.py`,
`mpi.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.names import explain_missing as _explain_missing
from ..core.names import lazy_names as _lazy_names

if TYPE_CHECKING:
    from .coalesced import *
    from .collectives import *
    from .collectives_of_parts import *
    from .debugging import *
    from .device_mesh import *
    from .errors import *
    from .objects import *
    from .point_to_point import *
    from .process_group import *
    from .questions import *
    from .reduce_op import *
    from .rendezvous import *
    from .store import *
    from .tcp_store import *
    from .work import *

_NAMES = {
    "coalesced": "all_reduce_coalesced all_gather_coalesced",
    "collectives": "all_reduce reduce broadcast all_gather gather scatter barrier"
    " monitored_barrier",
    "collectives_of_parts": "all_gather_into_tensor all_gather_single reduce_scatter"
    " reduce_scatter_tensor reduce_scatter_single all_to_all all_to_all_single",
    "debugging": "DebugLevel get_debug_level set_debug_level set_debug_level_from_env",
    "device_mesh": "DeviceMesh init_device_mesh",
    "errors": "DistError DistBackendError DistNetworkError DistStoreError QueueEmptyError"
    " DistMismatch DistTimeoutError DistPeerDied",
    "objects": "all_gather_object gather_object broadcast_object_list scatter_object_list"
    " send_object_list recv_object_list",
    "point_to_point": "send recv isend irecv P2POp batch_isend_irecv",
    "process_group": "Backend ProcessGroup GroupMember group init_process_group new_group"
    " split_group destroy_process_group default_pg_timeout",
    "questions": "is_available is_initialized is_nccl_available is_gloo_available is_mpi_available"
    " is_ucc_available is_xccl_available is_backend_available is_torchelastic_launched get_rank"
    " get_world_size get_backend get_backend_config get_pg_count get_process_group_ranks"
    " get_global_rank get_group_rank get_node_local_rank new_subgroups"
    " new_subgroups_by_enumeration supports_complex get_default_backend_for_device",
    "reduce_op": "ReduceOp",
    "rendezvous": "rendezvous register_rendezvous_handler",
    "store": "Store HashStore FileStore PrefixStore",
    "tcp_store": "TCPStore",
    "work": "Work",
}
_MODULES = (
    "_composable", "algorithms", "autograd", "checkpoint", "constants", "device_mesh",
    "distributed_c10d", "elastic", "fsdp", "launch", "nn", "optim", "pipelining", "rpc", "run",
    "tensor",
)  # fmt: skip
_explain_missing(
    __name__,
    {
        **_lazy_names(__name__, _NAMES),
        **{name: (f"{__name__}.{name}", None) for name in _MODULES},
        "GradBucket": (f"{__name__}.algorithms.ddp_comm_hooks.default_hooks", "GradBucket"),
    },
)
