"""Chainrule: PyTorch's autograd, small, fast and visible.

``import chainrule as torch`` runs ordinary PyTorch code. Tensors, operators and the engine live in
the native core ``chainrule._C``; the packages ``nn``, ``optim``, ``utils``, ``autograd`` and
``func`` load at first use.
"""

from chainrule import _C
from chainrule._C import *  # noqa: F403
from chainrule._C import __dict__ as _core

__version__ = "0.1.0"

_C._set_package_path(__path__[0] + "/")  # noqa: F405

# The dtypes shadow Python's float, int and bool in this module, as in torch: none is called below.
bool = _core["bool"]

pi = 3.141592653589793
e = 2.718281828459045
inf = 1e400
nan = inf - inf
newaxis = None

_SUBMODULES = (
    "autograd",
    "backends",
    "cuda",
    "func",
    "graph",
    "linalg",
    "nn",
    "optim",
    "profiler",
    "random",
    "return_types",
    "serialization",
    "testing",
    "utils",
    "version",
    "viewer",
)
# Names that live in a module which is not worth loading before they are used.
_LAZY = {
    "set_printoptions": "_tensor_str",
    "get_printoptions": "_tensor_str",
    "printoptions": "_tensor_str",
    "Variable": "autograd",
    "show": "viewer",
    "save_graph": "viewer",
    "explain": "viewer",
    "record_graph": "graph.record",
    "memory": "_memory",
    "watch_memory": "_memory",
    "finfo": "_type_info",
    "iinfo": "_type_info",
    "save": "serialization",
    "load": "serialization",
    "fork_rng": "random",
    "is_anomaly_enabled": "autograd.anomaly_mode",
    "is_anomaly_check_nan_enabled": "autograd.anomaly_mode",
    "set_anomaly_enabled": "autograd.anomaly_mode",
    "vmap": "func",
    "FloatTensor": "_legacy_types",
    "DoubleTensor": "_legacy_types",
    "LongTensor": "_legacy_types",
    "BoolTensor": "_legacy_types",
    "IntTensor": "_legacy_types",
    "ShortTensor": "_legacy_types",
    "ByteTensor": "_legacy_types",
    "CharTensor": "_legacy_types",
    "HalfTensor": "_legacy_types",
    "set_default_tensor_type": "_settings",
    "set_default_device": "_settings",
    "get_default_device": "_settings",
    "use_deterministic_algorithms": "_settings",
    "are_deterministic_algorithms_enabled": "_settings",
    "set_float32_matmul_precision": "_settings",
    "get_float32_matmul_precision": "_settings",
    "get_num_interop_threads": "_settings",
    "set_num_interop_threads": "_settings",
    "is_storage": "_settings",
    "typename": "_settings",
    "broadcast_shapes": "_functional",
    "broadcast_tensors": "_functional",
    "meshgrid": "_functional",
    "einsum": "_functional",
    "atleast_1d": "_functional",
    "atleast_2d": "_functional",
    "atleast_3d": "_functional",
    "is_floating_point": "_functional",
    "is_complex": "_functional",
    "is_nonzero": "_functional",
    "equal": "_functional",
    "allclose": "_functional",
    "isclose": "_functional",
}


def __getattr__(name):  # type: ignore[no-untyped-def]
    if name in _SUBMODULES:
        return __import__("chainrule." + name, fromlist=("*",))
    home = _LAZY.get(name)
    if home is not None:
        module = __import__("chainrule." + home, fromlist=("*",))
        found = getattr(module, name)
        globals()[name] = found
        return found
    from chainrule._missing import missing_attribute

    raise missing_attribute(__name__, name)


def __dir__():  # type: ignore[no-untyped-def]
    return [*globals(), *_SUBMODULES, *_LAZY]
