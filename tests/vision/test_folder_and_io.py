"""Picture files: folders of classes, reading, writing, and files that are broken."""

from __future__ import annotations

import builtins
import struct
import sys
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import rushlight as rl
from rushlight.utils.errors import DataError
from rushlight.vision import datasets, io, utils
from rushlight.vision.datasets import DatasetFolder, ImageFolder
from rushlight.vision.io import ImageReadMode, decode_image, read_image
from rushlight.vision.transforms import ToTensor


def picture(path, mode="RGB", size=(6, 5), seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (*size[::-1], 4)
    array = np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)
    image = Image.fromarray(array)
    (image.convert("RGB") if mode == "P" else image).convert(mode).save(path)
    return path


def test_image_folder_lists_classes_and_files_in_order(tmp_path):
    for name in ("b/2.png", "b/sub/1.PNG", "a/9.jpg", "a/note.txt", "b/10.png"):
        picture(tmp_path / name.replace(".txt", ".png"))
        if name.endswith(".txt"):
            (tmp_path / "a/note.png").rename(tmp_path / name)
    data = ImageFolder(tmp_path, target_transform=lambda label: label * 10)
    names = [path.removeprefix(f"{tmp_path}/") for path, _ in data.samples]
    assert names == ["a/9.jpg", "b/10.png", "b/2.png", "b/sub/1.PNG"]
    assert data.targets == [0, 1, 1, 1] and data.imgs == data.samples
    assert data.classes == ["a", "b"] and data.class_to_idx == {"a": 0, "b": 1}
    image, label = data[1]
    assert image.mode == "RGB" and label == 10
    assert "Number of datapoints: 4" in repr(data) and str(tmp_path) in repr(data)


def test_folders_without_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="Couldn't find any class folder in"):
        ImageFolder(tmp_path)
    (tmp_path / "empty").mkdir()
    picture(tmp_path / "full" / "x.png")
    with pytest.raises(FileNotFoundError, match=r"for the classes empty\. Supported .* \.jpg"):
        ImageFolder(tmp_path)
    assert len(ImageFolder(tmp_path, allow_empty=True)) == 1
    with pytest.raises(ValueError, match="cannot be None or not None at the same time"):
        datasets.make_dataset(tmp_path)
    with pytest.raises(ValueError, match="at least one entry"):
        datasets.make_dataset(tmp_path, {}, (".png",))


def test_dataset_folder_takes_any_loader(tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "x.txt").write_text("five")
    data = DatasetFolder(tmp_path, lambda path: Path(path).read_text(), (".txt",), transform=len)
    assert data[0] == (4, 0)
    picked = DatasetFolder(tmp_path, len, is_valid_file=lambda path: path.endswith("x.txt"))
    assert len(picked) == 1


@pytest.mark.parametrize(
    ("stored", "asked", "channels"),
    [
        ("RGB", "UNCHANGED", 3),
        ("L", "UNCHANGED", 1),
        ("P", "UNCHANGED", 3),
        ("1", "UNCHANGED", 1),
        ("RGBA", "UNCHANGED", 4),
        ("LA", "UNCHANGED", 2),
        ("RGBA", "RGB", 3),
        ("L", "RGB", 3),
        ("RGB", "GRAY", 1),
        ("L", "GRAY_ALPHA", 2),
        ("RGB", "RGB_ALPHA", 4),
    ],
)
def test_read_image_gives_the_channels_asked_for(tmp_path, stored, asked, channels):
    path = picture(tmp_path / "x.png", stored)
    tensor = read_image(str(path), ImageReadMode[asked])
    assert tensor.dtype == rl.uint8 and tuple(tensor.shape) == (channels, 5, 6)
    wanted = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    pixels = np.asarray(Image.open(path).convert(wanted)).reshape(5, 6, channels)
    assert np.array_equal(tensor.numpy(), pixels.transpose(2, 0, 1))
    assert bool((read_image(path, asked.lower()) == tensor).all())
    assert bool((decode_image(io.read_file(path), asked) == tensor).all())


def test_names_of_the_older_module_work():
    assert io.image.ImageReadMode.RGB is ImageReadMode.RGB and io.image.read_image is read_image


def test_exif_orientation_is_applied_on_request(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 4)).save(tmp_path / "x.jpg", exif=exif)
    assert tuple(read_image(tmp_path / "x.jpg").shape) == (3, 4, 6)
    assert tuple(read_image(tmp_path / "x.jpg", apply_exif_orientation=True).shape) == (3, 6, 4)


@pytest.mark.parametrize("channels", [1, 3])
def test_write_and_read_back(tmp_path, channels):
    x = rl.randint(0, 256, (channels, 16, 16), dtype=rl.uint8)
    io.write_png(x, tmp_path / "x.png")
    assert bool((read_image(tmp_path / "x.png") == x).all())
    grey = rl.full((channels, 16, 16), 100, dtype=rl.uint8)
    io.write_jpeg(grey, tmp_path / "x.jpg", quality=90)
    assert int((read_image(tmp_path / "x.jpg").to(rl.int64) - 100).abs().max()) <= 2
    with pytest.raises(RuntimeError, match="3-dimensional with 1 or 3 channels"):
        io.encode_png(rl.zeros(2, 4, 4, dtype=rl.uint8))
    with pytest.raises(RuntimeError, match="dtype should be uint8"):
        io.encode_jpeg(rl.zeros(1, 4, 4))


