"""`tdmpc2-bench import`: the examples of its page, what it prints, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pages
import pytest

from tdmpc2_bench import imported
from tdmpc2_bench.cli import call

pytest.importorskip("pyarrow")
PAGE = "docs/importing.md"
EXAMPLES = [one for one in pages.commands(PAGE) if one[0] == "import" and len(one) > 1]


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the page spells out, and small ones for those it only names."""
    monkeypatch.chdir(tmp_path)
    files = {
        name: text.split("\n", 1)[1] for name, text in pages.files(PAGE, "csv").items()
    } | pages.files(PAGE, "yaml")
    files["tdmpc2/results/sac/dog-run.csv"] = "step,reward,seed\n0,1.5,1\n"
    files["bmpc/results/dog-run.csv"] = "step,reward,seed\n0,1.5,1\n"
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_the_page_has_an_example_of_every_kind() -> None:
    assert len(EXAMPLES) == 7
    assert {"openrl.csv", "logs", "wandb.csv", "scores.csv"} <= {one[1] for one in EXAMPLES}


def test_every_example_of_the_page_works(examples: Path) -> None:
    found = {}
    for index, command in enumerate(EXAMPLES):
        place = command.index("--out") + 1
        out = examples / f"out-{index}"
        assert call([*command[:place], str(out)]) == 0, command
        found[" ".join(command[1:])] = imported.read(out).table
    by_options, by_file = (
        found[key].drop(columns="fingerprint") for key in found if key.startswith("openrl")
    )
    assert by_options.equals(by_file) and set(by_file["task"]) == {"walker-walk", "cheetah-run"}
    (zoo,) = [found[key] for key in found if key.startswith("logs")]
    assert zoo[["env_step", "value"]].to_numpy().tolist() == [[50_000, 341.7], [100_000, 655.0]]
    (scores,) = [found[key] for key in found if key.startswith("scores")]
    best = scores[scores["agent"] == "SimbaV2"].set_index("task")["score"].to_dict()
    assert best == {"dog-run": 0.5621, "walker-run": 0.8142, "mw-door-open": 0.99}
    (panel,) = [found[key] for key in found if key.startswith("wandb")]
    assert set(panel["metric"]) == {"return", "success"} and len(panel) == 5


def test_what_is_found_and_done_is_printed(
    examples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["import", "tdmpc2/results", "--out", "runs/authors"]
    assert call(command) == 0
    printed = capsys.readouterr().out
    assert "missing tasks" in printed and "never counted as 0" in printed
    assert "imported: runs/authors, as authors, fingerprint imported:" in printed
    assert call(command) == 0
    assert "was imported before, and is the same" in capsys.readouterr().out
    assert call(["import", "bmpc/results", "--agent", "bmpc", "--out", "runs/authors"]) == 1
    assert "holds something else already" in capsys.readouterr().err


def test_a_refused_source_leaves_no_folder_and_exit_code_1(
    examples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.csv").write_text("agent,task,seed,env_step,value\nsac,dog-run,1,0,=cmd()\n")
    assert call(["import", "bad.csv", "--out", "runs/bad"]) == 1
    printed = capsys.readouterr()
    assert "bad.csv:2" in printed.out and "nothing was written: 1 problem" in printed.err
    assert call(["import", "bad.csv", "--out", "runs/bad", "--json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["folder"] is None and shown["findings"][0]["line"] == 2
    assert not Path("runs").exists()


def test_json_is_what_import_json_says(examples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["import", "tdmpc2/results", "--out", "out", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    manifest = json.loads(Path("out/import.json").read_bytes())
    assert shown == {"folder": "out", "new": True, **manifest}
    (entry,) = manifest["files"].values()
    assert entry["size"] == 25 and len(entry["sha256"]) == 64


def test_many_findings_of_a_kind_are_not_all_printed(
    examples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"sac,task-{n},1,0,1\n" for n in range(30))
    Path("bad.csv").write_text(f"agent,task,seed,env_step,value\n{rows}")
    assert call(["import", "bad.csv", "--out", "out"]) == 1
    printed = capsys.readouterr().out
    assert printed.count("no task named") == 8 and "22 more: unknown task" in printed


def test_options_add_to_the_file(examples: Path) -> None:
    Path("more.yaml").write_text("perfect: 1000\ncolumns: {task: nothing}\n")
    command = ["import", "scores.csv", "--mapping", "more.yaml", "--budget", "1M"]
    command += [
        "--column",
        "task=env",
        "--rename-task",
        "{}-v2=mw-{}",
        "--perfect",
        "metaworld=100",
    ]
    assert call([*command, "--out", "out"]) == 0
    assert imported.read(Path("out")).table["score"].max() == 0.99


@pytest.mark.parametrize(
    "options",
    [["--column", "task"], ["--column", "task=a", "--column", "task=b"], ["--rename-task", "=x"]],
)
def test_options_without_two_names_are_wrong_usage(
    examples: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    assert call(["import", "scores.csv", "--budget", "1M", "--out", "out", *options]) == 1
    assert "expected two names" in capsys.readouterr().err


def test_asking_for_help_loads_no_table_library() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from tdmpc2_bench.cli import call; call(['import', '--help']); "
        "print({'pandas', 'pyarrow', 'scipy'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "set()"
