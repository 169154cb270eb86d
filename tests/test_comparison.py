"""Verdicts: of one task a description, of many a test; and where lines stand."""

import json
from pathlib import Path

import numpy as np
import pytest

pd = pytest.importorskip("pandas")

from long_tables import constant, source, table  # noqa: E402

from tdmpc2_bench import comparison, lines, registry, sources  # noqa: E402
from tdmpc2_bench.cli import call  # noqa: E402
from tdmpc2_bench.comparison import Comparison, Method  # noqa: E402
from tdmpc2_bench.errors import UsageError  # noqa: E402

QUICK = Method(reps=50)
WALK = "walker-walk"
MANY = [row.name for row in registry.select("suite:metaworld")][:8]


def noisy(level: float, spread: float = 0.01) -> "pd.DataFrame":
    """Eight tasks whose seeds scatter around a level."""
    rng = np.random.default_rng(5)
    noise = {(t, s): rng.normal(0, spread) for t in MANY for s in range(1, 9)}
    return table(lambda t, s, _: level + noise[t, s], tasks=MANY)


def compared(
    monkeypatch: pytest.MonkeyPatch, ours: "pd.DataFrame", theirs: "pd.DataFrame"
) -> Comparison:
    made = {"ours": source("ours", ours), "theirs": source("theirs", theirs)}
    monkeypatch.setattr(sources, "load", made.__getitem__)
    return comparison.compare(["ours", "theirs"], method=QUICK)


@pytest.mark.parametrize(
    ("level", "verdict"), [(0.5, "match"), (0.52, "match"), (0.7, "better"), (0.3, "worse")]
)
def test_many_tasks_carry_a_verdict(
    monkeypatch: pytest.MonkeyPatch, level: float, verdict: str
) -> None:
    found = compared(monkeypatch, noisy(level), noisy(0.5))
    (group,) = found.pairs[0].groups
    assert (group.group, group.verdict, group.tasks, group.left_out) == ("metaworld", verdict, 8, 0)
    assert group.difference == pytest.approx(level - 0.5)


def test_seeds_that_scatter_widely_leave_it_open_and_say_how_many_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = compared(monkeypatch, noisy(0.5, spread=0.3), noisy(0.56, spread=0.3))
    (group,) = found.pairs[0].groups
    assert group.verdict == "inconclusive"
    assert group.seeds_needed is not None and group.seeds_needed > 10


def test_few_tasks_or_single_seeds_are_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    few = noisy(0.5)
    few = few[few["task"].isin(MANY[:4])]
    assert compared(monkeypatch, few, noisy(0.5)).pairs[0].groups[0].verdict == "not enough"
    alone = noisy(0.5)
    alone = alone[(alone["seed"] == 1) | (alone["task"] == MANY[0])]
    (group,) = compared(monkeypatch, alone, noisy(0.5)).pairs[0].groups
    assert (group.verdict, group.tasks, group.left_out) == ("not enough", 1, 7)


def test_lines_that_never_meet_have_no_common_point_and_no_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    early = table(constant([0.5] * 3), tasks=[WALK], steps=(0, 10_000))
    late = table(constant([0.5] * 3), tasks=[WALK], steps=(100_000, 200_000))
    found = compared(monkeypatch, early, late)
    assert [one.verdict for one in found.pairs[0].tasks] == ["no common point"]
    assert [(one.verdict, one.left_out) for one in found.pairs[0].groups] == [("not enough", 1)]
    assert found.standings == () and "nothing to rank" in found.warnings[-1]


def test_a_line_is_not_judged_at_a_step_that_it_has_not_reached() -> None:
    ours = table(lambda _t, _s, step: step / 1e6, tasks=[WALK], steps=range(0, 400_001, 100_000))
    (line, reference), _ = lines.of([source("ours", ours), sources.load("published:tdmpc2")])
    (task,) = comparison.compare_pair(line, reference, QUICK).tasks
    assert task.env_step == 300_000  # published at 300,000 and 500,000


def test_single_seeds_have_no_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    one = table(constant([0.5]), tasks=[WALK], seeds=[1])
    found = compared(monkeypatch, one, table(constant([0.4, 0.6]), tasks=[WALK], seeds=[1, 2]))
    alone, several = (
        next(row for row in found.standings if row.line == f"tdmpc2 ({name})")
        for name in ("ours", "theirs")
    )
    assert np.isnan(alone.values["mean"][1:]).all() and np.isfinite(several.values["mean"]).all()


def test_means_of_several_evaluations_are_refused_beside_published_records() -> None:
    with pytest.raises(UsageError, match="leave it at 1"):
        comparison.compare(["published:sac", "published:tdmpc"], method=Method(last=3))


def test_a_single_seed_of_a_single_task_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    one = table(constant([0.5]), tasks=[WALK], seeds=[1])
    (group, *_) = compared(monkeypatch, one, one).pairs[0].groups
    assert (group.verdict, group.tasks, group.left_out, group.p) == ("not enough", 0, 1, None)


@pytest.mark.parametrize(
    ("score", "verdict"),
    [(0.36, "inside"), (0.34, "below"), (0.64, "inside"), (0.66, "above")],
)
def test_a_task_is_described_by_the_references_range_widened(
    monkeypatch: pytest.MonkeyPatch, score: float, verdict: str
) -> None:
    ours, theirs = (
        table(constant(seeds), tasks=[WALK]) for seeds in ([score] * 3, [0.4, 0.5, 0.6])
    )
    (task,) = compared(monkeypatch, ours, theirs).pairs[0].tasks
    assert (task.verdict, task.env_step, task.p) == (verdict, 200_000, None)
    assert (task.low, task.high) == (pytest.approx(0.4), pytest.approx(0.6))


