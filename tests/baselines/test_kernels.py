"""Other kernels multiply alike, the fastest is chosen once, and a chosen one is kept to."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tdmpc2_bench.baselines import compiling, kernels, nets
from tdmpc2_bench.baselines.kernels import Kernels, Packed, by_onednn, by_torch
from tdmpc2_bench.errors import UsageError

onednn = pytest.mark.skipif(not kernels.usable(), reason="this torch has no oneDNN kernels")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(kernels.VARIABLE, raising=False)
    kernels._chosen.cache_clear()
    torch.manual_seed(0)


def operands(stack: int = 2, *, gradients: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    shapes = (stack, 70, 96), (stack, 96, 80), (stack, 1, 80)
    x, weight, bias = (torch.randn(shape, requires_grad=gradients) for shape in shapes)
    return x, weight, bias


def close(actual: Tensor, expected: Tensor, tolerance: float = 1e-4) -> None:
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


@onednn
@pytest.mark.parametrize("stack", [1, 3])
@pytest.mark.parametrize(
    "product", [by_torch, by_onednn, Packed()], ids=["torch", "onednn", "packed"]
)
@torch.no_grad()
def test_every_kernel_multiplies_and_adds_the_bias(stack: int, product: kernels.Product) -> None:
    x, weight, bias = operands(stack)
    actual = product(x, weight, bias)
    assert actual.dtype == torch.float32
    close(actual, x @ weight + bias)


@onednn
@pytest.mark.parametrize("stack", [1, 3])
def test_gradients_by_onednn_are_those_of_the_product(stack: int) -> None:
    inputs = operands(stack, gradients=True)
    x, weight, bias = inputs
    grad = torch.randn(stack, 70, 80)
    expected = torch.autograd.grad(x @ weight + bias, inputs, grad)
    for actual, one in zip(
        torch.autograd.grad(by_onednn(*inputs), inputs, grad), expected, strict=True
    ):
        close(actual, one)
    by_onednn(x.detach(), weight, bias).sum().backward()  # an input without gradient
    assert x.grad is None and weight.grad is not None


@onednn
@torch.no_grad()
def test_packed_weights_follow_what_changes_in_place() -> None:
    packed = Packed()
    x, weight, bias = operands()
    packed(x, weight, bias)
    weight.mul_(2)
    close(packed(x, weight, bias), x @ weight + bias)
    parameter = torch.nn.Parameter(weight)
    optimizer = torch.optim.Adam([parameter], lr=1.0, fused=True)
    packed(x, parameter, bias)
    parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    packed.forget()  # torch does not count this change
    close(packed(x, parameter.detach(), bias), x @ parameter + bias)


@onednn
@torch.no_grad()
def test_weights_are_laid_out_once_until_they_change(monkeypatch: pytest.MonkeyPatch) -> None:
    layouts: list[torch.Size] = []
    pack = kernels._pack
    monkeypatch.setattr(
        kernels, "_pack", lambda w, rows: (layouts.append(w.shape), pack(w, rows))[1]
    )
    packed, (x, weight, bias) = Packed(), operands(1)
    for _ in range(3):
        packed(x, weight, bias)
    assert len(layouts) == 1
    weight.add_(1)
    packed(x, weight, bias)
    assert len(layouts) == 2


@onednn
@torch.no_grad()
def test_products_in_bfloat16_differ_in_the_third_digit_and_come_out_as_float32() -> None:
    x, weight, bias = operands()
    actual, expected = Packed(torch.bfloat16)(x, weight, bias), x @ weight + bias
    assert actual.dtype == torch.float32
    error = (actual - expected).norm() / expected.norm()
    assert 1e-4 < error < 1e-2


@onednn
@pytest.mark.parametrize("product", [by_onednn, Packed()], ids=["onednn", "packed"])
def test_a_network_is_the_same_by_any_kernel(product: kernels.Product) -> None:
    mlp = nets.MLP([100, 96, 96, 80], (2,), output=lambda x: nets.simnorm(x, 8))
    mlp.initialise([torch.Generator().manual_seed(s) for s in (1, 2)], zero_output=False)
    z, action = torch.randn(2, 1, 94), torch.randn(2, 70, 6)
    with torch.no_grad():
        expected = mlp(z, action)
        with nets.multiplying({mlp: product}):
            close(mlp(z, action), expected)
        assert mlp.product is by_torch


def test_a_machine_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[int] = []

    def measure(width: int, rows: int, uses: int) -> Kernels:
        measured.append(width)
        return Kernels("onednn", "packed")

    monkeypatch.setattr(kernels, "measure", measure)
    monkeypatch.setattr(kernels, "usable", lambda: True)
    for _ in range(2):
        assert kernels.choose(width=512, rows=512, uses=18) == ("onednn", "packed")
        kernels._chosen.cache_clear()  # as in another process
    assert measured == [512]
    kernels.choose(width=1024, rows=512, uses=18)
    assert measured == [512, 1024]


def test_small_products_are_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(kernels, "measure")
    assert kernels.choose(width=64, rows=512, uses=18) == Kernels()


def test_the_quicker_kernel_is_chosen_and_a_close_race_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter(range(10**6))
    now = 0.0

    def work(seconds: float) -> None:
        nonlocal now
        next(clock)
        now += seconds

    monkeypatch.setattr(kernels.time, "perf_counter", lambda: now)
    race = {"torch": lambda: work(1.0), "onednn": lambda: work(0.97)}
    assert kernels._fastest(race) == "torch"
    assert kernels._fastest({**race, "packed": lambda: work(0.5)}) == "packed"


@onednn
def test_measuring_gives_kernels_that_can_learn_and_act() -> None:
    found = kernels.measure(128, 128, 3)
    assert found.learning in {"torch", "onednn"}
    assert kernels.named(str(found)) == found


@pytest.mark.parametrize(
    ("text", "expected"),
    [("torch", ("torch", "torch")), ("packed", ("onednn", "packed")),
     ("onednn", ("onednn", "onednn")), ("torch,packed", ("torch", "packed"))],
)  # fmt: skip
def test_a_choice_can_be_forced(
    text: str, expected: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(kernels.VARIABLE, text)
    monkeypatch.setattr(kernels, "usable", lambda: True)
    assert kernels.choose(width=512, rows=512, uses=18) == expected
    monkeypatch.setattr(kernels, "usable", lambda: False)  # nothing to force
    assert kernels.choose(width=512, rows=512, uses=18) == Kernels()


def test_a_choice_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kernels.VARIABLE, "mkl")
    with pytest.raises(UsageError, match="expected one of torch, onednn, packed"):
        kernels.choose(width=512, rows=512, uses=18)


def test_a_torch_without_such_kernels_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> Tensor:
        raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute")

    monkeypatch.setattr(kernels, "_linear", missing)
    assert not kernels.usable.__wrapped__()
    monkeypatch.setattr(kernels, "_linear", lambda *_: torch.zeros(64, 64))  # a broken one
    assert not kernels.usable.__wrapped__()


def test_memory_is_kept_or_the_library_has_no_such_call() -> None:
    kernels.keep_memory()


@pytest.mark.parametrize("mode", ["auto", "off"])
def test_on_a_cpu_nothing_is_compiled_unless_forced(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(compiling.VARIABLE, mode)
    network = nets.MLP([4, 4], (1,))
    assert not compiling.compile_where_it_pays([network], network, torch.zeros(1, 2, 4))


def test_a_network_that_cannot_be_compiled_is_left_as_it_is() -> None:
    class Stubborn(torch.nn.Module):
        def compile(self) -> None:
            self._compiled_call_impl = self._fail

        def _fail(self, x: Tensor) -> Tensor:
            raise RuntimeError("no compiler")

    with pytest.warns(UserWarning, match="cannot be compiled here: no compiler"):
        assert not compiling.pays(Stubborn(), torch.zeros(1))


def test_a_wish_that_has_no_meaning_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiling.VARIABLE, "yes")
    network = nets.MLP([4, 4], (1,))
    with pytest.raises(UsageError, match="expected one of auto, on, off"):
        compiling.compile_where_it_pays([network], network, torch.zeros(1, 2, 4))
