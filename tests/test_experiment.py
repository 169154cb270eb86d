"""An experiment means the same from a file, a command line and Python, and is kept as it ran."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tdmpc2_bench
from tdmpc2_bench import experiment, plan, registry
from tdmpc2_bench.cli import call
from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.experiment import Experiment, Learner, load, resolve, store

TEXT = """\
agents:
  - uniform
  - {name: tdmpc2, set: {horizon: 5, mpc: on}}
  - {name: tdmpc2, preset: head}
tasks: [toy-point, "walker-*"]
seeds: 1-2,5
steps: 100k
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_file_says_agents_tasks_seeds_and_budget(tmp_path: Path) -> None:
    (found,) = load(write(tmp_path / "first.yaml", TEXT))
    assert found == Experiment(
        agents=(
            Learner("uniform", "uniform", {}),
            Learner("tdmpc2", "paper", {"horizon": 5, "mpc": True}),
            Learner("tdmpc2", "head", {}),
        ),
        tasks=(
            "walker-stand", "walker-walk", "walker-run", "walker-walk-backwards",
            "walker-run-backwards", "toy-point",
        ),
        seeds=(1, 2, 5),
        steps=100_000,
        eval_every=None,
        eval_episodes=10,
        keep="all",
        keep_every=None,
        out="runs/first",
    )  # fmt: skip


def test_options_are_the_same_thing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(
        tmp_path / "x.yaml",
        "tasks: toy-point\nagents: {name: tdmpc2, set: {num_q: 2, horizon: 5}}\nseeds: [1]\n",
    )
    assert call(["run", str(file), "--dry-run"]) == 0
    from_file = capsys.readouterr()
    arguments = ["--task", "toy-point", "--set", "horizon=5,num_q=2", "--seeds", "1", "--dry-run"]
    assert call(["run", *arguments]) == 0
    assert capsys.readouterr() == from_file
    assert "tdmpc2/horizon=5,num_q=2/toy-point/1" in from_file.out


def test_options_change_what_a_file_says(tmp_path: Path) -> None:
    file = write(tmp_path / "first.yaml", TEXT)
    changes = {"tasks": ["toy-point"], "seeds": "3", "steps": 50, "eval_every": None, "out": "x"}
    (found,) = load(file, changes)
    assert (found.tasks, found.seeds, found.steps, found.out) == (("toy-point",), (3,), 50, "x")
    assert len(found.agents) == 3


def test_an_agents_settings_come_before_those_for_all_and_options_before_both() -> None:
    described = {
        "tasks": "toy-point",
        "set": {"horizon": 2, "num_q": 3, "rho": 0.6},
        "agents": [{"name": "tdmpc2", "set": {"horizon": 4, "num_q": 4}}],
    }
    (agent,) = resolve(described, {"set": {"horizon": 6}}).agents
    assert agent.settings == {"horizon": 6, "num_q": 4, "rho": 0.6}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("taks: toy-point", "Did you mean 'tasks'"),
        ("tasks: toy-pint", "Did you mean 'toy-point'"),
        ("tasks: 3", "tasks: expected one or more names"),
        ("tasks: []", "say what to train on"),
        ("tasks: toy-point\nagents: []", "agents: expected at least one"),
        ("tasks: toy-point\nagents: [tdmpc2x]", "Did you mean 'tdmpc2'"),
        ("tasks: toy-point\nagents: [{nam: tdmpc2}]", "Did you mean 'name'"),
        ("tasks: toy-point\nagents: [{set: {}}]", "expected a name like tdmpc2"),
        ("tasks: toy-point\nagents: [7]", "agents: expected one or more names"),
        ("tasks: toy-point\nset: {horizn: 5}", "Did you mean 'horizon'"),
        ("tasks: toy-point\nset: {horizon: }", "set: expected settings"),
        ("tasks: toy-point\nset: [horizon]", "set: expected settings"),
        ("tasks: toy-point\nset: {horizon: 1.5}", "horizon"),
        ("tasks: toy-point\nseeds: one", "seeds: expected numbers and ranges"),
        ("tasks: toy-point\nseeds: [-1]", "seeds: expected whole numbers"),
        ("tasks: toy-point\nseeds: [yes]", "seeds: expected whole numbers"),
        ("tasks: toy-point\nseeds: []", "seeds: expected at least one"),
        ("tasks: toy-point\nsteps: lots", "steps: 'lots' is no whole number"),
        ("tasks: toy-point\nsteps: 1.5", "steps: expected a whole number"),
        ("tasks: toy-point\nkeep: weight", "Did you mean 'weights'"),
        ("tasks: toy-point\nsteps: 5\nsteps: 6", "'steps' is given twice"),
        ("tasks: [toy-point", "is not YAML"),
        ("", "expected keys and values"),
        ("- toy-point", "expected keys and values"),
        ("tasks: toy-point\nout: ''", "expected a folder"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(text: str, message: str, tmp_path: Path) -> None:
    file = write(tmp_path / "mine.yaml", text)
    with pytest.raises(UsageError) as caught:
        load(file)
    assert "mine.yaml" in str(caught.value)
    assert message in str(caught.value)


def test_a_file_that_is_no_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path / "x.yaml")


