"""Runs the snippets of nn_cases and nn_trouble on one library and writes answers as plain data."""

import copy
import pickle
import warnings

from tests.parity import nn_cases, nn_trouble

SHOWN = 6  # values kept of each tensor, beside its sum


def all_cases():
    """(name, kind, code) of every case."""
    for code in nn_cases.CONSTRUCTORS:
        yield f"make {code}", "make", f"out = {code}"
    for code in nn_cases.INITIALISERS + nn_cases.FORWARDS:
        yield f"value {code}", "value", f"out = {code}"
    for code in nn_trouble.LINEAR:
        yield f"linear {code}", "value", f"m = nn.Linear(2, 3); {code}"
    for code in nn_trouble.OTHERS:
        yield f"other {code}", "value", code
    for code in nn_trouble.WITHOUT_INIT:
        yield f"no init {code}", "value", f"A().run({code!r})"


def plain(value, torch):
    """An answer as JSON: tensors as shape, dtype, first values and sum."""
    if isinstance(value, torch.Tensor):
        if type(value).__name__.startswith("Uninit"):
            return {"lazy": type(value).__name__}
        flat = value.detach().reshape(-1).tolist()
        return {
            "shape": list(value.shape),
            "dtype": str(value.dtype),
            "values": flat[:SHOWN],
            "sum": float(sum(flat)),
        }
    if isinstance(value, (list, tuple)):
        return [plain(part, torch) for part in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, dict):
        return {str(key): plain(part, torch) for key, part in value.items()}
    return repr(value)


def answer(kind, code, torch):
    """What one snippet gives: a value or an error, and the texts of its warnings."""

    class A(torch.nn.Module):
        def __init__(self):
            pass

        def run(self, code):
            exec(code, {**names, "self": self})

    names = {
        "torch": torch,
        "nn": torch.nn,
        "F": torch.nn.functional,
        "init": torch.nn.init,
        "utils": torch.nn.utils,
        "rnn": torch.nn.utils.rnn,
        "copy": copy,
        "pickle": pickle,
        "A": A,
    }
    torch.manual_seed(42)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exec(code, names)
            out = names.get("out")
            if kind == "make":
                out = {"repr": repr(out), "state": dict(out.state_dict())}
            found = {"out": plain(out, torch)}
        except Exception as error:
            # The first line, and what load_state_dict lists below it.
            found = {"error": public_name(error), "says": str(error)}
    texts = [str(w.message) for w in caught]
    # Notes of torch on its own machinery are no part of the interface.
    texts = [text for text in texts if "jit" not in text and "Triggered internally" not in text]
    return {**found, "warns": texts} if texts else found


def public_name(error):
    """The class of an error that code written for torch would catch."""
    kinds = [kind for kind in type(error).__mro__ if kind.__module__ == "builtins"]
    return kinds[0].__name__
