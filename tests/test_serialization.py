"""Files of tensors: torch reads ours, we read torch's, and nothing in a file is executed."""

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

import chainrule as torch
from chainrule import nn, optim


def example(t: Any) -> Any:
    """All that a file can hold, made with a module."""
    weight = t.arange(6.0).view(2, 3)
    parameter = t.nn.Parameter(t.ones(3))
    parameter.tag = "q"
    noted = t.ones(2)
    noted.note = [1, "a"]
    state = OrderedDict(
        weight=weight, transposed=t.arange(6).view(2, 3).t(), tied=weight[0], again=weight,
        tail=t.ones(2)[1:], flags=t.tensor([True, False]), empty=t.ones(0, 3),
        scalar=t.tensor(2.5, dtype=t.float64), expanded=t.ones(1).expand(4),
        leaf=t.ones(2, requires_grad=True), parameter=parameter, noted=noted,
        frozen=t.nn.Parameter(t.zeros(2), requires_grad=False),
        plain=[1.5, None, True, "ä", (1, 2), (), [], {}, {1: {"x": -5}}, b"\xff\0", {1, 2}, 1 + 2j],
        numbers=[2**70, -(2**70), 255, 256, -1, 2**31, -(2**31)],
        dtype=t.float64, size=t.Size([1, 2]), device=t.device("cpu"),
    )  # fmt: skip
    state._metadata = OrderedDict(version=1)  # type: ignore[attr-defined]
    return state


def described(value: Any) -> Any:
    """A value in terms that both modules share."""
    if hasattr(value, "tolist"):
        attributes = {k: described(v) for k, v in vars(value).items()}
        return (type(value).__name__, value.tolist(), str(value.dtype), tuple(value.shape),
                value.stride(), value.requires_grad, attributes)  # fmt: skip
    if isinstance(value, dict):
        items = [(k, described(v)) for k, v in value.items()]
        return type(value).__name__, items, described(getattr(value, "_metadata", None))
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [described(v) for v in value]
    return repr(value)


def saved(value: Any, module: Any = torch) -> io.BytesIO:
    """A file with the value."""
    file = io.BytesIO()
    module.save(value, file)
    file.seek(0)
    return file


def test_large_integers() -> None:
    numbers = [2**2100, -(2**2100), 2**2039, -(2**2039)]
    assert torch.load(saved(numbers)) == numbers


def test_what_was_saved_is_loaded() -> None:
    loaded = torch.load(saved(example(torch)))
    assert described(loaded) == described(example(torch))
    assert loaded["weight"] is loaded["again"]
    loaded["weight"][0, 0] = 9.0
    assert loaded["tied"][0].item() == 9.0


@pytest.mark.parametrize("weights_only", [True, False])
def test_torch_reads_our_files(weights_only: bool, real_torch: Any) -> None:
    loaded = real_torch.load(saved(example(torch)), weights_only=weights_only)
    assert described(loaded) == described(example(real_torch))
    assert loaded["weight"].data_ptr() == loaded["tied"].data_ptr()


def test_torch_maps_our_files(tmp_path: Path, real_torch: Any) -> None:
    path = tmp_path / "model.pt"
    torch.save(example(torch), path)
    assert described(real_torch.load(path, mmap=True)) == described(example(real_torch))


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_we_read_torch_s_files(protocol: int, real_torch: Any) -> None:
    file = io.BytesIO()
    real_torch.save(example(real_torch), file, pickle_protocol=protocol)
    file.seek(0)
    assert described(torch.load(file)) == described(example(torch))


def test_models_and_optimizers_continue(tmp_path: Path) -> None:
    model = nn.Linear(2, 3)
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    path = str(tmp_path / "checkpoint.pt")
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, path)
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    other = nn.Linear(2, 3)
    other.load_state_dict(checkpoint["model"])
    again = optim.Adam(other.parameters())
    again.load_state_dict(checkpoint["optimizer"])
    for m, o in ((model, optimizer), (other, again)):
        o.zero_grad()
        m(torch.ones(1, 2)).sum().backward()
        o.step()
    assert model.weight.tolist() == other.weight.tolist()
    assert checkpoint["epoch"] == 3


class Command:
    """An object whose pickle calls a function of the system."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


def archive(pickled: bytes, **parts: bytes) -> io.BytesIO:
    """A file of the format with any pickle in it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        z.writestr("archive/data.pkl", pickled)
        for name, data in parts.items():
            z.writestr("archive/data/" + name.strip("_"), data)
        z.writestr("archive/version", b"3\n")
    file.seek(0)
    return file


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
@pytest.mark.chainrule_only
def test_loading_executes_nothing(protocol: int, tmp_path: Path) -> None:
    target = tmp_path / "made"
    evil = pickle.dumps({"a": Command(str(target))}, protocol)
    for weights_only in (True, False):
        with pytest.raises(pickle.UnpicklingError, match=r"not data|not plain data"):
            torch.load(archive(evil), weights_only=weights_only)
    assert not target.exists()


