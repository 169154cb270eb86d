"""The Python API does what the command line does."""

import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import tdmpc2_bench
from tdmpc2_bench.errors import UnknownName, UsageError


def test_every_public_name_is_there_and_importing_costs_nothing() -> None:
    for name in tdmpc2_bench.__all__:
        assert callable(getattr(tdmpc2_bench, name))
        assert name in dir(tdmpc2_bench)
    code = (
        "import sys, tdmpc2_bench; "
        "print([m for m in sys.modules if m.split('.')[0] in ('numpy', 'click', 'gymnasium')])"
    )
    command = [sys.executable, "-P", "-c", code]
    assert subprocess.run(command, capture_output=True, check=True).stdout.strip() == b"[]"


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="runn"):
        _ = tdmpc2_bench.runn  # type: ignore[attr-defined]


def test_a_wrong_request_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'horizon'"):
        tdmpc2_bench.run("toy-point", settings={"horizn": 5}, out=tmp_path / "runs")
    with pytest.raises(UsageError, match="expected a multiple"):
        tdmpc2_bench.run("toy-point", steps=3, out=tmp_path / "runs")
    with pytest.raises(UsageError, match="workers: expected"):
        tdmpc2_bench.run("toy-point", limits=tdmpc2_bench.Limits(workers=0), out=tmp_path / "runs")
    for wrong in ([], ["a"], [-1]):
        with pytest.raises(UsageError, match="seeds: expected"):
            tdmpc2_bench.run("toy-point", seeds=wrong, out=tmp_path / "runs")
    with pytest.raises(UsageError, match="steps: '4OO' is no whole number"):
        tdmpc2_bench.run("toy-point", steps="4OO", out=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_all_tasks_are_registered_with_gymnasium() -> None:
    import tdmpc2_bench.gym

    ids = {name for name in gymnasium.registry if name.startswith(tdmpc2_bench.gym.NAMESPACE)}
    assert len(ids) == 104 + 2
    env = gymnasium.make("tdmpc2-bench/toy-plane-v0")
    first, _ = env.reset(seed=4)
    again, _ = env.reset(seed=4)
    assert np.array_equal(first, again)
    env.close()


def test_a_trained_agent_acts_as_in_its_evaluation(tmp_path: Path) -> None:
    """The policy's mean, which draws nothing, gives the recorded return."""
    pytest.importorskip("torch")
    pytest.importorskip("pandas")
    settings = {
        "size": 1, "mlp_dim": 16, "enc_dim": 16, "latent_dim": 16, "num_samples": 8,
        "num_elites": 4, "num_pi_trajs": 2, "batch_size": 8, "iterations": 1, "seed_steps": 30,
    }  # fmt: skip
    outcome = tdmpc2_bench.run(
        "toy-point", settings=settings, seeds=[3], steps=100, eval_every=100, eval_episodes=1,
        out=tmp_path,
    )  # fmt: skip
    (cell,) = outcome.finished
    folder = tmp_path / str(cell)
    player = tdmpc2_bench.load_agent(folder)
    assert player.modes == ("plan", "mean", "sample")
    table = tdmpc2_bench.load_results(tmp_path)
    for _, at in table.groupby("env_step"):
        by_mode = at.set_index("mode")
        expected = by_mode.loc["plan", "return"] - by_mode.loc["mean", "return"]
        assert by_mode.loc["plan", "gap"] == pytest.approx(expected)
        assert by_mode.loc[["mean", "sample"], "gap"].isna().all()

    from tdmpc2_bench import registry, seeding

    env = registry.make(player.task)
    obs, _ = env.reset(seed=seeding.integer(3, "toy-point", "eval", 0))
    total, over = 0.0, False
    while not over:
        obs, reward, _, over, _ = env.step(player.act(obs, "mean"))
        total += reward
    rows = (folder / "attempt-1" / "evals.csv").read_text().splitlines()
    (recorded,) = (row.split(",")[5] for row in rows if row.startswith("100,50,toy-point,mean"))
    assert total == pytest.approx(float(recorded), rel=1e-5)

    assert player.act(obs).shape == (1,)
    with pytest.raises(UnknownName, match="plan, mean, sample"):
        player.act(obs, "best")
    with pytest.raises(UsageError, match=r"expected an observation of shape \(2,\)"):
        player.act(np.zeros(3, np.float32))


def test_equal_seeds_play_equal_episodes(tmp_path: Path) -> None:
    outcome = tdmpc2_bench.run(
        "toy-point", agents="uniform", seeds=[1], steps=40, eval_every=40, eval_episodes=1,
        out=tmp_path,
    )  # fmt: skip
    folder = tmp_path / str(outcome.finished[0])
    obs = np.zeros(2, np.float32)

    def actions() -> list[float]:
        player = tdmpc2_bench.load_agent(folder, seed=5)
        first = [float(player.act(obs)[0]) for _ in range(3)]
        player.reset()
        return [*first, float(player.act(obs)[0])]

    assert actions() == actions()
    assert len(set(actions())) == 4
