"""The base class of modules and the containers: registries, names, hooks, states, texts."""

import copy
import pickle
from collections import OrderedDict
from types import ModuleType
from typing import Any

import pytest
from nn_parity import assert_same

import chainrule


def net(t: Any) -> Any:
    """A nested model with a parameter, a buffer and a shared layer."""

    class Inner(t.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = t.nn.Linear(2, 2)
            self.register_buffer("count", t.zeros(1))
            self.register_buffer("scratch", t.zeros(2), persistent=False)

        def forward(self, x: Any) -> Any:
            return self.layer(x).tanh()

    class Model(t.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = t.nn.Parameter(t.ones(1))
            self.first = Inner()
            self.again = self.first
            self.missing = None
            self.rest = t.nn.Sequential(t.nn.ReLU(), t.nn.Linear(2, 1))

        def forward(self, x: Any) -> Any:
            return self.rest(self.first(x) * self.scale)

    return Model()


# ---------------------------------------------------------------------- registries and names


def test_members_come_in_torchs_order(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        model = net(t)
        return [
            [name for name, _ in model.named_parameters()],
            [name for name, _ in model.named_parameters(prefix="p", recurse=False)],
            [name for name, _ in model.named_parameters(remove_duplicate=False)],
            [name for name, _ in model.named_buffers()],
            [name for name, _ in model.named_modules()],
            [name for name, _ in model.named_modules(prefix="m", remove_duplicate=False)],
            [name for name, _ in model.named_children()],
            [type(module).__name__ for module in model.modules()],
            len(list(model.parameters())),
            len(list(model.buffers())),
            len(list(model.children())),
            list(model.state_dict()),
            repr(model).replace(type(model).__qualname__, "Model"),
            [name for name in dir(model) if name in ("scale", "first", "rest", "forward")],
        ]

    assert_same(scenario, real_torch)


REFUSED = {
    "parameter before init": "setattr(raw, 'a', t.nn.Parameter(t.ones(1)))",
    "module before init": "setattr(raw, 'a', t.nn.ReLU())",
    "buffer before init": "raw.register_buffer('a', t.ones(1))",
    "register parameter before init": "raw.register_parameter('a', None)",
    "name with dot": "m.register_parameter('a.b', None)",
    "empty name": "m.register_parameter('', None)",
    "name is no string": "m.register_parameter(3, None)",
    "name is taken": "m.register_parameter('forward', None)",
    "tensor as parameter": "m.register_parameter('a', t.ones(1))",
    "number as parameter": "m.register_parameter('a', 3)",
    "non-leaf as parameter": "m.register_parameter('a', t.nn.Parameter(t.ones(1)) * 2)",
    "buffer with dot": "m.register_buffer('a.b', None)",
    "buffer with empty name": "m.register_buffer('', None)",
    "buffer name is no string": "m.register_buffer(None, None)",
    "buffer name is taken": "m.register_buffer('weight', None)",
    "number as buffer": "m.register_buffer('a', 3)",
    "no module": "m.add_module('a', 3)",
    "module name with dot": "m.add_module('a.b', None)",
    "empty module name": "m.add_module('', None)",
    "module name is no string": "m.add_module(1, None)",
    "module name is taken": "m.add_module('weight', None)",
    "tensor to parameter": "setattr(m, 'weight', t.ones(1))",
    "text to parameter": "setattr(m, 'weight', 'text')",
    "number to submodule": "setattr(t.nn.Sequential(t.nn.ReLU()), '0', 1)",
    "number to buffer": "setattr(t.nn.BatchNorm1d(2), 'running_mean', 1)",
    "missing attribute": "m.nothing",
    "deleting a missing attribute": "delattr(m, 'nothing')",
    "no forward": "t.nn.Module()(1)",
    "init with positional": "t.nn.Module(1)",
    "init with keyword": "t.nn.Module(a=1)",
    "mode is no bool": "m.train('yes')",
    "integer dtype": "m.to(t.int64)",
    "submodule that is none": "net.get_submodule('first.nothing')",
    "submodule that is a tensor": "net.get_submodule('first.layer.weight')",
    "parameter that is none": "net.get_parameter('first.count')",
    "parameter that is not there": "net.get_parameter('first.nothing')",
    "buffer that is none": "net.get_buffer('first.layer.weight')",
    "buffer that is not there": "net.get_buffer('first.nothing')",
    "submodule without target": "net.set_submodule('', m)",
    "submodule that is not there": "net.set_submodule('first.nothing', m, strict=True)",
    "set submodule over tensor": "net.set_submodule('first.count', m)",
    "set submodule to number": "net.set_submodule('first', 3)",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_errors_are_torchs(text: str, real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        raw = t.nn.Module.__new__(t.nn.Module)
        eval(text, {"t": t, "m": t.nn.Linear(2, 2), "net": net(t), "raw": raw})

    result = assert_same(scenario, real_torch)
    assert result[0] == "raised"


def test_assignment_moves_between_registries(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        m = t.nn.Module()
        seen = []

        def note() -> None:
            registries = (m._parameters, m._buffers, m._modules)
            seen.append([sorted(r) for r in registries] + [sorted(m._non_persistent_buffers_set)])
            seen.append("a" in m.__dict__)

        m.a = 1
        note()
        m.a = t.nn.Parameter(t.ones(1))
        note()
        m.a = None
        note()
        m.a = t.nn.ReLU()
        note()
        del m.a
        m.a = t.nn.Buffer(t.ones(2), persistent=False)
        note()
        m.a = t.zeros(3)
        note()
        m.a = t.nn.Buffer(t.ones(2))
        note()
        m.a = t.nn.Linear(1, 1)
        note()
        del m.a
        note()
        m.a = t.ones(2)  # a plain tensor stays an attribute
        note()
        return seen

    assert_same(scenario, real_torch)


def test_get_and_set_by_path(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        model = net(t)
        model.set_submodule("rest.1", t.nn.Linear(2, 5))
        return [
            model.get_submodule("") is model,
            model.get_submodule("rest.1"),
            model.get_parameter("first.layer.weight"),
            model.get_buffer("first.count"),
        ]

    assert_same(scenario, real_torch)


def test_modes_and_gradients_reach_all_parts(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        model = net(t)
        seen: list[Any] = [model.eval() is model, [m.training for m in model.modules()]]
        model.rest.train()
        seen.append([m.training for m in model.modules()])
        model(t.ones(3, 2)).sum().backward()
        model.zero_grad(set_to_none=False)
        seen.append([p.grad for p in model.parameters()])
        model.zero_grad()
        seen.append([p.grad for p in model.parameters()])
        model.requires_grad_(False)
        seen.append([p.requires_grad for p in model.parameters()])
        order: list[str] = []
        model.apply(lambda m: order.append(type(m).__name__))
        return [*seen, order]

    assert_same(scenario, real_torch)


def test_conversion_keeps_parameters_and_integers(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        model = t.nn.Sequential(t.nn.Linear(2, 2), t.nn.BatchNorm1d(2))
        before = list(model.parameters())
        model(t.randn(4, 2)).sum().backward()
        grad = before[0].grad
        same = model.to(t.float64) is model
        dtypes = [[str(v.dtype) for v in model.state_dict().values()]]
        kept = [a is b for a, b in zip(before, model.parameters(), strict=True)]
        model.float()
        dtypes.append([str(v.dtype) for v in model.state_dict().values()])
        model.double().cpu()
        dtypes.append([str(p.grad.dtype) for p in model.parameters()])
        model.to("cpu", t.float32)
        model.to(t.ones(1, dtype=t.float64))
        dtypes.append([str(v.dtype) for v in model.state_dict().values()])
        return [same, dtypes, kept, before[0].grad is grad, before[0].requires_grad]

    assert_same(scenario, real_torch)


def test_other_devices_and_sharing_are_refused() -> None:
    layer = chainrule.nn.Linear(2, 2)
    for call in (layer.cuda, lambda: layer.to("cuda")):
        with pytest.raises((RuntimeError, AssertionError)):
            call()
    with pytest.raises(TypeError, match="invalid combination"):
        layer.to(3.5)
    with pytest.raises(TypeError, match="unexpected keyword"):
        layer.to(colour="red")
    with pytest.raises(NotImplementedError, match="shared memory"):
        layer.share_memory()


# ---------------------------------------------------------------------- hooks


def test_forward_hooks_run_in_torchs_order(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        layer, log = t.nn.Linear(2, 2), []

        def pre(name: str) -> Any:
            return lambda m, args: log.append((name, len(args)))

        def post(name: str) -> Any:
            return lambda m, args, out: log.append((name, type(m).__name__, len(args), out))

        layer.register_forward_pre_hook(pre("pre1"))
        layer.register_forward_pre_hook(pre("pre0"), prepend=True)
        layer.register_forward_pre_hook(
            lambda m, args, kwargs: ((args[0] * 2,), kwargs), with_kwargs=True
        )
        layer.register_forward_pre_hook(lambda m, args: args[0] + 1)
        layer.register_forward_hook(post("post1"))
        layer.register_forward_hook(post("post0"), prepend=True)
        handle = layer.register_forward_hook(lambda m, args, out: out * 10)
        layer.register_forward_hook(
            lambda m, args, kwargs, out: log.append(sorted(kwargs)), with_kwargs=True
        )
        first = layer(t.ones(2))
        handle.remove()
        with layer.register_forward_hook(post("inside")):
            second = layer(t.ones(2))
        return [log, first, second, layer(t.ones(2))]

    assert_same(scenario, real_torch)


def test_a_pre_hook_with_kwargs_must_return_a_pair(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        layer = t.nn.ReLU()
        layer.register_forward_pre_hook(lambda m, a, k: 3, with_kwargs=True)
        return layer(t.ones(2))

    assert_same(scenario, real_torch)


def test_always_called_hooks_run_after_an_error(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        class Fails(t.nn.Module):
            def forward(self, x: Any) -> Any:
                raise KeyError("no")

        log: list[Any] = []
        layer = Fails()
        layer.register_forward_hook(lambda m, a, o: log.append("skipped"))
        layer.register_forward_hook(lambda m, a, o: log.append(o), always_call=True)
        layer.register_forward_hook(lambda m, a, o: 1 / 0, always_call=True)
        try:
            layer(t.ones(1))
        except KeyError:
            log.append("raised")
        return log

    assert_same(scenario, real_torch)


def test_full_backward_hooks_see_and_change_gradients(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        layer, log = t.nn.Linear(2, 3), []
        layer.register_full_backward_hook(lambda m, gi, go: log.append(["b", gi, go]))
        layer.register_full_backward_hook(lambda m, gi, go: None if gi[0] is None else (gi[0] * 2,))
        layer.register_full_backward_hook(lambda m, gi, go: log.append(["a", gi]), prepend=True)
        layer.register_full_backward_pre_hook(lambda m, go: log.append(["p", go]))
        layer.register_full_backward_pre_hook(lambda m, go: (go[0] * 3,))
        x = t.ones(4, 2, requires_grad=True)
        layer(x).sum().backward()
        log.append([x.grad, layer.weight.grad])
        layer(t.ones(4, 2)).sum().backward()  # no input requires grad
        with t.no_grad():
            layer(x)
        return log

    assert_same(scenario, real_torch)


def test_full_backward_hooks_with_several_inputs_and_outputs(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        class Pair(t.nn.Module):
            def forward(self, a: Any, n: int, b: Any) -> Any:
                return a * b * n, b + 1

        pair, log = Pair(), []
        pair.register_full_backward_hook(lambda m, gi, go: log.append([gi, go]))
        a, b = t.ones(2, requires_grad=True), t.full((2,), 3.0)
        first, second = pair(a, 2, b)
        (first.sum() + second.sum()).backward()
        return [log, a.grad, first.requires_grad, second.requires_grad]

    assert_same(scenario, real_torch)


def test_backward_hook_kinds_exclude_each_other(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        layer = t.nn.ReLU()
        layer.register_full_backward_hook(lambda m, gi, go: None)
        layer.register_backward_hook(lambda m, gi, go: None)

    assert_same(scenario, real_torch)


def test_hooks_of_all_modules(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        module = t.nn.modules.module
        log: list[Any] = []
        handles = [
            module.register_module_forward_pre_hook(lambda m, a: log.append(["pre", repr(m)])),
            module.register_module_forward_hook(lambda m, a, o: log.append(["post", repr(m)])),
            module.register_module_full_backward_hook(
                lambda m, i, o: log.append(["back", repr(m)])
            ),
        ]
        model = t.nn.Sequential(t.nn.Linear(2, 2), t.nn.Tanh())
        model(t.ones(1, 2, requires_grad=True)).sum().backward()
        for handle in handles:
            handle.remove()
        model(t.ones(1, 2))
        return log

    assert_same(scenario, real_torch)


def test_registration_hooks_may_replace(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        module = t.nn.modules.module
        log: list[Any] = []
        handles = [
            module.register_module_parameter_registration_hook(lambda m, n, p: log.append(n)),
            module.register_module_buffer_registration_hook(lambda m, n, b: b * 0 + 7),
            module.register_module_module_registration_hook(lambda m, n, c: t.nn.ReLU()),
        ]
        model = t.nn.Sequential(t.nn.Linear(1, 1), t.nn.Tanh())
        model.register_buffer("b", t.ones(1))
        for handle in handles:
            handle.remove()
        return [log, repr(model), model.b]

    assert_same(scenario, real_torch)


# ---------------------------------------------------------------------- state


def test_state_shares_memory_and_has_versions(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        model = t.nn.Sequential(OrderedDict(a=t.nn.Linear(2, 2), b=t.nn.BatchNorm1d(2)))
        state = model.state_dict(prefix="x.")
        with t.no_grad():
            model.a.weight.fill_(3)
        vars_kept = model.state_dict(keep_vars=True)
        return [
            state,
            dict(state._metadata),
            state["x.a.weight"].requires_grad,
            vars_kept["a.weight"] is model.a.weight,
            list(model.state_dict(destination=OrderedDict(old=1))),
        ]

    assert_same(scenario, real_torch)


def test_loading_reports_all_that_does_not_fit(real_torch: ModuleType) -> None:
    def load(change: Any, **options: Any) -> Any:
        def scenario(t: Any) -> Any:
            model = net(t)
            state = model.state_dict()
            change(t, state)
            result = model.load_state_dict(state, **options)
            return [repr(result), list(result), model.state_dict()]

        return assert_same(scenario, real_torch)

    def several(t: Any, state: Any) -> None:
        del state["scale"]
        state["more.of.it"] = t.ones(1)
        state["first.layer.weight"] = t.ones(3, 2)
        state["first.layer.bias"] = "text"
        state["rest.1.weight"] = t.ones(1)

    load(lambda t, state: None)
    load(lambda t, state: state.__setitem__("scale", t.tensor([5.0])))
    load(several)
    load(several, strict=False)
    load(lambda t, state: state.pop("scale"), strict=False)
    assert_same(lambda t: net(t).load_state_dict([1]), real_torch)


def test_assign_puts_the_tensors_into_the_module(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        layer = t.nn.Linear(2, 2)
        state = {"weight": t.ones(2, 2, dtype=t.float64), "bias": t.nn.Parameter(t.zeros(2))}
        layer.load_state_dict(state, assign=True)
        return [
            layer.bias is state["bias"],
            str(layer.weight.dtype),
            layer.weight.requires_grad,
            type(layer.weight).__name__,
        ]

    assert_same(scenario, real_torch)


def test_state_hooks_and_extra_state(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        class Counts(t.nn.Linear):
            calls = 3

            def get_extra_state(self) -> Any:
                return {"calls": self.calls}

            def set_extra_state(self, state: Any) -> None:
                self.calls = state["calls"]

        log: list[Any] = []
        layer = Counts(1, 1)
        layer.register_state_dict_pre_hook(lambda m, prefix, keep: log.append([prefix, keep]))
        layer.register_state_dict_post_hook(lambda m, s, prefix, meta: s.update(more=1) or None)
        layer.register_load_state_dict_pre_hook(
            lambda m, s, prefix, meta, strict, missing, unexpected, errors: s.pop("more")
        )
        layer.register_load_state_dict_post_hook(lambda m, keys: log.append(list(keys)))
        state = layer.state_dict()
        state["_extra_state"] = {"calls": 9}
        layer.load_state_dict(state)
        copied = copy.deepcopy(layer)
        copied.load_state_dict(state)
        return [log, list(state), layer.calls, copied.calls]

    assert_same(scenario, real_torch)


def test_old_batch_norm_checkpoints_load(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        layer = t.nn.BatchNorm1d(2)
        state = layer.state_dict()
        del state["num_batches_tracked"]
        strict_error = None
        try:
            layer.load_state_dict(state)
        except RuntimeError as problem:
            strict_error = str(problem)
        del state._metadata
        return [strict_error, repr(layer.load_state_dict(state))]

    assert_same(scenario, real_torch)


def test_copies_are_independent_and_keep_sharing(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        model = net(t)
        model.first.register_forward_hook(_double)
        twin = copy.deepcopy(model)
        with t.no_grad():
            twin.scale.fill_(5)
        return [
            twin.again is twin.first,
            model.scale,
            model(t.ones(1, 2)),
            twin(t.ones(1, 2)),
            type(twin.scale).__name__,
            twin.scale.requires_grad,
        ]

    assert_same(scenario, real_torch)


def _double(module: Any, args: Any, output: Any) -> Any:
    return output * 2


def test_modules_survive_pickling() -> None:
    t = chainrule
    model = t.nn.Sequential(t.nn.Linear(2, 3), t.nn.BatchNorm1d(3), t.nn.Dropout(0.1)).eval()
    model[0].register_forward_hook(_double)
    twin = pickle.loads(pickle.dumps(model))
    assert repr(twin) == repr(model)
    assert twin(t.ones(2, 2)).tolist() == model(t.ones(2, 2)).tolist()
    assert [m.training for m in twin.modules()] == [False] * 4


# ---------------------------------------------------------------------- containers

CONTAINERS = {
    "sequential of dict": "t.nn.Sequential(OrderedDict(a=L(1, 2), b=R()))",
    "slice": "t.nn.Sequential(L(1, 2), R(), R())[1:]",
    "index": "t.nn.Sequential(L(1, 2), R())[-1]",
    "index outside": "t.nn.Sequential(L(1, 2))[3]",
    "sum": "t.nn.Sequential(L(1, 2)) + t.nn.Sequential(R())",
    "sum with other": "t.nn.Sequential(L(1, 2)) + [R()]",
    "product": "t.nn.Sequential(R()) * 3",
    "product from left": "2 * t.nn.Sequential(R(), L(1, 1))",
    "product with zero": "t.nn.Sequential(R()) * 0",
    "product with text": "t.nn.Sequential(R()) * 'a'",
    "append and extend": "t.nn.Sequential(R()).append(L(1, 1)).extend([R()])",
    "insert": "t.nn.Sequential(R(), R()).insert(1, L(1, 1))",
    "insert outside": "t.nn.Sequential(R()).insert(5, R())",
    "insert number": "t.nn.Sequential(R()).insert(0, 5)",
    "pop": "t.nn.Sequential(R(), L(1, 1)).pop(1)",
    "no module": "t.nn.Sequential(3)",
    "list": "t.nn.ModuleList([L(1, 2), L(1, 2), R(), L(1, 2)])",
    "empty list": "t.nn.ModuleList()",
    "nested list": "t.nn.ModuleList([t.nn.ModuleList([R(), R()]), t.nn.Sequential(R())])",
    "list sum": "t.nn.ModuleList([R()]) + [L(1, 1)]",
    "list slice": "t.nn.ModuleList([R(), L(1, 1), R()])[::2]",
    "list extend by number": "t.nn.ModuleList().extend(3)",
    "list called": "t.nn.ModuleList([R()])(1)",
    "list index outside": "t.nn.ModuleList([R()])[1]",
    "dict": "t.nn.ModuleDict({'b': R(), 'a': L(1, 1)})",
    "dict of pairs": "t.nn.ModuleDict([['b', R()]])",
    "dict of bad pairs": "t.nn.ModuleDict([['b', R(), 1]])",
    "dict of numbers": "t.nn.ModuleDict([3])",
    "dict of number": "t.nn.ModuleDict(3)",
    "dict missing": "t.nn.ModuleDict({'a': R()})['b']",
    "parameter list": "t.nn.ParameterList([t.ones(2), t.nn.Parameter(t.ones(2, 3)), 3])",
    "parameter list slice": "t.nn.ParameterList([t.ones(2), t.ones(3)])[1:]",
    "parameter list of tensor": "t.nn.ParameterList(t.ones(2))",
    "parameter list called": "t.nn.ParameterList()()",
    "parameter dict": "list(t.nn.ParameterDict({'b': t.ones(2), 'a': t.ones(1)}).state_dict())",
    "parameter dict ordered": "list(t.nn.ParameterDict(OrderedDict(b=t.ones(2), a=t.ones(1))))",
    "parameter dict of pairs": "list(t.nn.ParameterDict([('b', t.ones(2))]).items())",
    "parameter dict get": "t.nn.ParameterDict({'a': t.ones(1)}).get('b', 3)",
    "parameter dict called": "t.nn.ParameterDict()()",
}


@pytest.mark.parametrize("text", CONTAINERS.values(), ids=CONTAINERS.keys())
def test_container_matches_torch(text: str, real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        names = {"t": t, "L": t.nn.Linear, "R": t.nn.ReLU, "OrderedDict": OrderedDict}
        result = eval(text, names)
        state = list(result.state_dict()) if isinstance(result, t.nn.Module) else None
        return [result, state]

    assert_same(scenario, real_torch)


def test_container_changes_match_torch(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        R, L = t.nn.ReLU, t.nn.Linear
        sequence = t.nn.Sequential(R(), L(1, 1), R(), t.nn.Tanh())
        del sequence[0]
        sequence[0] = t.nn.Sigmoid()
        sequence += t.nn.Sequential(R())
        sequence *= 2
        del sequence[1:3]
        modules = t.nn.ModuleList([R(), L(1, 1)])
        modules.insert(1, t.nn.Tanh())
        modules += [R()]
        modules[0] = L(2, 2)
        del modules[-1]
        mapping = t.nn.ModuleDict({"a": R()})
        mapping["b"] = L(1, 1)
        popped = mapping.pop("a")
        mapping.update({"c": R()})
        found = ["c" in mapping, list(mapping.keys()), len(mapping), list(mapping)]
        parameters = t.nn.ParameterDict({"a": t.ones(1)})
        parameters["b"] = t.zeros(1)
        parameters.setdefault("c", t.ones(2))
        parameters.popitem()
        del parameters["a"]
        both = parameters | t.nn.ParameterDict({"z": t.ones(1)})
        values = t.nn.ParameterList([t.ones(1)])
        values.append(t.zeros(1)).extend([5])
        values[0] = t.zeros(3)
        return [sequence, len(sequence), modules, mapping, popped, found, list(both), values]

    assert_same(scenario, real_torch)


# ---------------------------------------------------------------------- classes of users


class _Plain:
    """A mixin with a dictionary of its own."""

    label = "mixin"

    def describe(self) -> str:
        return f"{self.label} {type(self).__name__}"


class _Slotted:
    __slots__ = ()


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("mixin", [_Plain, _Slotted])
def test_a_module_may_have_mixins(mixin: type, first: bool) -> None:
    linear = chainrule.nn.Linear
    kind = type("Mixed", (mixin, linear) if first else (linear, mixin), {})
    for _ in range(100):
        layer = kind(2, 3)
        layer.note = "text"
        layer.itself = [layer]  # a cycle, for the garbage collector
        assert layer.weight is layer._parameters["weight"]
        assert layer(chainrule.ones(2)).shape == (3,)
        assert layer.note == "text"
        assert copy.deepcopy(layer).bias.tolist() == layer.bias.tolist()
    if mixin is _Plain:
        assert kind(1, 1).describe() == "mixin Mixed"


def test_forward_and_attributes_may_be_replaced_on_one_instance() -> None:
    layer = chainrule.nn.ReLU()
    layer.forward = lambda x: "own"  # type: ignore[method-assign]
    assert layer(1) == "own"
    del layer.forward
    with pytest.raises(AttributeError):
        layer(1)

    class Wide(chainrule.nn.Module):
        def forward(self, *args: Any, scale: int = 1) -> Any:
            return [a * scale for a in args]

    assert Wide()(*range(9), scale=2) == [2 * n for n in range(9)]
    assert Wide()() == []
    with pytest.raises(TypeError):
        Wide()(unknown=1)
