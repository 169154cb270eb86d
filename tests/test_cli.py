"""The command line: what it prints, what it refuses, and with which exit code it leaves."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tdmpc2_bench.cli import call

TOY = ["run", "--task", "toy-point", "--agent", "uniform", "--seeds", "1-2", "--eval-episodes", "2"]


def toy(out: Path, *more: str) -> list[str]:
    return [*TOY, "--steps", "400", "--eval-every", "200", "--out", str(out), *more]


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_ls_tasks_lists_104_with_every_column_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["ls", "tasks", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 104
    columns = {"name", "suite", "aliases", "env_id", "obs_dim", "action_dim", "episode_steps"}
    columns |= {"episode_agent_steps", "action_repeat", "discount", "seed_steps", "budget"}
    columns |= {"eval_every", "metric", "score_max", "terminates", "distributions"}
    columns |= {"tags", "source"}
    assert all(columns == set(row) for row in rows)


@pytest.mark.parametrize("what", ["tasks", "suites", "agents", "presets"])
def test_every_list_prints_for_people_and_for_programs(
    what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["ls", what]) == 0
    assert "tdmpc2" in (text := capsys.readouterr().out) or "dmcontrol" in text
    assert call(["ls", what, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_ls_agents_tells_sizes_and_how_to_have_times_that_are_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert call(["ls", "agents"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"^tdmpc2 +2 +4,960,618 +not measured ", text, re.MULTILINE)
    assert "one seed of walker-walk (24 observations, 6 actions, 4,000,000" in text
    assert re.search(r"plan --task walker-walk --agent tdmpc2,\S*uniform --seeds 1$", text.strip())


def test_ls_agents_tells_the_time_that_plan_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert (
        call(["plan", "--task", "toy-point", "--agent", "uniform", "--seeds", "1", "--json"]) == 0
    )
    hours = json.loads(capsys.readouterr().out)["total"]["hours"]
    assert call(["ls", "agents", "--task", "toy-point", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["uniform"]["hours"] == hours > 0 and rows["uniform"]["parameters"] == 0
    assert rows["tdmpc2"]["hours"] is None and rows["tdmpc2"]["task"] == "toy-point"
    assert call(["ls", "agents", "--task", "toy-point"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("uniform"))
    assert "not measured" not in line


def test_ls_tasks_takes_patterns(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["ls", "tasks", "dog-*", "tag:sparse", "--json"]) == 0
    names = {row["name"] for row in json.loads(capsys.readouterr().out)}
    assert {"dog-run", "cup-catch"} <= names
    assert "walker-run" not in names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "wlker-walk"], "Did you mean 'walker-walk'"),
        (["--task", "zebra"], "ls tasks"),
        (["--task", "zebra-*"], "no task named 'zebra-*'"),
        (["--task", "tag:custm"], "Did you mean 'custom'"),
        (["--suite", "dmcontrl"], "Did you mean 'dmcontrol'"),
        ([], "say what to train on"),
        (["--task", "toy-point", "--agent", "unifrm"], "Did you mean 'uniform'"),
        (["--task", "toy-point", "--agent", "uniform", "--set", "horizon=5"], "agent uniform"),
        (["--task", "toy-point", "--preset", "papr"], "Did you mean 'paper'"),
        (["--task", "toy-point", "--set", "horizn=5"], "Did you mean 'horizon'"),
        (["--task", "toy-point", "--set", "horizon"], "expected key=value"),
        (["--task", "toy-point", "--set", "horizon=x"], "no whole number"),
        (["--task", "toy-point", "--set", "horizon=0"], "expected at least 1"),
        (["--task", "toy-point", "--set", "size=6"], "Expected one of 1, 5"),
        (["--task", "toy-point", "--set", "mpc=maybe"], "expected on or off"),
        (["--task", "toy-point", "--set", "lr=fast"], "expected a float"),
        (["--task", "toy-point", "--set", "num_q=1"], "expected at least 2"),
        (["--task", "toy-point", "--set", "horizon=5,horizon=3"], "given twice"),
        (["--task", "toy-point", "--set", "actor=det,mpc=off"], "never explore"),
        (["--task", "toy-point", "--seeds", "3-1"], "expected numbers and ranges"),
        (["--task", "toy-point", "--seeds", "1-1000000000"], "at most 10,000"),
        (["--task", "toy-point", "--seeds", "one"], "expected numbers and ranges"),
        (["--task", "toy-point", "--steps", "lots"], "no whole number"),
        (["--task", "toy-point", "--steps", "0"], "at least 1, got 0"),
        (["--task", "toy-point", "--steps", "401"], "expected a multiple of 2"),
        (["--task", "toy-point", "--eval-every", "33"], "expected a multiple of 2"),
        (["--task", "toy-point", "--eval-episodes", "0"], "at least 1, got 0"),
        (["--task", "toy-point", "--workers", "0"], "workers"),
        (["--task", "toy-point", "--device", "gpu"], "expected cpu, cuda"),
        (["--tusk", "toy-point"], "--task"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_refused_before_anything_is_written(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    assert call(["run", *arguments, "--out", str(out)]) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.usefixtures("toy_cannot_run")
def test_a_suite_that_cannot_run_yet_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["run", "--suite", "toy"]) == 1
    assert "not yet run in this version" in capsys.readouterr().err


def test_a_file_in_place_of_the_experiments_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs").write_text("mine")
    assert call(toy(tmp_path / "runs")) == 1
    assert "is a file" in capsys.readouterr().err
    assert (tmp_path / "runs").read_text() == "mine"


def test_an_unknown_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["rum"]) == 1
    assert "rum" in capsys.readouterr().err


def test_a_dry_run_shows_the_cells_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    assert (
        call(["run", "--suite", "all", "--set", "horizon=5", "--dry-run", "--out", str(out)]) == 0
    )
    text = capsys.readouterr().out
    assert "tdmpc2/horizon=5/walker-walk/3  4,000,000 environment steps" in text
    assert "312 cells" in text
    assert not out.exists()


def test_a_budget_that_is_all_random_is_pointed_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["run", "--task", "walker-walk", "--steps", "5k", "--seeds", "1-2", "--dry-run"]
    assert call(arguments) == 0
    (warning,) = capsys.readouterr().err.splitlines()
    assert "the first 5,000 environment steps are random" in warning
    assert call([*arguments, "--set", "seed_steps=1000"]) == 0
    assert capsys.readouterr().err == ""


def test_run_status_eval_and_report_agree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pandas")
    out = tmp_path / "runs"
    assert call(toy(out)) == 0
    assert call(["status", str(out), "--json"]) == 0
    status = json.loads(
        capsys.readouterr().out.partition("finished\n")[2].rpartition("2 finished\n")[2]
    )
    assert status["counts"] == {"done": 2}
    first = status["cells"][0]
    assert (first["env_step"], first["budget"], first["seed"]) == (400, 400, 1)

    cell = out / "uniform" / "default" / "toy-point" / "1"
    assert call(["eval", str(cell), "--episodes", "2", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["gap"] is None and shown["task"] == "toy-point"
    played = shown["modes"]["sample"]["returns"]
    rows = (cell / "attempt-1" / "evals.csv").read_text().splitlines()
    recorded = [float(row.split(",")[5]) for row in rows if row.startswith("400,")]
    assert played == recorded

    assert call(["report", str(out)]) == 0
    for suffix in ("png", "svg", "pdf", "csv"):
        assert (out / "report" / "figures" / f"curves-toy-point.{suffix}").stat().st_size > 0
    assert (out / "report" / "index.html").stat().st_size > 0


def test_the_same_command_again_changes_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(toy(tmp_path / "runs")) == 0
    before = files(tmp_path)
    assert call(toy(tmp_path / "runs")) == 0
    assert files(tmp_path) == before
    assert "2 finished before" in capsys.readouterr().out


def test_one_failing_cell_does_not_end_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    broken = out / "uniform" / "default" / "toy-point" / "1"
    broken.mkdir(parents=True)
    (broken / "run.json").write_text("{}")
    assert call(toy(out, "--workers", "2")) == 2
    printed = capsys.readouterr()
    assert "1 finished, 1 failed" in printed.out
    assert "run.json is damaged" in printed.err


def test_a_damaged_result_is_reported_and_not_trained_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    assert call(toy(out)) == 0
    (victim,) = out.glob("uniform/default/toy-point/1/attempt-1/evals.csv")
    victim.write_text("env_step\n")
    before = files(out)
    assert call(toy(out)) == 2
    assert "damaged" in capsys.readouterr().err
    assert files(out) == before


def test_ctrl_c_stops_resumably_and_the_same_command_finishes(tmp_path: Path) -> None:
    arguments = [*TOY, "--steps", "40k", "--eval-every", "20k", "--workers", "2"]
    command = [sys.executable, "-P", "-m", "tdmpc2_bench", *arguments, "--out", "runs"]
    started = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("runs/*/*/*/*/attempt-1/train.jsonl"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    started.send_signal(2)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == 3, errors
    assert b"The same command continues" in errors

    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    undisturbed = [*command[:-1], "other"]
    assert (
        subprocess.run(undisturbed, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    )
    for seed in ("1", "2"):
        cell = Path("uniform/default/toy-point") / seed
        (interrupted,) = (tmp_path / "runs" / cell).glob("attempt-*/evals.csv")
        (straight,) = (tmp_path / "other" / cell).glob("attempt-*/evals.csv")
        assert interrupted.read_bytes() == straight.read_bytes()


def test_a_report_without_results_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pandas")
    assert call(["report", str(tmp_path)]) == 1
    assert "no results" in capsys.readouterr().err


def test_evaluating_what_is_no_cell_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["eval", str(tmp_path)]) == 1
    assert "holds no trained agent" in capsys.readouterr().err


LOADED = (
    "import sys; from tdmpc2_bench.cli import call; call({arguments}); "
    "heavy = ('torch', 'gymnasium', 'dm_control', 'mujoco', 'pandas', 'matplotlib', "
    "'stable_baselines3'); "
    "print([m for m in heavy if m in sys.modules], file=sys.stderr)"
)


@pytest.mark.parametrize(
    "arguments",
    [["ls", "tasks"], ["ls", "presets"], ["ls", "agents"], ["--help"], ["doctor", "--help"]],
)
def test_listing_loads_nothing_heavy(arguments: list[str]) -> None:
    command = [sys.executable, "-P", "-c", LOADED.format(arguments=arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_a_finished_grid_is_recognised_without_torch_or_simulators(tmp_path: Path) -> None:
    assert call(toy(tmp_path / "runs")) == 0
    code = LOADED.format(arguments=toy(tmp_path / "runs"))
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert "2 finished before" in done.stdout
    assert not {"torch", "dm_control", "mujoco"} & set(done.stderr.split("'"))


def test_ls_tasks_takes_little_longer_than_its_libraries_to_import() -> None:
    """Median of turns, since a shared machine's speed drifts."""
    listing = "from tdmpc2_bench.cli import call; call(['ls', 'tasks'])"
    libraries = "import numpy, click, rich"

    def seconds(code: str) -> float:
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-P", "-c", code], check=True, capture_output=True)
        return time.perf_counter() - begin

    ratios = sorted(seconds(listing) / seconds(libraries) for _ in range(9))
    assert ratios[4] < 1.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--task", "toy-point", "--device", "cuda"], "found no GPU"),
        (["--suite", "gym"], "suite:gym selects none"),
    ],
)
def test_what_is_refused_leaves_nothing_behind(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    message: str,
) -> None:
    monkeypatch.setattr("tdmpc2_bench.gpus._free_memory", dict)
    assert call(["run", *options, "--out", str(tmp_path / "runs")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_cannot_be_made_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/proc/self").exists():
        pytest.skip("needs a folder that even root cannot write")
    assert call(toy(Path("/proc/nowhere"))) == 2
    assert "cannot write /proc/nowhere" in capsys.readouterr().err


def test_the_live_table_leaves_task_and_seed_to_be_seen(tmp_path: Path) -> None:
    from rich.console import Console

    from tdmpc2_bench.cli import progress
    from tdmpc2_bench.grid import Outcome
    from tdmpc2_bench.job import Job
    from tdmpc2_bench.runner_process import RunnerProcess

    settings = {"size": 1, "num_samples": 64, "num_elites": 16, "iterations": 3, "seed_steps": 200}
    todo = Job(
        root=str(tmp_path), agent="tdmpc2", preset="paper", overrides=settings, task="walker-walk",
        seed=7, steps=100, eval_every=50, eval_episodes=1,
    )  # fmt: skip

    class Starting(RunnerProcess):
        def __init__(self) -> None:
            self.job, self.cell = todo, todo.cell

        def progress(self) -> dict[str, object]:
            return {}

    console = Console(width=80, record=True, quiet=False)
    with console.capture() as captured:
        console.print(progress._table(progress._rows([Starting()], {}), Outcome()))
    assert "walker-walk/7" in captured.get()