def test_torch_s_error_for_code(tmp_path: Path) -> None:
    evil = pickle.dumps(Command(str(tmp_path / "made")), 2)
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        torch.load(archive(evil))


@pytest.mark.chainrule_only
def test_pickles_may_not_reach_further() -> None:
    attacks = [
        b"cbuiltins\neval\n(X\x01\0\0\0" + b"1tR.",
        b"cbuiltins\nset\n}X\x01\0\0\0aK\x01sb.",  # the state of a type
        b"ccollections\nOrderedDict\n)R}X\x09\0\0\0__class__K\x01s\x86b.",
        b"ctorch\nTensor\n)R.",
        b"ctorch._utils\n_rebuild_tensor_v2\n(K\x01K\x02tR.",
        b"c_codecs\nencode\n(X\x01\0\0\0aX\x05\0\0\0rot13tR.",
        b"(ibuiltins\neval\n.",
        b"K\x01K\x02\x86K\x03R.",
        b"X\x01\0\0\0aQ.",
        b"\x80\x02]K\x01",
        b"",
        b"(((",
        b"h\x05.",
        b"X\xff\xff\xff\xffa.",
        b"\x8b\xff\xff\xff\x7fa.",
        b"\x86.",
        b"]K\x01K\x02s.",
    ]
    for attack in attacks:
        with pytest.raises((pickle.UnpicklingError, RuntimeError)):
            torch.load(archive(attack))


def storage(count: int, dtype: bytes = b"FloatStorage", key: bytes = b"0") -> bytes:
    """The pickle of a tensor of `count` elements over one storage."""
    number = b"J" + count.to_bytes(4, "little", signed=True)
    size = number + b"\x85"
    return (b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\n" + dtype
            + b"\nX" + len(key).to_bytes(4, "little") + key + b"X\x03\0\0\0cpu" + number + b"tQK\0"
            + size + b"K\x01\x85\x89)tR.")  # fmt: skip


@pytest.mark.chainrule_only
def test_broken_archives_are_refused() -> None:
    assert torch.load(archive(storage(2), _0=bytes(8))).tolist() == [0.0, 0.0]
    for count, data in ((3, bytes(8)), (-1, bytes(8)), (2**30, bytes(8)), (2, b"")):
        with pytest.raises((RuntimeError, pickle.UnpicklingError), match="broken"):
            torch.load(archive(storage(count), _0=data))
    with pytest.raises((KeyError, RuntimeError, pickle.UnpicklingError)):
        torch.load(archive(storage(2, key=b"../../etc/passwd")))
    with pytest.raises(NotImplementedError, match="float16"):
        torch.load(archive(storage(4, b"HalfStorage"), _0=bytes(8)))


@pytest.mark.chainrule_only
def test_other_formats_are_named(tmp_path: Path) -> None:
    for data in (b"", b"junk", pickle.dumps(3)):
        with pytest.raises(RuntimeError, match="zip format"):
            torch.load(io.BytesIO(data))
    with pytest.raises(FileNotFoundError):
        torch.load(tmp_path / "missing.pt")
    with pytest.raises(NotImplementedError, match="mmap"):
        torch.load(saved(3), mmap=True)


@pytest.mark.chainrule_only
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (nn.Linear(1, 1), r"Linear .*state_dict\(\)"),
        ({"a": [1, object()]}, r"object \(at \['a'\]\[1\]\)"),
        ([lambda: 1], r"\[0\]"),
    ],
)
def test_what_cannot_be_loaded_is_not_saved(value: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "old.pt"
    path.write_bytes(b"as before")
    with pytest.raises(TypeError, match=message):
        torch.save(value, path)
    assert path.read_bytes() == b"as before"


def test_tensors_of_other_devices_need_map_location(real_torch: Any) -> None:
    file = saved(real_torch.ones(2), real_torch).getvalue()
    elsewhere = file.replace(b"\x03\0\0\0cpu", b"\x03\0\0\0xpu")
    elsewhere_fixed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(file)) as old, zipfile.ZipFile(elsewhere_fixed, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("data.pkl"):
                data = data.replace(b"\x03\0\0\0cpu", b"\x03\0\0\0xpu")
            new.writestr(name, data)
    assert elsewhere != file
    elsewhere_fixed.seek(0)
    with pytest.raises(RuntimeError, match="map_location"):
        torch.load(elsewhere_fixed)
    elsewhere_fixed.seek(0)
    assert torch.load(elsewhere_fixed, map_location="cpu").tolist() == [1.0, 1.0]
