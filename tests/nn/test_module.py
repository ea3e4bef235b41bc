"""Module: registration, hooks, state, copies, and what it says when something is wrong."""

import copy
import gc
import pickle
import warnings
import weakref

import pytest

import rushlight as torch
from rushlight import nn


class Double(nn.Module):
    """Twice its input, and a parameter that the tests look at."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, x, scale=2):
        return x * scale * self.weight


class Net(nn.Module):
    """Two levels of children."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(Double(), Double())
        self.head = Double()

    def forward(self, x):
        return self.head(self.features(x))


class Failing(nn.Module):
    """Raises in its forward."""

    def forward(self, x):
        raise ValueError("no")


def values(tensor):
    return tensor.detach().tolist()


# -- registration ------------------------------------------------------------------------------


def test_assignment_moves_a_name_between_tables():
    net = Double()
    net.thing = nn.Parameter(torch.ones(1))
    assert "thing" in net._parameters
    net.thing = None
    assert net._parameters["thing"] is None
    del net.thing
    net.thing = Double()
    assert "thing" in net._modules and "thing" not in net._parameters
    net.thing = nn.Parameter(torch.ones(1))
    assert "thing" not in net._modules
    net.register_buffer("seen", torch.zeros(2), persistent=False)
    net.seen = torch.ones(2)
    assert values(net._buffers["seen"]) == [1, 1]
    assert "seen" not in net.state_dict()


def test_a_buffer_registers_itself():
    net = nn.Module()
    net.kept = nn.Buffer(torch.ones(1))
    net.passing = nn.Buffer(torch.ones(1), persistent=False)
    net.plain = torch.ones(1)
    assert list(net._buffers) == ["kept", "passing"]
    assert list(net.state_dict()) == ["kept"]
    assert "plain" in net.__dict__


def test_tied_parameters_count_once_but_save_twice():
    net = nn.Sequential(Double(), Double())
    net[1].weight = net[0].weight
    assert [name for name, _ in net.named_parameters()] == ["0.weight"]
    assert len(list(net.named_parameters(remove_duplicate=False))) == 2
    assert list(net.state_dict()) == ["0.weight", "1.weight"]
    twin = copy.deepcopy(net)
    assert twin[0].weight is twin[1].weight and twin[0].weight is not net[0].weight


def test_state_dict_shares_memory_until_it_is_loaded():
    net, other = Net(), Net()
    saved = net.state_dict()
    with torch.no_grad():
        net.head.weight.fill_(5)
    assert values(saved["head.weight"]) == [5, 5, 5]
    other.load_state_dict(saved)
    assert values(other.head.weight) == [5, 5, 5]
    assert other.head.weight is not net.head.weight


def test_assign_takes_the_tensors_over_and_keeps_the_parameter():
    net = Double()
    given = torch.full((3,), 7.0)
    net.load_state_dict({"weight": given}, assign=True)
    assert isinstance(net.weight, nn.Parameter) and net.weight.requires_grad
    given[0] = 9
    assert values(net.weight) == [9, 7, 7]


def test_mismatches_are_told_all_at_once_with_the_nearest_names():
    net = Net()
    bad = {"features.0.weigth": torch.ones(3), "head.weight": torch.ones(4)}
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(bad)
    text = str(caught.value)
    for part in ("Missing key(s)", "Unexpected key(s)", "size mismatch for head.weight"):
        assert part in text
    assert any('"features.0.weight"' in note for note in caught.value.__notes__)


def test_a_wrapped_models_prefix_is_recognised():
    net = Double()
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict({"module.weight": torch.ones(3)})
    assert any("removeprefix" in note for note in caught.value.__notes__)


def test_extra_state_travels_with_the_state():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.count = 0

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    source, target = nn.Sequential(Counting()), nn.Sequential(Counting())
    source[0].count = 4
    saved = source.state_dict()
    assert list(saved) == ["0._extra_state"]
    target.load_state_dict(saved)
    assert target[0].count == 4
    assert target.load_state_dict({}, strict=False).missing_keys == ["0._extra_state"]


# -- hooks -------------------------------------------------------------------------------------


def test_hooks_run_in_order_and_may_replace():
    net, seen = Double(), []
    x = torch.ones(3)
    first = net.register_forward_pre_hook(lambda m, args: seen.append("pre") or (args[0] + 1,))
    net.register_forward_pre_hook(lambda m, args: seen.append("front"), prepend=True)
    net.register_forward_hook(lambda m, args, out: seen.append("post") or out * 10)
    assert values(net(x)) == [40, 40, 40]
    assert seen == ["front", "pre", "post"]
    first.remove()
    assert values(net(x)) == [20, 20, 20]