def test_only_five_seeds_on_both_sides_give_a_task_a_p_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = (
        table(constant([level + i / 100 for i in range(5)]), tasks=[WALK], seeds=range(1, 6))
        for level in (0.8, 0.2)
    )
    (task,) = compared(monkeypatch, ours, theirs).pairs[0].tasks
    assert task.p == pytest.approx(2 / 252)  # of 10 over 5 relabellings the two extreme ones
    four = theirs[theirs["seed"] < 5]
    assert compared(monkeypatch, ours, four).pairs[0].tasks[0].p is None


def test_lines_are_compared_at_steps_that_both_have(monkeypatch: pytest.MonkeyPatch) -> None:
    def rising(_task: str, _seed: int, step: int) -> float:
        return step / 1e6

    short = table(rising, tasks=[WALK], steps=(0, 100_000))
    far = table(rising, tasks=[WALK], steps=range(0, 900_001, 100_000))
    (task,) = compared(monkeypatch, short, far).pairs[0].tasks
    assert task.env_step == 100_000 and task.high == pytest.approx(0.1)


def test_standings_are_over_shared_tasks_best_first_with_coverage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = table(constant([0.9, 0.9, 0.9]), tasks=[WALK, "walker-run"])
    theirs = table(constant([0.2, 0.3, 0.4]), tasks=[WALK])
    found = compared(monkeypatch, theirs, ours)
    rows = [row for row in found.standings if row.group == "dmcontrol"]
    assert [row.line for row in rows] == ["tdmpc2 (theirs)", "tdmpc2 (ours)"]
    value, low, high = rows[1].values["mean"]
    assert value == pytest.approx(0.3) and 0.2 <= low < value < high <= 0.4
    assert rows[0].coverage.describe() == "3 seeds x 1 task"


def test_every_variant_is_compared_with_its_like_and_the_rest_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual, longer = (
        table(constant([0.5] * 3), tasks=[WALK], variant=name) for name in ("default", "horizon=5")
    )
    other = table(constant([0.5] * 3), tasks=[WALK], agent="sac")
    found = compared(monkeypatch, pd.concat([usual, longer, other]), pd.concat([longer, usual]))
    assert [(pair.line, pair.reference) for pair in found.pairs] == [
        ("tdmpc2 (ours)", "tdmpc2 (theirs)"),
        ("tdmpc2 horizon=5 (ours)", "tdmpc2 horizon=5 (theirs)"),
    ]
    assert found.warnings == ("sac (ours): there is nothing to compare it with",)


def test_variants_of_one_experiment_are_compared_with_the_first_of_their_agent() -> None:
    parts = [
        table(constant([0.5] * 3), tasks=[WALK], agent=agent, variant=variant)
        for agent in ("sac", "tdmpc2")
        for variant in ("default", "width=5")
    ]
    found, _ = lines.of([source("runs/x", *parts)])
    pairs, unpaired = comparison.pair_up(found, QUICK, only_same_agent=True)
    assert [(pair.line, pair.reference) for pair in pairs] == [
        ("sac width=5", "sac"),
        ("tdmpc2 width=5", "tdmpc2"),
    ]
    assert unpaired == []
    pairs, _ = comparison.pair_up(found, QUICK, only_same_agent=False)
    assert {pair.reference for pair in pairs} == {"sac"} and len(pairs) == 3


def test_the_published_results_match_themselves() -> None:
    """As another experiment's: where seeds scatter too much for a match, it is left open."""
    published = sources.load("published:tdmpc2")
    ours = sources.Source("runs/x", published.table, intervals=published.intervals)
    (line, reference), _ = lines.of([ours, published])
    pair = comparison.compare_pair(line, reference, QUICK)
    verdicts = {one.group: one.verdict for one in pair.groups}
    assert [name for name, word in verdicts.items() if word == "inconclusive"] == ["maniskill2"]
    assert set(verdicts.values()) == {"match", "inconclusive"}
    assert {one.verdict for one in pair.tasks} == {"inside"} and len(pair.tasks) == 104


def test_an_agent_that_nothing_is_published_of_is_refused(tmp_path: Path) -> None:
    arguments = ["run", "--task", "toy-point", "--agent", "uniform", "--seeds", "1"]
    arguments += ["--steps", "20", "--eval-every", "20", "--eval-episodes", "1"]
    assert call([*arguments, "--out", str(tmp_path)]) == 0
    with pytest.raises(UsageError, match="nothing is published of uniform; there is: dreamerv3"):
        comparison.compare([str(tmp_path)], published=True)


def test_the_command_prints_verdicts_and_how_they_were_reached(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["compare", "published:tdmpc2", "published:sac", "--reps", "50"]
    assert call(arguments) == 0
    text = capsys.readouterr().out
    assert "tdmpc2 (published), compared with sac (published)" in text
    assert "50 resamples, seed 1" in text and "better" in text
    assert call([*arguments, "--by-task"]) == 0
    assert "dog-run" in capsys.readouterr().out


def test_json_is_json_and_fail_on_decides_the_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["compare", "published:tdmpc2", "published:sac", "--reps", "20", "--json"]
    assert call([*arguments, "--fail-on", "worse,below"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    verdicts = {group["group"]: group["verdict"] for group in found["pairs"][0]["groups"]}
    assert verdicts["all"] == "better"
    assert call([*arguments, "--fail-on", "worse,no-common-point,above"]) == 2
    assert "dog-run: above" in capsys.readouterr().err
    assert call([*arguments, "--fail-on", "wrose"]) == 1
    assert "Did you mean 'worse'?" in capsys.readouterr().err


def test_a_source_named_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="named twice"):
        comparison.compare(["published:sac", "published:sac"])
