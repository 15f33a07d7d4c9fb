"""Files of tensors: `torch.save` and `torch.load`, in torch's zip format.

Files are interchangeable with torch's (1.6 and later). They hold data: tensors, parameters,
numbers, strings, bytes, dtypes, sizes, and dicts, lists, tuples and sets of them. Loading never
executes code of the file, whatever the arguments: what is not data is refused.
"""

from __future__ import annotations

import os
from collections import Counter, OrderedDict
from pickle import UnpicklingError

from chainrule import _C
from chainrule._pickler import STORAGE_NAMES, DataPickler
from chainrule._unpickler import DataUnpickler, Function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any
    from zipfile import ZipFile

__all__ = ["load", "save"]

_ALIGNMENT = 64  # of the tensors' bytes in the file


def save(
    obj: Any, f: str | os.PathLike[str] | IO[bytes], pickle_module: Any = None,
    pickle_protocol: int = 2,
) -> None:  # fmt: skip
    """Save a value to a file.

    Args:
        obj: tensors and plain data; of a module or an optimizer, its `state_dict()`. Tensors that
            share memory share it again when loaded.
        f: a path, or a file opened for writing bytes.
        pickle_module: must be left out; there is one form of file.
        pickle_protocol: must be 2, torch's default.

    Raises TypeError, which names the place, for what is not data; the file is not touched then.
    """
    from zipfile import ZIP_STORED, ZipFile, ZipInfo

    if pickle_module is not None or pickle_protocol != 2:
        raise NotImplementedError("save() writes pickle protocol 2 with a writer of its own")
    pickler = DataPickler()
    pickle = pickler.dump(obj)
    name = "archive"
    if isinstance(f, (str, os.PathLike)):
        name = os.path.basename(os.fspath(f)).rpartition(".")[0] or "archive"
    parts: list[tuple[str, Any]] = [
        ("data.pkl", pickle), (".format_version", b"1"), (".storage_alignment", b"64"),
        ("byteorder", b"little"),
    ]  # fmt: skip
    parts += [(f"data/{key}", memoryview(s)) for key, s in enumerate(pickler.storages)]
    parts.append(("version", b"3\n"))
    with ZipFile(f, "w", ZIP_STORED) as archive:
        for part, data in parts:
            entry = ZipInfo(f"{name}/{part}")
            start = getattr(archive, "start_dir", 0) + 30 + len(entry.filename.encode()) + 4
            padding = -start % _ALIGNMENT
            entry.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
            archive.writestr(entry, data)


def load(
    f: str | os.PathLike[str] | IO[bytes],
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool = True,
    mmap: bool | None = None,
) -> Any:
    """Load a value that `save`, or torch's `save`, has written.

    Args:
        f: a path, or a file opened for reading bytes.
        map_location: where to put tensors saved on another device; anything but None means here,
            on the CPU.
        pickle_module: must be left out.
        weights_only: torch loads data only if this is True. Chainrule always does: with False too a
            file of data loads, and any other one is refused.
        mmap: must be left out or False; tensors are read into memory.

    Raises UnpicklingError when the file holds more than data, RuntimeError when it is not of this
    format or broken, NotImplementedError for dtypes without kernels.
    """
    from zipfile import BadZipFile, ZipFile

    if pickle_module is not None:
        raise NotImplementedError("load() reads with a reader of its own, which executes no code")
    if mmap:
        raise NotImplementedError("load(mmap=True) is not supported: tensors are read into memory")
    try:
        with ZipFile(f) as archive:
            return _Reader(archive, map_location).load()
    except BadZipFile as problem:
        raise RuntimeError(
            f"load(): {getattr(f, 'name', f)!r} is not a file of torch's zip format ({problem}). "
            "Files of torch before 1.6 and plain pickles are not read: load them with torch and "
            "save them again."
        ) from None


class _Storage:
    """A memory of the file: a vector of its elements, read when it is first needed."""

    def __init__(self, dtype: Any, key: str, count: int) -> None:
        self.dtype, self.key, self.count = dtype, key, count
        self.vector: Any = None


