"""What a plan costs follows from measured speeds by arithmetic that was done by hand here."""

from typing import Any

import pytest

from tdmpc2_bench import cost as costs
from tdmpc2_bench import plan
from tdmpc2_bench.calibration import AgentSpeed, TaskSpeed
from tdmpc2_bench.experiment import resolve
from tdmpc2_bench.job import Job
from tdmpc2_bench.speeds import Speeds

AGENT = AgentSpeed(
    act_random=1.0, act=10.0, evaluate=100.0, update=1000.0, seed_steps=50, burst=40,
    updates_per_step=0.5, modes=2, row=10, capacity=1_000_000, checkpoint=1_000_000,
    weights=100_000, memory=5_000_000,
)  # fmt: skip
TASK = TaskSpeed(step=0.1, first=70_000_000, further=2_000_000)
KNOWN = Speeds(AGENT, TASK)


def jobs(**described: Any) -> list[Job]:
    """On toy-point: 2 environment steps per agent step, 20 agent steps per episode."""
    defaults = {"agents": "uniform", "tasks": "toy-point", "seeds": 1, "eval_episodes": 3}
    return plan.jobs([resolve({**defaults, **described})])


def cost(job: Job, known: Speeds = KNOWN) -> costs.Cost:
    (found,) = costs.of_jobs([job], [known]).costs
    return found


def test_hours_are_the_sum_of_acting_learning_stepping_and_evaluating() -> None:
    """100 agent steps: 50 at random, then 50 that bring 25 updates after a burst of 40."""
    (job,) = jobs(steps=200, eval_every=100)
    acting, learning, stepping = 50 * 1 + 50 * 10, (40 + 25) * 1000, 100 * 0.1
    evaluations = 3  # at 0, 100 and 200
    evaluating = evaluations * 20 * (100 + 3 * 2 * 0.1)
    assert cost(job).seconds == pytest.approx(acting + learning + stepping + evaluating)


def test_a_budget_within_the_random_steps_brings_no_updates() -> None:
    (job,) = jobs(steps=80, eval_every=80)
    assert cost(job).seconds == pytest.approx(40 * 1.1 + 2 * 20 * 100.6)


def test_an_evaluation_at_the_end_is_counted_beside_the_cadence() -> None:
    (uneven,) = jobs(steps=240, eval_every=100)
    (even,) = jobs(steps=240, eval_every=80)
    assert cost(uneven).seconds == pytest.approx(cost(even).seconds)  # 0 100 200 240; 0 80 160 240


def test_replay_takes_a_row_per_step_and_reset_until_its_capacity() -> None:
    (short,) = jobs(steps=2_000)
    assert cost(short).memory == 5_000_000 + 70_000_000 + 3 * 2_000_000 + (1000 + 50) * 10
    (long,) = jobs(steps=20_000_000)
    assert cost(long).memory - cost(short).memory == (1_000_020 - 1050) * 10


@pytest.mark.parametrize(
    ("keep", "stays"), [("weights", 0), ("replay", 10_500), ("all", 10_500 + 2 * 1_000_000)]
)
def test_what_stays_on_disk_is_what_is_kept(keep: str, stays: int) -> None:
    (job,) = jobs(steps=2_000, keep=keep)
    (other,) = jobs(steps=2_000, keep="weights")
    assert cost(job).kept - cost(other).kept == stays
    assert cost(job).working == cost(other).working
    assert cost(job).working - cost(job).kept == 3_000_000 + 10_500 - stays


def test_weights_along_the_way_take_room() -> None:
    (plain,), (kept,) = jobs(steps=2_000), jobs(steps=2_000, keep_every=500)
    assert cost(kept).kept - cost(plain).kept == 4 * 100_000


def test_what_was_not_measured_is_said_and_counts_nothing() -> None:
    (job,) = jobs(steps=200, eval_every=100)
    found = costs.of_jobs([job], [Speeds(AGENT, None, ("no simulator",))])
    assert found.unknown == ["no simulator"]
    assert found.seconds == pytest.approx(cost(job).seconds - (100 + 3 * 20 * 6) * 0.1)


def test_workers_take_the_next_cell_when_they_are_free() -> None:
    """Cells of 1, 1, 4 and 2: the second worker takes 1 and 4, the first 1 and 2."""
    assert costs._makespan([1, 1, 4, 2], 2) == 5
    assert costs._makespan([1, 1, 4, 2], 1) == 8
    assert costs._makespan([1, 1, 4, 2], 9) == 4
    assert costs._makespan([], 2) == 0


def test_disk_and_memory_are_those_of_the_largest_at_the_same_time() -> None:
    planned = jobs(seeds="1-3", steps=2_000, keep="weights")
    found = costs.of_jobs(planned, [KNOWN] * 3, workers=2)
    one = cost(planned[0])
    assert found.memory == 2 * one.memory
    assert found.disk == 3 * one.kept + 2 * (one.working - one.kept)


def fitting(planned: list[Job], seconds: float, workers: int = 1) -> dict[str, costs.Proposal]:
    known = [KNOWN] * len(planned)
    found = costs.proposals(planned, known, workers=workers, seconds=seconds)
    return {one.options.partition(" ")[0]: one for one in found}


def test_a_plan_that_is_too_long_is_made_to_fit_in_three_ways() -> None:
    planned = jobs(tasks="toy-point,toy-plane", seeds="1-3", steps=2_000, eval_every=500)
    whole = costs.of_jobs(planned, [KNOWN] * 6).seconds
    found = fitting(planned, 0.7 * whole)
    assert found["--seeds"].options == "--seeds 1,2" and found["--seeds"].cells == 4
    assert found["--steps"].options == "--steps 1000" and found["--steps"].cells == 6
    assert found["--task"].cells == 3
    for proposal in found.values():
        assert proposal.seconds <= 0.7 * whole


def test_proposals_are_as_large_as_fits() -> None:
    planned = jobs(seeds="1-5", steps=2_000, eval_every=500)
    whole = costs.of_jobs(planned, [KNOWN] * 5).seconds
    assert fitting(planned, 0.61 * whole)["--seeds"].options == "--seeds 1,2,3"
    steps = int(fitting(planned, 0.61 * whole)["--steps"].options.split()[1])
    longer = jobs(seeds="1-5", steps=steps + 500, eval_every=500)
    assert costs.of_jobs(longer, [KNOWN] * 5).seconds > 0.61 * whole


def test_a_proposal_costs_what_its_option_does() -> None:
    """The option lengthens a task whose own budget is shorter."""
    described = {"tasks": "toy-point,walker-run", "seeds": "1-2"}
    planned = jobs(**described)
    whole = costs.of_jobs(planned, [KNOWN] * 4).seconds
    found = fitting(planned, 0.5 * whole)["--steps"]
    steps = int(found.options.split()[1])
    assert 4_000 < steps < 4_000_000
    asked = jobs(**described, steps=steps)
    assert found.seconds == costs.of_jobs(asked, [KNOWN] * 4).seconds <= 0.5 * whole


def test_more_workers_fit_more() -> None:
    planned = jobs(seeds="1-4", steps=2_000, eval_every=500)
    whole = costs.of_jobs(planned, [KNOWN] * 4).seconds
    assert fitting(planned, 0.5 * whole)["--seeds"].cells == 2
    assert fitting(planned, 0.4 * whole, workers=2)["--seeds"].cells == 2
    assert costs.of_jobs(planned, [KNOWN] * 4, workers=2).seconds == whole / 2


def test_where_nothing_fits_nothing_is_proposed() -> None:
    assert fitting(jobs(steps=2_000), 1.0) == {}
