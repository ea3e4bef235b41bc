"""The functions of functions under the names that libraries import."""

from ..core.names import explain_missing as _explain_missing

_explain_missing(
    __name__,
    {
        "associative_scan": ("rushlight._higher_order_ops.associative_scan", "associative_scan"),
        "cond": ("rushlight", "cond"),
        "foreach_map": ("rushlight._higher_order_ops.foreach_map", "foreach_map"),
        "while_loop": ("rushlight", "while_loop"),
    },
)