class _Reader:
    def __init__(self, archive: ZipFile, map_location: Any) -> None:
        self._archive = archive
        self._anywhere = map_location is not None
        pickles = [n for n in archive.namelist() if n.endswith("/data.pkl") and n.count("/") == 1]
        if len(pickles) != 1:
            raise RuntimeError(
                "load(): the archive has no data.pkl, so torch.save did not write it"
            )
        self._folder = pickles[0].removesuffix("data.pkl")
        names = set(archive.namelist())
        if self._folder + "constants.pkl" in names:
            raise RuntimeError("load(): this is a TorchScript archive, which holds a program")
        order = self._folder + "byteorder"
        if order in names and archive.read(order) != b"little":
            raise RuntimeError("load(): the file's numbers are big-endian, which is not supported")
        self._storages: dict[str, _Storage] = {}
        self._globals = self._allowed()

    def load(self) -> Any:
        data = self._archive.read(self._folder + "data.pkl")
        return DataUnpickler(data, self._find, self._storage, _set_state).load()

    def _allowed(self) -> dict[tuple[str, str], Any]:
        functions: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("collections", "Counter"): Counter,
            ("_codecs", "encode"): _encode,
            ("torch", "Size"): _C.Size,
            ("torch", "device"): self._device,
            ("torch._utils", "_rebuild_tensor_v2"): self._tensor,
            ("torch._utils", "_rebuild_parameter"): _parameter,
            ("torch._utils", "_rebuild_parameter_with_state"): _parameter_with_state,
            ("torch._tensor", "_rebuild_from_type_v2"): self._tensor_with_state,
            ("torch", "Tensor"): None,
            ("torch.nn.parameter", "Parameter"): None,
        }
        for module in ("builtins", "__builtin__"):
            for kind in (set, frozenset, complex, bytearray):
                functions[module, kind.__name__] = kind
        found: dict[tuple[str, str], Any] = {
            key: Function(".".join(key), call or _not_callable) for key, call in functions.items()
        }
        for name in STORAGE_NAMES.values():
            found["torch", name] = getattr(_C, name)
        for storage, name in STORAGE_NAMES.items():
            found["torch", storage] = getattr(_C, name)
        return found

    def _find(self, module: str, name: str) -> Any:
        found = self._globals.get((module, name))
        if found is None:
            raise UnpicklingError(
                f"Weights only load failed: the file wants {module}.{name}, which is not data. "
                "Loading executes no code of a file; save a state_dict() of tensors and numbers."
            )
        return found

    def _storage(self, identity: Any) -> _Storage:
        kind, dtype, key, location, count = identity
        if kind != "storage" or type(key) is not str or type(count) is not int:
            raise UnpicklingError("the file refers to something that is no storage")
        if location != "cpu" and not self._anywhere:
            raise RuntimeError(
                f"load(): a tensor was saved on the device {location!r}, and there is only the "
                "CPU; use torch.load(..., map_location='cpu')"
            )
        if key not in self._storages:
            self._storages[key] = _Storage(dtype, key, count)
        return self._storages[key]

    def _vector(self, storage: _Storage) -> Any:
        if storage.vector is not None:
            return storage.vector
        name = f"{self._folder}data/{storage.key}"
        entry = self._archive.getinfo(name)
        try:
            vector = _C.empty(0, dtype=storage.dtype)
        except NotImplementedError as problem:
            raise NotImplementedError(
                f"load(): the file holds tensors of {storage.dtype}. {problem}"
            ) from None
        if entry.compress_type or entry.file_size != storage.count * vector.element_size():
            raise RuntimeError(f"load(): the entry {name} of the archive is broken")
        vector = _C.empty(storage.count, dtype=storage.dtype)
        rest = memoryview(vector.untyped_storage())
        with self._archive.open(name) as part:
            while rest and (count := part.readinto(rest)):  # type: ignore[attr-defined]
                rest = rest[count:]
        if rest:
            raise RuntimeError(f"load(): the entry {name} of the archive is too short")
        storage.vector = vector
        return vector

    def _tensor(
        self, storage: Any, offset: int, size: Any, stride: Any, requires_grad: Any = False,
        hooks: Any = None, metadata: Any = None,
    ) -> Any:  # fmt: skip
        if not isinstance(storage, _Storage):
            raise UnpicklingError("a tensor of the file has no storage")
        tensor = _C._view_of_memory(self._vector(storage), offset, tuple(size), tuple(stride))
        return tensor.requires_grad_() if requires_grad is True else tensor

    def _tensor_with_state(self, function: Any, kind: Any, arguments: Any, state: Any) -> Any:
        if getattr(kind, "name", "") == "torch.nn.parameter.Parameter":
            tensor = _C.Parameter(self._tensor(*arguments))
        elif getattr(kind, "name", "") == "torch.Tensor":
            tensor = self._tensor(*arguments)
        else:
            raise UnpicklingError("a tensor of the file is of an unknown class")
        return _with_attributes(tensor, state)

    def _device(self, kind: str, index: int | None = None) -> Any:
        return _C.device("cpu" if self._anywhere else kind)


def _not_callable(*arguments: Any) -> Any:
    raise UnpicklingError("the file is not plain data: it makes an object of a class")


def _encode(text: str, encoding: str = "utf-8") -> bytes:
    if encoding != "latin1":
        raise UnpicklingError("the file encodes bytes in an unknown way")
    return text.encode("latin1")


def _parameter(data: Any, requires_grad: Any, hooks: Any = None) -> Any:
    return _C.Parameter(data, requires_grad is True)


def _parameter_with_state(data: Any, requires_grad: Any, hooks: Any, state: Any) -> Any:
    return _with_attributes(_parameter(data, requires_grad), state)


def _with_attributes(tensor: Any, state: Any) -> Any:
    if isinstance(state, tuple) and len(state) == 2 and state[1] is None:
        state = state[0]
    if not isinstance(state, dict) or not all(type(key) is str for key in state):
        raise UnpicklingError("the attributes of a tensor of the file are broken")
    vars(tensor).update(state)
    return tensor


def _set_state(target: Any, state: Any) -> None:
    """Attributes of an OrderedDict, where a module's state keeps its _metadata."""
    if type(target) is not OrderedDict or type(state) is not dict:
        raise UnpicklingError("the file is not plain data: it sets the state of an object")
    vars(target).update(state)
