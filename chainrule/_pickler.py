"""Writing pickles of plain data and tensors, with the names by which torch's files know them."""

from __future__ import annotations

import struct
from collections import OrderedDict

from chainrule import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

STORAGE_NAMES = {
    "BoolStorage": "bool",
    "ByteStorage": "uint8",
    "CharStorage": "int8",
    "ShortStorage": "int16",
    "IntStorage": "int32",
    "LongStorage": "int64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
}
_STORAGE_OF = {dtype: name for name, dtype in STORAGE_NAMES.items()}


class DataPickler:
    """Encodes a value with protocol 2. `storages` are then the memories to be stored, in order."""

    def __init__(self) -> None:
        self.storages: list[Any] = []
        self._keys: dict[int, str] = {}  # address of the memory -> its name in the file
        self._out = bytearray(b"\x80\x02")
        self._memo: dict[int, int] = {}
        self._alive: list[Any] = []  # an id stays unique while its object lives
        self._path: list[str] = []

    def dump(self, value: Any) -> bytes:
        """The pickle; TypeError, with the place in the value, for what is not data."""
        self._value(value)
        self._out += b"."
        return bytes(self._out)

    def _value(self, value: Any) -> None:
        at = self._memo.get(id(value))
        if at is not None:
            self._out += b"j" + struct.pack("<I", at)
            return
        writer = _WRITERS.get(type(value))
        if writer is None:
            self._refuse(value)
        writer(self, value)

    def _refuse(self, value: Any) -> NoReturn:
        kind = type(value)
        place = "".join(self._path) or "the object itself"
        advice = "save numbers, strings, tensors, and dicts, lists, tuples and sets of them"
        if hasattr(value, "state_dict"):
            advice = "save its state_dict(), and load that into a new one"
        raise TypeError(
            f"cannot save {kind.__module__}.{kind.__qualname__} (at {place}): reading it back "
            f"would execute code; {advice}"
        )

    def _remember(self, value: Any) -> None:
        self._out += b"r" + struct.pack("<I", len(self._memo))
        self._memo[id(value)] = len(self._memo)
        self._alive.append(value)

    def _name(self, module: str, name: str) -> None:
        self._out += f"c{module}\n{name}\n".encode()

    def _constant(self, value: Any) -> None:
        self._out += b"N" if value is None else b"\x88" if value else b"\x89"

    def _int(self, value: int) -> None:
        if 0 <= value < 256:
            self._out += struct.pack("<cB", b"K", value)
        elif -(2**31) <= value < 2**31:
            self._out += struct.pack("<ci", b"J", value)
        else:
            data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            form = "<cB" if len(data) < 256 else "<cI"
            self._out += (
                struct.pack(form, b"\x8a" if len(data) < 256 else b"\x8b", len(data)) + data
            )

    def _float(self, value: float) -> None:
        self._out += struct.pack(">cd", b"G", value)

    def _text(self, value: str) -> None:
        data = value.encode("utf-8", "surrogatepass")
        self._out += struct.pack("<cI", b"X", len(data)) + data
        self._remember(value)

    def _call(self, module: str, name: str, *arguments: Any) -> None:
        self._name(module, name)
        self._tuple(arguments, remember=False)
        self._out += b"R"

    def _bytes(self, value: bytes) -> None:
        self._call("_codecs", "encode", value.decode("latin1"), "latin1")
        self._remember(value)

    def _complex(self, value: complex) -> None:
        self._call("__builtin__", "complex", value.real, value.imag)

    def _set(self, value: Any) -> None:
        self._call("__builtin__", type(value).__name__, list(value))
        self._remember(value)

    def _tuple(self, value: tuple[Any, ...], remember: bool = True) -> None:
        if not value:
            self._out += b")"
            return
        self._out += b"("
        for i, item in enumerate(value):
            self._at(f"[{i}]", item)
        self._out += b"t"
        if remember:
            self._remember(value)

    def _at(self, place: str, item: Any) -> None:
        self._path.append(place)
        self._value(item)
        self._path.pop()

    def _list(self, value: list[Any]) -> None:
        self._out += b"]"
        self._remember(value)
        self._out += b"("
        for i, item in enumerate(value):
            self._at(f"[{i}]", item)
        self._out += b"e"

    def _items(self, value: dict[Any, Any]) -> None:
        self._remember(value)
        self._out += b"("
        for key, item in value.items():
            self._value(key)
            self._at(f"[{key!r}]", item)
        self._out += b"u"

    def _dict(self, value: dict[Any, Any]) -> None:
        self._out += b"}"
        self._items(value)

    def _ordered_dict(self, value: OrderedDict[Any, Any]) -> None:
        self._call("collections", "OrderedDict")
        self._items(value)
        if vars(value):  # a module's state has its _metadata there
            self._dict(vars(value))
            self._out += b"b"

    def _size(self, value: Any) -> None:
        self._call("torch", "Size", tuple(value))

    def _dtype(self, value: Any) -> None:
        self._name("torch", str(value).rpartition(".")[2])

    def _device(self, value: Any) -> None:
        self._call("torch", "device", value.type)

    def _tensor(self, value: Any) -> None:
        """A call of torch's function that rebuilds a tensor over a stored memory."""
        attributes = dict(vars(value))
        parameter = type(value) is _C.Parameter
        if parameter:
            name = "_rebuild_parameter_with_state" if attributes else "_rebuild_parameter"
            self._name("torch._utils", name)
            self._out += b"("
            self._plain_tensor(value, False)
            self._constant(value.requires_grad)
            self._ordered_dict(OrderedDict())  # hooks: never stored
            if attributes:
                self._at(".__dict__", attributes)
            self._out += b"tR"
        elif attributes:
            self._name("torch._tensor", "_rebuild_from_type_v2")
            self._out += b"("
            self._name("torch._utils", "_rebuild_tensor_v2")
            self._name("torch", "Tensor")
            self._tensor_arguments(value, value.requires_grad)
            self._at(".__dict__", attributes)
            self._out += b"tR"
        else:
            self._plain_tensor(value, value.requires_grad)
        self._remember(value)

    def _plain_tensor(self, value: Any, requires_grad: bool) -> None:
        self._name("torch._utils", "_rebuild_tensor_v2")
        self._tensor_arguments(value, requires_grad)
        self._out += b"R"

    def _tensor_arguments(self, value: Any, requires_grad: bool) -> None:
        memory = value.detach().untyped_storage()
        # An address names a memory that lives; empty ones may all have the same.
        key = self._keys.get(memory.data_ptr()) if len(memory) else None
        if key is None:
            key = str(len(self.storages))
            self._keys[memory.data_ptr()] = key
            self.storages.append(memory)
        self._out += b"(("
        self._value("storage")
        self._name("torch", _STORAGE_OF[str(value.dtype).rpartition(".")[2]])
        for part in (key, "cpu", len(memory) // value.element_size()):
            self._value(part)
        self._out += b"tQ"
        for part in (value.storage_offset(), tuple(value.shape), tuple(value.stride())):
            self._value(part)
        self._constant(requires_grad)
        self._ordered_dict(OrderedDict())
        self._out += b"t"


_WRITERS: dict[type, Any] = {
    type(None): DataPickler._constant,
    bool: DataPickler._constant,
    int: DataPickler._int,
    float: DataPickler._float,
    complex: DataPickler._complex,
    str: DataPickler._text,
    bytes: DataPickler._bytes,
    tuple: DataPickler._tuple,
    list: DataPickler._list,
    dict: DataPickler._dict,
    OrderedDict: DataPickler._ordered_dict,
    set: DataPickler._set,
    _C.Size: DataPickler._size,
    _C.dtype: DataPickler._dtype,
    _C.device: DataPickler._device,
    _C.Tensor: DataPickler._tensor,
    _C.Parameter: DataPickler._tensor,
}