@pytest.mark.parametrize("name", ["x.png", "x.jpg"])
@pytest.mark.parametrize("share", [0, 5, 40, 70, 97])
def test_truncated_pictures_are_named_with_their_length(tmp_path, name, share):
    data = picture(tmp_path / name, size=(64, 64)).read_bytes()
    cut = len(data) * share // 100
    (tmp_path / name).write_bytes(data[:cut])
    with pytest.raises(DataError) as caught:
        read_image(tmp_path / name)
    text = str(caught.value)
    assert str(tmp_path / name) in text
    assert (f"ends at byte {cut}" in text) or "empty" in text or "not a picture" in text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "the file is empty"),
        (b"hello", "not a picture that Pillow knows"),
        (b"<!doctype html>", "HTML page"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer"),
    ],
)
def test_files_that_are_no_pictures(tmp_path, data, text):
    path = tmp_path / "class" / "x.jpg"
    path.parent.mkdir()
    path.write_bytes(data)
    for read in (read_image, lambda path: ImageFolder(path.parent.parent)[0]):
        with pytest.raises(DataError, match=text) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert isinstance(caught.value, RuntimeError) and isinstance(caught.value, OSError)


def test_missing_file():
    with pytest.raises(RuntimeError, match="No such file"):
        read_image("does/not/exist.png")


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path):
    def chunk(name, data):
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + body)
    with pytest.raises(DataError, match="too many pixels"):
        read_image(tmp_path / "x.png")


def test_without_pillow_the_error_says_how_to_get_it(monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest):
        if name.startswith("PIL"):
            raise ImportError(name)
        return real(name, *rest)

    for name in [name for name in sys.modules if name.startswith("PIL")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError) as caught:
        io.pillow()
    assert "rushlight[vision]" in "".join(caught.value.__notes__)
    assert not io.is_pillow_image(3)


def test_pictures_of_several_sizes_are_named_when_they_meet_in_a_batch(tmp_path: Path) -> None:
    for name, mode, size in (("g", "L", 8), ("r", "RGBA", 8), ("s", "RGB", 9)):
        (tmp_path / "a").mkdir(exist_ok=True)
        Image.new(mode, (size, 8)).save(tmp_path / "a" / f"{name}.png")
    pictures = ImageFolder(str(tmp_path), transform=ToTensor())
    assert [image.shape[0] for image, _ in pictures] == [3, 3, 3]  # grey and RGBA become RGB
    with pytest.raises(RuntimeError) as caught:
        next(iter(rl.utils.data.DataLoader(rl.utils.data.Subset(pictures, [2, 0]), batch_size=2)))
    notes = "\n".join(caught.value.__notes__)
    assert f"their files: {tmp_path / 'a' / 's.png'}, {tmp_path / 'a' / 'g.png'}" in notes


def test_bytes_of_each_kind_are_decoded_by_its_own_function() -> None:
    picture = rl.arange(3 * 4 * 5, dtype=rl.uint8).reshape(3, 4, 5)
    png, jpeg = io.encode_png(picture), io.encode_jpeg(picture, quality=95)
    assert rl.equal(io.decode_png(png), picture)
    assert io.decode_jpeg([jpeg, jpeg])[1].shape == picture.shape
    with pytest.raises(RuntimeError, match="no bytes of a PNG file"):
        io.decode_png(jpeg)
    first = io.pillow().fromarray(picture.permute(1, 2, 0).contiguous().numpy())
    buffer = BytesIO()
    first.save(buffer, "GIF", save_all=True, append_images=[first.rotate(180)])
    moving = rl.tensor(list(buffer.getvalue()), dtype=rl.uint8)
    assert io.decode_gif(moving).shape == (2, 3, 4, 5)


def test_points_are_drawn_with_lines_between_those_that_are_seen() -> None:
    image = rl.zeros(3, 9, 12, dtype=rl.uint8)
    points = rl.tensor([[[2.0, 3.9], [9.0, 3.0], [9.0, 7.0]]])
    drawn = utils.draw_keypoints(image, points, colors="red", radius=1)
    rows = ["".join(".#"[pixel > 0] for pixel in row) for row in drawn[0].tolist()]
    disc = {2: ".#.", 3: "###", 4: ".#."}
    assert [rows[k][1:4] for k in disc] == list(disc.values()) and not drawn[1:].any()
    assert not image.any()
    seen = rl.tensor([[True, True, False]])
    lines = [(0, 1), (1, 2)]
    drawn = utils.draw_keypoints(image, points, lines, "red", 1, 1, visibility=seen)
    assert drawn[1, 3, 3:9].all() and not drawn[:, 5:].any()
    with pytest.raises(ValueError, match="keypoints must be of shape"):
        utils.draw_keypoints(image, points[0])