def test_hooks_see_and_change_keyword_arguments():
    net = Double()
    net.register_forward_pre_hook(
        lambda m, args, kwargs: (args, {"scale": kwargs["scale"] + 1}), with_kwargs=True
    )
    seen = []
    net.register_forward_hook(
        lambda m, args, kwargs, out: seen.append(kwargs["scale"]), with_kwargs=True
    )
    assert values(net(torch.ones(3), scale=4)) == [5, 5, 5]
    assert seen == [5]


def test_always_called_hooks_run_after_an_error():
    net, seen = Failing(), []
    net.register_forward_hook(lambda *a: seen.append("usual"))
    net.register_forward_hook(lambda *a: seen.append("always"), always_call=True)
    with pytest.raises(ValueError, match="no"):
        net(1)
    assert seen == ["always"]


def test_a_bad_pre_hook_with_kwargs_is_refused():
    net = Double()
    net.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match="forward pre-hook must return None or a tuple"):
        net(torch.ones(3))


def test_global_hooks_reach_every_module():
    seen = []
    hooks = nn.modules.module
    with hooks.register_module_forward_hook(lambda m, args, out: seen.append(type(m).__name__)):
        Net()(torch.ones(3))
    Net()(torch.ones(3))
    assert seen == ["Double", "Double", "Sequential", "Double", "Net"]


def test_after_the_last_hook_is_gone_calls_are_plain_again():
    net = Double()
    handle = net.register_forward_hook(lambda *a: None)
    net(torch.ones(3))
    assert net._usual_call is False
    handle.remove()
    net(torch.ones(3))
    assert net._usual_call is True


def test_full_backward_hooks_see_and_change_gradients():
    net, seen = Double(), {}
    x = torch.ones(3, requires_grad=True)

    def hook(module, grad_input, grad_output):
        seen["in"], seen["out"] = values(grad_input[0]), values(grad_output[0])
        return (grad_input[0] * 100,)

    net.register_full_backward_pre_hook(lambda m, grads: (grads[0] * 3,))
    net.register_full_backward_hook(hook)
    net(x).sum().backward()
    assert seen == {"in": [6, 6, 6], "out": [3, 3, 3]}
    assert values(x.grad) == [600, 600, 600]
    assert values(net.weight.grad) == [6, 6, 6]


def test_backward_hook_without_input_gradient_gets_nones():
    net, seen = Double(), []
    net.register_full_backward_hook(lambda m, gi, go: seen.append((gi, values(go[0]))))
    loss = net(torch.ones(3)).sum()
    with pytest.warns(UserWarning, match="no inputs require gradients"):
        loss.backward()
    assert seen == [((None,), [1, 1, 1])]


def test_state_dict_hooks():
    net = Double()
    net.register_state_dict_pre_hook(lambda m, prefix, keep: m.register_buffer("b", torch.ones(1)))
    net.register_state_dict_post_hook(lambda m, state, prefix, meta: state.pop(prefix + "weight"))
    with pytest.raises(RuntimeError, match="post-hook must return None"):
        net.state_dict()
    net._state_dict_hooks.clear()
    net.register_state_dict_post_hook(lambda m, state, prefix, meta: state.update(extra=1))
    assert list(net.state_dict()) == ["weight", "b", "extra"]
    seen = []
    net.register_load_state_dict_pre_hook(lambda m, state, *rest: seen.append(m is net))
    net.register_load_state_dict_post_hook(lambda m, keys: seen.append(keys.missing_keys))
    net.load_state_dict({}, strict=False)
    assert seen == [True, ["weight", "b"]]


# -- copies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("again", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_are_equal_and_independent(again):
    net = nn.Sequential(nn.Sequential(nn.ReLU()), nn.ReLU())
    net.weight = nn.Parameter(torch.arange(3.0))
    net.register_buffer("b", torch.ones(2), persistent=False)
    net.eval()
    twin = again(net)
    assert repr(twin) == repr(net) and twin.training is False
    assert values(twin.weight) == [0, 1, 2] and twin._non_persistent_buffers_set == {"b"}
    with torch.no_grad():
        twin.weight.fill_(9)
    assert values(net.weight) == [0, 1, 2]
    assert values(twin(torch.tensor([-1.0, 1.0]))) == [0, 1]


def test_a_module_is_freed_by_reference_count():
    gc.collect()
    gc.disable()
    try:
        net = Net()
        net(torch.ones(3)).sum().backward()
        gone = weakref.ref(net)
        del net
        assert gone() is None
    finally:
        gc.enable()