def test_a_file_cannot_run_code(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    file = write(tmp_path / "x.yaml", f"tasks: !!python/object/apply:os.mkdir ['{canary}']")
    with pytest.raises(UsageError, match="is not YAML"):
        load(file)
    assert not canary.exists()


EXPERIMENTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "tasks": st.lists(st.sampled_from([t.name for t in registry.tasks()]), min_size=1),
        "agents": st.lists(
            st.one_of(
                st.just("uniform"),
                st.fixed_dictionaries(
                    {"name": st.just("tdmpc2"), "preset": st.sampled_from(["paper", "head"])},
                    optional={
                        "set": st.fixed_dictionaries(
                            {},
                            optional={
                                "lr": st.floats(1e-6, 1, allow_nan=False),
                                "horizon": st.integers(1, 9),
                                "mpc": st.booleans(),
                            },
                        )
                    },
                ),
            ),
            min_size=1,
        ),
        "seeds": st.lists(st.integers(0, 99), min_size=1),
        "keep": st.sampled_from(["weights", "replay", "all"]),
    },
    optional={"steps": st.integers(1, 10**9), "keep_every": st.integers(1, 10**9)},
)


@given(EXPERIMENTS)
def test_what_is_stored_is_what_was_resolved(
    tmp_path_factory: pytest.TempPathFactory, described: dict[str, Any]
) -> None:
    out = tmp_path_factory.mktemp("runs")
    resolved = resolve({**described, "out": str(out)})
    store(resolved)
    assert load(out) == [resolved]


def test_storing_again_changes_nothing(tmp_path: Path) -> None:
    one = resolve({"tasks": "toy-point", "out": str(tmp_path)})
    path = store(one)
    before = path.stat().st_mtime_ns
    assert store(one) == path
    assert path.stat().st_mtime_ns == before
    assert len(list(path.parent.iterdir())) == 1


def test_a_folder_is_continued_with_all_that_was_begun_in_it(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    for seed in (1, 2):
        tdmpc2_bench.run("toy-point", agents="uniform", seeds=[seed], steps=40, eval_every=40,
                         eval_episodes=1, out=out)  # fmt: skip
    outcome = tdmpc2_bench.run(experiment=out, limits=tdmpc2_bench.Limits(workers=2))
    assert len(outcome.already) == 2
    outcome = tdmpc2_bench.run(experiment=out, steps=80, limits=tdmpc2_bench.Limits(workers=2))
    assert len(outcome.finished) == 2
    assert {job.steps for job in plan.jobs(load(out))} == {80}


def test_a_folder_without_experiments_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no experiment"):
        load(tmp_path)


def test_a_cell_named_twice_is_planned_once_for_the_larger_budget() -> None:
    one = resolve({"tasks": "toy-point", "seeds": 1, "steps": 400, "agents": [
        {"name": "tdmpc2"}, {"name": "tdmpc2", "set": {"horizon": 3}},  # 3 is the preset's
    ]})  # fmt: skip
    (job,) = plan.jobs([one, dataclasses.replace(one, steps=800)])
    assert (str(job.cell), job.steps) == ("tdmpc2/default/toy-point/1", 800)


def test_the_keys_of_a_file_are_the_fields_of_an_experiment() -> None:
    fields = {field.name for field in dataclasses.fields(Experiment)}
    assert set(experiment._KEYS) == fields | {"preset", "set"}


def test_what_is_wrong_in_a_file_is_named_where_it_stands(tmp_path: Path) -> None:
    twice = write(tmp_path / "twice.yaml", "tasks: toy-point\nseeds: 1\ntasks: toy-plane\n")
    with pytest.raises(UsageError, match=r"'tasks' is given twice\s+in \".*twice.yaml\", line 3"):
        load(twice)
    with pytest.raises(UsageError, match=r"empty\.yaml: expected keys and values.*got nothing"):
        load(write(tmp_path / "empty.yaml", ""))
    secret = write(tmp_path / "secret.yaml", "not for the screen")
    with pytest.raises(UsageError, match="got a str") as caught:
        load(secret)
    assert "screen" not in str(caught.value)


def test_a_task_in_the_place_of_a_file_is_answered_with_the_option(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="said with --task"):
        load(tmp_path / "walker-walk")
