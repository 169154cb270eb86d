"""Where results come from, by the name that a user gives."""

from pathlib import Path

import pytest

pd = pytest.importorskip("pandas")

import long_tables  # noqa: E402

from tdmpc2_bench import published, sources  # noqa: E402
from tdmpc2_bench.cli import call  # noqa: E402
from tdmpc2_bench.errors import UsageError  # noqa: E402


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "x"
    arguments = ["run", "--task", "toy-point", "--agent", "uniform", "--seeds", "1-2"]
    arguments += ["--steps", "40", "--eval-every", "20", "--eval-episodes", "1"]
    assert call([*arguments, "--out", str(out)]) == 0
    return out


@pytest.mark.parametrize("part", ["", "uniform", "uniform/default"])
def test_an_experiment_or_a_part_of_it_can_be_named(experiment: Path, part: str) -> None:
    found = sources.load(str(experiment / part))
    assert len(found.table) == 6 and set(found.table["status"]) == {"done"}


def test_a_part_leaves_out_what_is_outside_it(experiment: Path, tmp_path: Path) -> None:
    copy = tmp_path / "x"
    for agent in ("uniform", "other"):
        (copy / agent).parent.mkdir(exist_ok=True)
        (copy / agent).symlink_to(experiment / "uniform")
    assert len(sources.load(str(copy)).table) == 12
    assert set(sources.load(str(copy / "other")).table["agent"]) == {"other"}


@pytest.mark.parametrize("part", ["uniform/default/toy-point", "nowhere", "published:nobody"])
def test_what_is_no_source_is_said_with_what_is_expected(experiment: Path, part: str) -> None:
    name = part if part.startswith("published") else str(experiment / part)
    with pytest.raises(UsageError, match=r"name the folder|expected|There are"):
        sources.load(name)


def test_published_records_stand_at_the_steps_that_they_answer_for() -> None:
    table = sources.load("published:tdmpc2").table
    of_dog = table[(table["task"] == "dog-run") & (table["seed"] == 1)]
    nominal = [100_000, 250_000, 500_000, 1_000_000, 2_000_000, 4_000_000, 14_000_000]
    assert sorted(of_dog["env_step"]) == nominal
    assert not table.duplicated(["task", "seed", "env_step"]).any()


def test_every_aggregate_of_the_published_table_is_found_again() -> None:
    """From the rows that comparisons use, at every budget, in every group."""
    from tdmpc2_bench import groups, lines
    from tdmpc2_bench.analysis import aggregate
    from tdmpc2_bench.variant import parse_count

    golden = pd.read_csv(Path(__file__).parent / "golden" / "published_aggregate.csv")
    golden = golden[~golden["budget"].isin(["last"]) & (golden["group"] != "pixels-12")]
    found, _ = lines.of([sources.load("published")])
    by_agent = {line.agent: line for line in found}
    members = {g.name: g.tasks for g in groups.of(by_agent["tdmpc2"].tasks)}
    assert len(golden) > 150
    for row in golden.itertuples():
        line = by_agent[row.algorithm]
        step = parse_count(row.budget)
        (scores,) = line.scores({task: [step] for task in members[row.group]})
        scores = scores[:, ~pd.isna(scores).all(axis=0)]
        assert (scores.shape[1], int((~pd.isna(scores)).sum())) == (row.n_tasks, row.n_runs)
        assert aggregate.iqm(scores) == pytest.approx(row.iqm, abs=1e-4)
        assert aggregate.mean(scores) == pytest.approx(row.mean, abs=1e-4)
        assert aggregate.median(scores) == pytest.approx(row.median_of_task_means, abs=1e-4)


def test_published_bands_hold_their_own_seeds() -> None:
    source = sources.load("published:sac")
    assert source.bands is not None and set(source.bands["agent"]) == {"sac"}
    assert set(published.AGENTS) >= {"tdmpc2", "sac", "dreamerv3", "tdmpc"}


def test_published_results_beside_others_go_as_far_as_these() -> None:
    ours = long_tables.table(
        lambda *_: 0.5, tasks=["walker-walk", "dog-run"], steps=(0, 60_000, 120_000)
    )
    ours = ours[(ours["task"] == "dog-run") | (ours["env_step"] < 100_000)]
    found = sources.published_beside([long_tables.source("runs/x", ours)])
    ends = found.table.groupby("task")["env_step"].max().to_dict()
    assert ends == {"walker-walk": 100_000, "dog-run": 250_000}
    assert found.bands is not None
    assert found.bands.groupby("task")["env_step"].max().to_dict() == {
        "walker-walk": 100_000, "dog-run": 200_000,
    }  # fmt: skip
    assert set(found.table["agent"]) == {"tdmpc2"}