def test_casting_keeps_the_parameter_objects():
    net = Net()
    before = list(net.parameters())
    for param in before:
        param.grad = torch.ones(3)
    net.double()
    after = list(net.parameters())
    assert all(old is new for old, new in zip(before, after))
    assert {p.dtype for p in after} == {torch.float64} == {p.grad.dtype for p in after}
    assert net.to(torch.ones(1)).head.weight.dtype == torch.float32
    assert net.to("cpu", torch.float16).head.weight.dtype == torch.float16


def test_integer_buffers_stay_integers():
    net = nn.Module()
    net.register_buffer("count", torch.tensor(3))
    assert net.half().count.dtype == torch.int64


def test_zero_grad_and_freezing():
    net = Double()
    net(torch.ones(3)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert values(net.weight.grad) == [0, 0, 0]
    net.zero_grad()
    assert net.weight.grad is None
    assert not net.requires_grad_(False)(torch.ones(3)).requires_grad


def test_apply_goes_from_the_leaves_up():
    seen = []
    net = Net()
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Double", "Double", "Sequential", "Double", "Net"]


# -- help --------------------------------------------------------------------------------------


def test_an_error_carries_the_path_of_its_module():
    model = nn.Sequential(nn.Sequential(nn.ReLU(), Failing()), nn.ReLU())
    with pytest.raises(ValueError) as caught:
        model(torch.ones(1))
    assert caught.value.__notes__ == [
        "in model.0.1 (Failing)",
        "its input has shape (1,) and dtype torch.float32",
    ]


def test_without_a_variable_the_path_starts_with_the_class():
    class Holder:
        net = nn.Sequential(Failing())

    with pytest.raises(ValueError) as caught:
        Holder.net(torch.ones(1))
    assert caught.value.__notes__[0] == "in Sequential.0 (Failing)"


def test_an_error_caught_on_the_way_starts_afresh():
    class Catching(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Failing()

        def forward(self, x):
            try:
                return self.inner(x)
            except ValueError as error:
                return error

    net = Catching()
    assert net(1).__notes__ == ["in Failing"]


def test_layers_in_a_plain_list_are_reported_once():
    class Forgetful(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [Double(), Double()]
            self.sizes = (3, 3)

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    net = Forgetful()
    with pytest.warns(UserWarning, match=r"2 modules in the plain list Forgetful\.layers"):
        net(torch.ones(3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net(torch.ones(3))


def test_registered_layers_in_a_list_are_fine():
    class Careful(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = Double()
            self.also = {"layer": self.layer, "weights": [self.layer.weight]}

        def forward(self, x):
            return self.layer(x)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Careful()(torch.ones(3))


def test_forgotten_super_init_says_so():
    class Hasty(nn.Module):
        def __init__(self):
            self.layer = Double()

    with pytest.raises(AttributeError, match=r"before Module\.__init__") as caught:
        Hasty()
    assert any("super().__init__()" in note for note in caught.value.__notes__)


def test_forward_may_be_replaced_on_the_instance():
    net = Double()
    net.forward = lambda x: x + 1
    assert values(net(torch.zeros(2))) == [1, 1]
    del net.forward
    assert values(net(torch.ones(3))) == [2, 2, 2]


def test_a_keyword_named_like_the_first_argument():
    class Named(nn.Module):
        def forward(self, first, input=0):
            return first - input

    net = Named()
    assert (net(5), net(5, input=2), net(first=3, input=1), net(7, 3)) == (5, 3, 2, 4)


def test_arguments_without_gradients_stay_so_inside_hooked_modules():
    seen = []

    class Both(nn.Module):
        def forward(self, a, b):
            seen.append((a.requires_grad, b.requires_grad))
            return a * b

    net = Both()
    net.register_full_backward_hook(lambda module, into, out: seen.append(into))
    net(torch.ones(2, requires_grad=True), torch.full((2,), 3.0)).sum().backward()
    assert seen[0] == (True, False)
    assert seen[1][0].tolist() == [3.0, 3.0]


def test_a_lazy_norm_without_tensors_of_its_own():
    layer = nn.LazyBatchNorm1d(affine=False, track_running_stats=False)
    assert layer(torch.tensor([[1.0], [3.0]])).tolist() == [
        [pytest.approx(-1, abs=1e-4)], [pytest.approx(1, abs=1e-4)]
    ]  # fmt: skip
    assert type(layer) is nn.BatchNorm1d
