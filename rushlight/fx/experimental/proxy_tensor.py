"""torch's tracer of operators: there is none here, because `torch.fx` traces calls."""

from ...core.names import explain_missing as _explain_missing


def get_proxy_mode() -> None:
    """None: no mode that turns operators into nodes is ever active.

    >>> from rushlight.fx.experimental.proxy_tensor import get_proxy_mode
    >>> get_proxy_mode() is None
    True
    """


_explain_missing(__name__)
