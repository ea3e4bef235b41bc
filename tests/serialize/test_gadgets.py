"""Pickles that would run code elsewhere: refused by name, and nothing is imported."""

import io
import pickle
import struct
import subprocess
import sys
import textwrap

import pytest

from rushlight.serialize import CheckpointError
from rushlight.serialize.legacy import MAGIC, PROTOCOL
from tests.serialize.tools import loaded, with_pickle

SYSTEM = b"cos\nsystem\n"
CALL = b"(S'true'\n"


class Payload:
    def __reduce__(self):
        return exec, ("raise SystemExit('ran')",)


GADGETS = {
    "plain": pickle.dumps(Payload(), 2),
    "protocol 0": pickle.dumps(Payload(), 0),
    "protocol 4": pickle.dumps(Payload(), 4),
    "nested": pickle.dumps({"model": [{"w": (1, Payload())}]}, 2),
    "as key": pickle.dumps({Payload(): 1}, 2),
    "os.system": b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.",
    "posix": b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.",
    "inst": b"(X\x04\x00\x00\x00trueios\nsystem\n.",
    "obj": b"(cos\nsystem\nX\x04\x00\x00\x00trueo.",
    "newobj": b"\x80\x02csubprocess\nPopen\nX\x04\x00\x00\x00true\x85\x81.",
    "newobj_ex": b"\x80\x04csubprocess\nPopen\nX\x04\x00\x00\x00true\x85}\x92.",
    "ext1": b"\x80\x02\x82\x01)R.",
    "ext4": b"\x80\x02\x84\x01\x00\x00\x00)R.",
    "stack global": b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x8c\x04true\x85R.",
    "memo": b"\x80\x02cos\nsystem\nq\x000h\x00X\x04\x00\x00\x00true\x85R.",
    "memo swap": b"\x80\x02ccollections\nOrderedDict\nq\x000cos\nsystem\nq\x000h\x00)R.",
    "dotted": b"\x80\x04\x8c\x0crushlight.nn\x8c\x0frl.io.os.system\x93)R.",
    "getattr": b"\x80\x02c__builtin__\ngetattr\n(X\x01\x00\x00\x00aX\x01\x00\x00\x00btR.",
    "eval": b"\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R.",
    "import": b"\x80\x02c__builtin__\n__import__\nX\x02\x00\x00\x00os\x85R.",
    "torch.load": b"\x80\x02ctorch\nload\nX\x01\x00\x00\x00a\x85R.",
    "torch.hub": b"\x80\x02ctorch.hub\nload\nX\x01\x00\x00\x00a\x85R.",
    "rushlight": b"\x80\x02crushlight\nload\nX\x01\x00\x00\x00a\x85R.",
    "numpy": b"\x80\x02cnumpy.testing._private.utils\nrunstring\n(X\x01\x00\x00\x001}tR.",
    "module": b"\x80\x02ctorch.nn.modules.linear\nLinear\n)\x81}b.",
    "code": b"\x80\x02ctypes\nCodeType\n)R.",
    "built after": b"\x80\x02ccollections\nOrderedDict\n)RX\x01\x00\x00\x00acos\nsystem\nsb.",
    "default": b"\x80\x02ccollections\ndefaultdict\ncos\nsystem\n\x85R.",
}
# Built of allowed tags only, but asking them for what they do not do.
ABUSES = {
    "call a type": b"\x80\x02ctorch\nfloat32\n)R.",
    "call Tensor": b"\x80\x02ctorch\nTensor\n)R.",
    "new Tensor": b"\x80\x02ctorch\nTensor\n)\x81}b.",
    "call ndarray": b"\x80\x02cnumpy\nndarray\nM\xff\xff\x85R.",
    "call text": b"\x80\x02X\x01\x00\x00\x00a)R.",
    "call int": b"\x80\x02c__builtin__\nint\nX\x01\x00\x00\x001\x85R.",
    "big bytearray": b"\x80\x02c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
    "big bytes": b"\x80\x02c__builtin__\nbytes\nJ\xff\xff\xff\x7f\x85R.",
    "object dtype": b"\x80\x02cnumpy\ndtype\n(X\x01\x00\x00\x00O\x89\x88tR.",
    "state of a size": b"\x80\x02ctorch\nSize\n)\x85R}b.",
    "state of a list": b"\x80\x02]}b.",
    "dunder state": b"\x80\x02ccollections\nOrderedDict\n)R}X\x09\x00\x00\x00__class__Nsb.",
    "codec": b"\x80\x02c_codecs\nencode\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00rot13tR.",
    "items of a size": b"\x80\x02ctorch\nSize\n)\x85RX\x01\x00\x00\x00aNs.",
    "factory": b"\x80\x02ccollections\ndefaultdict\nctorch\nSize\n\x85R.",
    "storage of another size": b"\x80\x02(X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
    b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x05tQ.",
    "storage in a call": b"\x80\x02ccollections\nOrderedDict\n(X\x07\x00\x00\x00storage"
    b"ctorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ\x85R.",
    "other persistent": b"\x80\x02X\x01\x00\x00\x00aQ.",
    "unhashable": b"\x80\x02}]K\x01s.",
    "no stop": b"\x80\x02N",
    "two values": b"\x80\x02NN.",
    "empty": b"",
    "only stop": b".",
    "mark": b"\x80\x02(.",
    "underflow": b"\x80\x02R.",
    "no memo": b"\x80\x02h\x05.",
    "long text": b"\x80\x02X\xff\xff\xff\x7fa.",
    "long long": b"\x80\x02\x8b\xff\xff\xff\x7fa.",
    "huge bytes": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fa.",
    "bad utf8": b"\x80\x02X\x01\x00\x00\x00\xff.",
    "digits": b"I" + b"9" * 900 + b"\n." + b"I" + b"9" * 5000 + b"\n.",
    "protocol 9": b"\x80\x09N.",
    "frame": b"\x80\x04\x95\xff\xff\x00\x00\x00\x00\x00\x00N.",
    "tuple bomb": b"\x80\x02)" + b"2\x86" * 64 + b"q\x00}h\x00Ns0h\x00.",
    "trailing": b"\x80\x02N.N",
}


