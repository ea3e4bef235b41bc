"""Says what a file is if it is no checkpoint: an error page, a Git LFS pointer, an archive."""

from __future__ import annotations

from .errors import CheckpointError, short

GIT_LFS = b"version https://git-lfs"

SIGNS: list[tuple[bytes, str, str]] = [
    (GIT_LFS, "a Git LFS pointer, not the file itself", "fetch the file: git lfs pull"),
    (b"\x1f\x8b", "a gzip file", "unpack it first"),
    (b"BZh", "a bzip2 file", "unpack it first"),
    (b"\xfd7zXZ", "an xz file", "unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a zstd file", "unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it first"),
    (b"\x89HDF", "an HDF5 file (Keras?)", "read it with h5py"),
    (b"\x93NUMPY", "a NumPy .npy file", "read it with numpy.load"),
    (b"GGUF", "a GGUF file", "it is for llama.cpp; look for a .safetensors one"),
    (b"\x89PNG", "a PNG image", "is the path right?"),
    (b"\xff\xd8\xff", "a JPEG image", "is the path right?"),
    (b"%PDF", "a PDF document", "is the path right?"),
]


def not_a_checkpoint(head: bytes, size: int, name: str) -> CheckpointError:
    """The error for a file that starts with `head`, saying what it seems to be."""
    kind, advice = recognised(head)
    error = CheckpointError(
        f"{name} ({size} bytes) is {kind}"
        if kind
        else f"{name} is not a checkpoint: {size} bytes that start with {short(head[:16])}"
    )
    error.add_note(advice)
    error.add_note("nothing in it was run; weights_only=False would not help either")
    return error


def recognised(head: bytes) -> tuple[str, str]:
    """(what the file is, what to do), or an empty name."""
    for sign, kind, advice in SIGNS:
        if head.startswith(sign):
            return kind, advice
    if head[257:262] == b"ustar":
        return "a tar archive", "unpack it first"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body", b"<script")):
        return "an HTML page", "the server sent a page instead of the file: check the address"
    if text.startswith((b'{"', b"{\n", b"[{")):
        return "JSON text", "the server may have sent an error message: open it and read it"
    if head and all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in head[:64]):
        return "text", "open it and read what it says"
    if not any(head):
        return "only zero bytes", "the disk or the download failed: get the file again"
    return "", "it is damaged, or of a format that is not read here: .pt and .safetensors are"


def no_torch_archive(names: list[str], name: str) -> CheckpointError:
    """The error for a zip file without a tensor pickle."""
    endings = {part.rsplit("/", 1)[-1] for part in names}
    if "constants.pkl" in endings or any("/code/" in part for part in names):
        kind = "a TorchScript archive, which holds code"
    elif names and all(part.endswith(".npy") for part in names):
        kind = "a NumPy .npz file: read it with numpy.load"
    else:
        kind = f"a zip archive of {len(names)} records, but no checkpoint"
    return CheckpointError(f"{name} is {kind}")
