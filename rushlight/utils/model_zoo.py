"""`torch.utils.model_zoo`: the older home of `torch.hub.load_state_dict_from_url`."""

from ..core.names import explain_missing as _explain_missing

_explain_missing(__name__, {"load_url": ("rushlight.hub", "load_state_dict_from_url")})
