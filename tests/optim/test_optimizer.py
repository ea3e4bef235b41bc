"""Groups, hooks, closures, copies and pickles of optimisers."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import pytest

import rushlight as rl


def leaf(*values):
    return rl.tensor(list(values) or [1.0], requires_grad=True)


def with_grad(*values):
    param = leaf(*values)
    param.grad = rl.ones(len(values))
    return param


def test_groups_have_their_own_options():
    one, two = with_grad(1.0), with_grad(1.0)
    optimizer = rl.optim.SGD([{"params": [one]}, {"params": two, "lr": 0.5}], lr=0.25)
    optimizer.step()
    assert (one.item(), two.item()) == (0.75, 0.5)
    three = with_grad(1.0)
    optimizer.add_param_group({"params": [three], "lr": 1.0})
    optimizer.step()
    assert (one.item(), two.item(), three.item()) == (0.5, 0.0, 0.0)


def test_names_are_kept_and_survive_loading():
    optimizer = rl.optim.SGD([("a", leaf()), ("b", leaf())])
    assert optimizer.param_groups[0]["param_names"] == ["a", "b"]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["a", "b"]
    nameless = rl.optim.SGD([leaf(), leaf()]).state_dict()
    optimizer.load_state_dict(nameless)
    assert optimizer.param_groups[0]["param_names"] == ["a", "b"]


def test_zero_grad():
    param = with_grad(1.0, 2.0)
    optimizer = rl.optim.SGD([param])
    optimizer.zero_grad(set_to_none=False)
    assert param.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert param.grad is None


def test_closure_runs_with_gradients_on():
    param = leaf(2.0)
    optimizer = rl.optim.SGD([param], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (param * param).sum()
        loss.backward()
        return loss

    with rl.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == 4.0
    assert param.item() == 0.0


def test_step_hooks_run_in_order_and_may_change_the_arguments():
    seen = []
    optimizer = rl.optim.SGD([with_grad(1.0)])

    def other_closure():
        seen.append("closure")
        return 7

    def before(opt, args, kwargs):
        seen.append("before")
        return (opt, other_closure), {}

    handles = [
        optimizer.register_step_pre_hook(before),
        optimizer.register_step_post_hook(lambda opt, args, kwargs: seen.append("after")),
        rl.optim.optimizer.register_optimizer_step_pre_hook(lambda *a: seen.append("everywhere")),
        rl.optim.optimizer.register_optimizer_step_post_hook(lambda *a: seen.append("end")),
    ]
    try:
        assert optimizer.step() == 7
    finally:
        for handle in handles:
            handle.remove()
    assert seen == ["everywhere", "before", "closure", "after", "end"]
    optimizer.step()
    assert len(seen) == 5


def test_a_hook_that_answers_oddly_is_refused():
    optimizer = rl.optim.SGD([with_grad(1.0)])
    optimizer.register_step_pre_hook(lambda *args: 5)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        optimizer.step()


def test_hooks_of_a_subclass_that_calls_its_base_run_once():
    class Counting(rl.optim.SGD):
        def step(self, closure=None):
            return super().step(closure)

    seen = []
    optimizer = Counting([with_grad(1.0)])
    optimizer.register_step_post_hook(lambda *args: seen.append(1))
    optimizer.step()
    assert seen == [1]


def test_state_dict_hooks():
    optimizer = rl.optim.SGD([with_grad(1.0)], lr=0.5)
    order = []
    optimizer.register_state_dict_pre_hook(lambda opt: order.append("second"))
    optimizer.register_state_dict_pre_hook(lambda opt: order.append("first"), prepend=True)
    optimizer.register_state_dict_post_hook(lambda opt, state: {**state, "extra": 1})
    saved = optimizer.state_dict()
    assert order == ["first", "second"]
    assert saved["extra"] == 1

    def slower(opt, state):
        groups = [{**group, "lr": 0.125} for group in state["param_groups"]]
        return {**state, "param_groups": groups}

    optimizer.register_load_state_dict_pre_hook(slower)
    optimizer.register_load_state_dict_post_hook(lambda opt: order.append("loaded"))
    optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["lr"] == 0.125
    assert order[-1] == "loaded"


def test_loading_casts_state_but_not_step():
    source = with_grad(1.0)
    trained = rl.optim.Adam([source])
    trained.step()
    param = rl.tensor([1.0], dtype=rl.float64, requires_grad=True)
    optimizer = rl.optim.Adam([param])
    optimizer.load_state_dict(trained.state_dict())
    state = optimizer.state[param]
    assert state["exp_avg"].dtype == rl.float64
    assert state["step"].dtype == rl.float32


def test_old_checkpoints_with_plain_steps_load():
    param = with_grad(1.0)
    optimizer = rl.optim.Adam([param])
    optimizer.step()
    saved = copy.deepcopy(optimizer.state_dict())
    saved["state"][0]["step"] = 1
    for name in ("amsgrad", "maximize", "fused", "decoupled_weight_decay"):
        del saved["param_groups"][0][name]
    optimizer.load_state_dict(saved)
    optimizer.step()
    assert optimizer.state[param]["step"].item() == 2.0


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_are_independent(clone):
    param = with_grad(1.0, 2.0)
    optimizer = rl.optim.Adam([param], lr=0.5)
    optimizer.step()
    twin = clone(optimizer)
    (other,) = twin.param_groups[0]["params"]
    before = param.tolist()
    other.grad = rl.ones(2)
    twin.step()
    assert param.tolist() == before
    assert other.tolist() != before
    assert twin.state[other]["step"].item() == 2
    assert optimizer.state[param]["step"].item() == 1


def test_parameters_without_gradient_get_no_state():
    used, unused = with_grad(1.0), leaf(1.0)
    optimizer = rl.optim.Adam([used, unused])
    optimizer.step()
    assert list(optimizer.state_dict()["state"]) == [0]


def test_optimizer_dies_with_its_last_reference():
    optimizer = rl.optim.Adam([with_grad(1.0)])
    rl.optim.lr_scheduler.StepLR(optimizer, 2)
    optimizer.step()
    watch = weakref.ref(optimizer)
    del optimizer
    gc.collect()
    assert watch() is None


def test_tensor_rates():
    param = with_grad(1.0)
    rate = rl.tensor(0.5)
    optimizer = rl.optim.SGD([param], lr=rate)
    optimizer.step()
    assert param.item() == 0.5
    schedule = rl.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == 0.25
    with pytest.raises(ValueError, match="Tensor lr must be 1-element"):
        rl.optim.SGD([param], lr=rl.ones(2))


@pytest.mark.parametrize(
    ("name", "options", "through"),
    [
        ("SGD", {"lr": 0.25}, 0.5),
        ("SGD", {"lr": 0.25, "momentum": 0.9, "weight_decay": 1.0}, 0.25),
        ("Adam", {"lr": 0.25, "eps": 1.0}, 1 - 0.25 * 2 / 49),
        ("Adagrad", {"lr": 0.25, "eps": 1.0}, 1 - 0.25 * 2 / 49),
        ("RMSprop", {"lr": 0.25, "alpha": 0.0, "eps": 1.0}, 1 - 0.25 * 2 / 49),
    ],
)
def test_an_update_can_be_differentiated(name, options, through):
    """The derivative of w - update(2 w) by w, through the step."""
    start = rl.tensor([3.0], requires_grad=True)
    weight = start.clone()
    weight.grad = start * 2
    getattr(rl.optim, name)([weight], **options, differentiable=True).step()
    (found,) = rl.autograd.grad(weight.sum(), start)
    assert found.item() == pytest.approx(through)


def test_schedule_state_goes_on_where_it_stopped():
    def make():
        optimizer = rl.optim.SGD([with_grad(1.0)], lr=1.0)
        schedules = rl.optim.lr_scheduler
        parts = [schedules.LinearLR(optimizer), schedules.CosineAnnealingLR(optimizer, 7)]
        return optimizer, schedules.SequentialLR(optimizer, parts, [3])

    optimizer, schedule = make()
    for _ in range(5):
        optimizer.step()
        schedule.step()
    saved = copy.deepcopy((optimizer.state_dict(), schedule.state_dict()))
    other, resumed = make()
    other.load_state_dict(saved[0])
    resumed.load_state_dict(saved[1])
    for _ in range(5):
        for opt, sched in ((optimizer, schedule), (other, resumed)):
            opt.step()
            sched.step()
        assert resumed.get_last_lr() == schedule.get_last_lr()


def test_function_schedules_save_callable_objects_only():
    class Factor:
        def __init__(self, base):
            self.base = base

        def __call__(self, epoch):
            return self.base**epoch

    optimizer = rl.optim.SGD([{"params": [leaf()]}, {"params": [leaf()]}], lr=1.0)
    schedule = rl.optim.lr_scheduler.LambdaLR(optimizer, [Factor(0.5), lambda epoch: 1.0])
    saved = schedule.state_dict()
    assert saved["lr_lambdas"] == [{"base": 0.5}, None]
    saved["lr_lambdas"][0] = {"base": 0.25}
    schedule.load_state_dict(saved)
    assert schedule.lr_lambdas[0].base == 0.25


def test_averaged_model_and_its_batch_norm():
    model = rl.nn.Sequential(rl.nn.Linear(2, 3), rl.nn.BatchNorm1d(3))
    average = rl.optim.swa_utils.AveragedModel(model)
    moving = rl.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=rl.optim.swa_utils.get_ema_multi_avg_fn(0.5)
    )
    for value in (1.0, 2.0, 6.0):
        with rl.no_grad():
            model[0].weight.fill_(value)
        average.update_parameters(model)
        moving.update_parameters(model)
    assert average.n_averaged.item() == 3
    assert average.module[0].weight.detach().tolist() == [[3.0, 3.0]] * 3
    assert moving.module[0].weight.detach().tolist() == [[3.75, 3.75]] * 3
    batches = [rl.arange(8.0).reshape(4, 2), rl.arange(8.0).reshape(4, 2) + 1]
    rl.optim.swa_utils.update_bn(batches, average)
    seen = rl.cat([average.module[0](batch) for batch in batches])
    expected = seen.reshape(2, 4, 3).mean(1).mean(0)
    assert average.module[1].running_mean.tolist() == pytest.approx(expected.tolist())
    assert average.module[1].momentum == 0.1


def test_schedules_are_of_the_module_that_programs_compare_with():
    optimizer = rl.optim.SGD([leaf(1.0)], lr=0.5)
    scheduler = rl.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1])
    assert scheduler.__module__ == rl.optim.lr_scheduler.__name__
    again = pickle.loads(pickle.dumps(scheduler))
    assert type(again) is type(scheduler) and again.get_last_lr() == [0.5]


@pytest.mark.parametrize("fused", [True, False])
def test_fused_steps_are_counted_in_single_precision(fused):
    p = rl.ones(2, dtype=rl.float64, requires_grad=True)
    usual = rl.get_default_dtype()
    rl.set_default_dtype(rl.float64)
    try:
        opt = rl.optim.AdamW([p], fused=fused)
        p.grad = rl.ones(2)
        opt.step()
    finally:
        rl.set_default_dtype(usual)
    assert opt.state[p]["step"].dtype == (rl.float32 if fused else rl.float64)
