"""A task of a suite that tdmpc2-bench has: dm_control's acrobot with a sparse reward."""

from tdmpc2_bench.task import Task

ACROBOT = Task(
    name="acrobot-swingup-sparse",
    suite="dmcontrol",
    env_id="acrobot/swingup_sparse",
    obs_dim=6,
    action_dim=1,
    episode_steps=1000,
    action_repeat=2,
    budget=4_000_000,
    eval_every=100_000,
    metric="return",
    score_max=1000.0,
    tags=frozenset({"sparse"}),
    source="dm_control.suite.acrobot",
)