def legacy(pickled: bytes) -> bytes:
    """An old file around the pickle."""
    parts = [pickle.dumps(MAGIC, 2), pickle.dumps(PROTOCOL, 2)]
    parts += [pickle.dumps({"little_endian": True}, 2), pickled, pickle.dumps([], 2)]
    return b"".join(parts)


@pytest.mark.parametrize("wrap", [with_pickle, legacy, bytes], ids=["zip", "legacy", "bare"])
@pytest.mark.parametrize("name", GADGETS)
def test_gadgets_are_refused(name, wrap):
    with pytest.raises(CheckpointError):
        loaded(wrap(GADGETS[name]))
    with pytest.raises(CheckpointError):
        loaded(wrap(GADGETS[name]), weights_only=False)


@pytest.mark.parametrize("name", [name for name in GADGETS if name != "ext1" and name != "ext4"])
def test_the_refusal_names_the_global(name):
    words = {"plain": "exec", "module": "torch.nn.modules.linear.Linear", "code": "types.CodeType",
             "os.system": "os.system", "inst": "os.system", "memo": "os.system",
             "newobj": "subprocess.Popen", "stack global": "os.system"}  # fmt: skip
    with pytest.raises(CheckpointError, match=words.get(name, "the global")) as caught:
        loaded(with_pickle(GADGETS[name]))
    assert "state_dict" in "".join(caught.value.__notes__)
    assert "weights_only=False" not in str(caught.value)


@pytest.mark.parametrize("name", ABUSES)
def test_abuses_are_refused(name):
    with pytest.raises(CheckpointError):
        loaded(with_pickle(ABUSES[name], _0=bytes(16)))


def test_nothing_is_imported_run_or_opened(tmp_path):
    """An audit hook sees every import, process, and file of a run over all gadgets."""
    path = tmp_path / "gadgets.pkl"
    path.write_bytes(pickle.dumps([*GADGETS.values(), *ABUSES.values()]))
    script = textwrap.dedent("""
        import pickle, sys, io
        from tests.serialize.test_gadgets import legacy
        from tests.serialize.tools import loaded, with_pickle, saved, sample
        gadgets = pickle.load(open(sys.argv[1], "rb"))
        files = [wrap(g) for g in gadgets for wrap in (with_pickle, legacy)]
        loaded(saved(sample()))
        try:
            loaded(files[0])
        except RuntimeError:
            pass
        seen = []
        quiet = ("object.__getattr__", "object.__setattr__", "builtins.id", "gc.")
        sys.addaudithook(lambda name, args: seen.append((name, str(args)[:80]))
                         if not name.startswith(quiet) else None)
        refused = 0
        for data in files:
            for trust in (None, False):
                try:
                    loaded(data, weights_only=trust)
                except RuntimeError:
                    refused += 1
        print(refused, len(files), seen)
    """)
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    count = 2 * (len(GADGETS) + len(ABUSES))
    assert done.stdout.strip() == f"{2 * count} {count} []"


def test_an_honest_old_file_is_read():
    storage = (
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x02\x00\x00\x0077X\x03\x00\x00\x00cpu"
    )
    pickled = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x03NtQ"
    pickled += b"K\x01K\x02\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR."
    head = legacy(pickled)[: -len(pickle.dumps([], 2))]
    body = pickle.dumps(["77"], 2) + struct.pack("<q3f", 3, 1, 2, 3)
    assert loaded(head + body)._array.tolist() == [2, 3]
    for cut in range(len(head + body)):
        with pytest.raises(CheckpointError):
            loaded((head + body)[:cut])
    assert io.BytesIO(head).read(15).endswith(b"\x19.")
