"""The 11 tasks of our own are the paper's: rewards worked out by hand, starts, models."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("dm_control", reason="needs tdmpc2-bench[dmcontrol]")

from dm_control import suite
from dm_control.rl import control

from tdmpc2_bench.suites.dmcontrol_custom import FACTORIES, floor

# The stock task whose model and starts a task of ours shares; reacher has a model of its own.
STOCK_SIBLING = {
    "ball_in_cup/spin": "ball_in_cup/catch",
    "cheetah/jump": "cheetah/run",
    "cheetah/run_back": "cheetah/run",
    "cheetah/run_backwards": "cheetah/run",
    "cheetah/run_front": "cheetah/run",
    "hopper/hop_backwards": "hopper/hop",
    "pendulum/spin": "pendulum/swingup",
    "walker/run_backwards": "walker/run",
    "walker/walk_backwards": "walker/walk",
}
# The floors that ours has at twice the length: geom, stock half length in metres.
LONGER_FLOOR = {"walker": ("floor", 250.0), "cheetah": ("ground", 100.0)}

SEEDS = range(300)


@functools.cache
def _environment(env_id: str) -> control.Environment:
    if env_id in FACTORIES:
        return FACTORIES[env_id]()
    return suite.load(*env_id.split("/"))


def _start(env_id: str, seed: int) -> Any:
    """Begin the episode of ``seed`` and return the physics."""
    environment = _environment(env_id)
    environment.task.random.seed(seed)
    environment.reset()
    return environment.physics


def _reward(env_id: str, qpos: dict[str, float], qvel: dict[str, float]) -> Any:
    """Return the reward at the model's default state but for the joints named."""
    environment = _environment(env_id)
    physics = environment.physics
    with physics.reset_context():
        for joint, position in qpos.items():
            physics.named.data.qpos[joint] = position
        for joint, velocity in qvel.items():
            physics.named.data.qvel[joint] = velocity
    return environment.task.get_reward(physics)


def _short_by(margins: float) -> float:
    """Return the Gaussian tolerance at so many margins from its bounds: 0.1 at one."""
    return float(0.1**margins**2)


# By default the torso is 1.3 m up and upright (standing 1); rootz moves it, rooty turns it.
WALKER: list[tuple[str, dict[str, float], float, float]] = [
    ("walk", {}, -1.0, 1.0),
    ("walk", {}, -3.0, 1.0),
    ("walk", {}, -0.5, 3.5 / 6),  # half the speed: moving 0.5, (5 * 0.5 + 1) / 6
    ("walk", {}, 0.0, 1 / 6),
    ("walk", {}, 1.0, 1 / 6),
    ("walk", {"rootz": -0.7}, -1.0, 1.3 / 4),  # 0.6 m up: (3 * 0.1 + 1) / 4
    ("walk", {"rooty": np.pi}, -1.0, 3 / 4),  # head down: (3 * 1 + 0) / 4
    ("walk", {"rooty": np.pi / 2}, -0.5, 3.5 / 4 * 3.5 / 6),  # lying: (3 * 1 + 0.5) / 4
    ("run", {}, -8.0, 1.0),
    ("run", {}, -4.0, 3.5 / 6),
    ("run", {}, -2.0, 2.25 / 6),  # 6 short, 1.5 margins: moving 0.25
    ("run", {}, 0.0, 1 / 6),
    ("run", {}, 8.0, 1 / 6),
    ("run", {"rootz": -0.7}, -8.0, 1.3 / 4),
]


@pytest.mark.parametrize(("gait", "qpos", "speed", "expected"), WALKER)
def test_walker_backwards_reward(
    gait: str, qpos: dict[str, float], speed: float, expected: float
) -> None:
    reward = _reward(f"walker/{gait}_backwards", qpos, {"rootx": speed})
    assert reward == pytest.approx(expected)


# By default torso, bfoot and ffoot are 0.7, 0.31 and 0.28 m up; rootz lifts all three.
CHEETAH: list[tuple[str, float, float, float]] = [
    ("run_backwards", 0.0, -8.0, 1.0),
    ("run_backwards", 0.0, -9.0, 1.0),
    ("run_backwards", 0.0, -4.0, 0.5),
    ("run_backwards", 0.0, 0.0, 0.0),
    ("run_backwards", 0.0, 8.0, 0.0),
    ("run_front", 1.0, 6.0, 1.0),
    ("run_front", 1.0, 3.0, 3.5 / 6),
    ("run_front", 1.0, 0.0, 1 / 6),
    ("run_front", 1.0, -6.0, 1 / 6),
    # bfoot at 0.60: 0.1; torso at 0.99, 0.21 short
    ("run_front", 0.29, 6.0, (3 * 0.1 + 2 * _short_by(0.35)) / 5),
    ("run_back", 1.0, 6.0, 1.0),
    ("run_back", 1.0, 3.0, 3.5 / 6),
    # ffoot at 0.60: 0.1; torso at 1.02, 0.18 short
    ("run_back", 0.32, 3.0, (3 * 0.1 + 2 * _short_by(0.3)) / 5 * 3.5 / 6),
    ("jump", 1.0, 0.0, 1.0),
    ("jump", 1.0, -0.5, 1.0),
    ("jump", 1.0, 0.75, 5.5 / 6),
    ("jump", 1.0, -1.0, 5 / 6),
    # halfway from foot to torso: 0.6 for bfoot (0.1), 0.585 for ffoot (0.615 short)
    ("jump", 0.095, 1.0, 5 * (0.1 + _short_by(1.025)) / 2 / 6),
]


@pytest.mark.parametrize(("task", "lift", "speed", "expected"), CHEETAH)
def test_cheetah_reward(task: str, lift: float, speed: float, expected: float) -> None:
    reward = _reward(f"cheetah/{task}", {"rootz": lift}, {"rootx": speed})
    assert reward == pytest.approx(expected)


HOPPER: list[tuple[dict[str, float], float, float]] = [
    ({}, -1.0, 1.0),
    ({}, -2.0, 1.0),
    ({}, -0.5, 0.5),
    ({}, 0.0, 0.0),
    ({}, 2.0, 0.0),
    ({"rooty": np.pi}, -1.0, 0.0),  # head down: torso below foot
]


@pytest.mark.parametrize(("qpos", "speed", "expected"), HOPPER)
def test_hopper_backwards_reward(qpos: dict[str, float], speed: float, expected: float) -> None:
    assert _reward("hopper/hop_backwards", qpos, {"rootx": speed}) == pytest.approx(expected)


def test_hopper_stands_by_the_centres_of_mass_of_torso_and_foot() -> None:
    """Neither the origins of the two bodies nor the mass below the torso decide."""
    # The hip bent so that the origins are 0.25 + 0.65 * cos(hip) = 0.57 m apart, under 0.6. The
    # torso's own mass is 0.08 m above its origin, the foot's 0.04 m: 0.61 m apart.
    hip = -float(np.arccos(0.32 / 0.65))
    assert _reward("hopper/hop_backwards", {"hip": hip}, {"rootx": -1.0}) == pytest.approx(1.0)
    physics = _environment("hopper/hop_backwards").physics
    origins = physics.named.data.xpos[["torso", "foot"], "z"]
    assert origins[0] - origins[1] == pytest.approx(0.57)
    assert physics.named.data.subtree_com["torso", "z"] - origins[1] < 0.6


# The straight arm puts the finger at x = 0.27; its radius is 0.01.
REACHER: list[tuple[str, dict[str, float], tuple[float, float], float]] = [
    ("three_easy", {}, (0.27, 0.0), 1.0),
    ("three_easy", {}, (0.27, 0.0599), 1.0),
    ("three_easy", {}, (0.27, 0.0601), 0.0),
    ("three_hard", {}, (0.27, -0.0249), 1.0),
    ("three_hard", {}, (0.27, -0.0251), 0.0),
    ("three_hard", {"shoulder0": np.pi / 2}, (0.0, 0.27), 1.0),
    # Each joint bent by 60 degrees in turn: 0.09 * (1 - 1 / 2, sqrt(3) / 2) once, and so on.
    ("three_hard", {"shoulder1": np.pi / 3}, (0.18, 0.155885), 1.0),
    ("three_hard", {"wrist": np.pi / 3}, (0.225, 0.077942), 1.0),
]


@pytest.mark.parametrize(("task", "qpos", "target", "expected"), REACHER)
def test_reacher_three_reward(
    task: str, qpos: dict[str, float], target: tuple[float, float], expected: float
) -> None:
    physics = _start(f"reacher/{task}", 0)  # sets the size of the target
    physics.named.model.geom_pos["target", ["x", "y"]] = target
    assert _reward(f"reacher/{task}", qpos, {}) == expected


# The target is 0.55 m up, as is the ball with ball_z = 0.35.
CUP: list[tuple[dict[str, float], dict[str, float], float]] = [
    ({"ball_z": -0.15}, {"ball_x": 6.0}, 1.0),  # 0.5 m away at full speed
    ({"ball_z": 0.1}, {"ball_x": 3.6, "ball_z": 4.8}, 2.5 / 3),  # 0.25 m: 0.5; norm 6
    ({"ball_x": 0.3, "ball_z": -0.05}, {"ball_x": -3.0}, (1 + 2 * 0.5) / 3),  # 0.3, 0.4: 0.5 m
    ({"ball_z": 0.1}, {}, 0.5 / 3),
    ({"ball_z": -0.15}, {"ball_z": -1.5}, 1.5 / 3),  # 4.5 short, 1.5 margins: 0.25
    ({"ball_z": 0.35}, {"ball_x": 6.0}, 0.0),  # in the cup
    ({"ball_z": 0.35, "ball_x": 0.024}, {"ball_x": 6.0}, 0.0),
    ({"ball_z": 0.35, "ball_x": 0.026}, {"ball_x": 6.0}, (2 + 0.052) / 3),  # 1 - 0.474 / 0.5
    ({"ball_z": -0.15, "cup_x": 0.0}, {"ball_x": 6.0, "cup_x": 6.0}, 1.0),  # the world's frame
]


@pytest.mark.parametrize(("qpos", "qvel", "expected"), CUP)
def test_cup_spin_reward(qpos: dict[str, float], qvel: dict[str, float], expected: float) -> None:
    assert _reward("ball_in_cup/spin", qpos, qvel) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("speed", "expected"),
    [(9.0, 1.0), (-9.0, 1.0), (20.0, 1.0), (4.5, 0.5), (-4.5, 0.5), (2.25, 0.25), (0.0, 0.0)],
)
def test_pendulum_spin_reward(speed: float, expected: float) -> None:
    assert _reward("pendulum/spin", {}, {"hinge": speed}) == pytest.approx(expected)


@pytest.mark.parametrize("env_id", FACTORIES)
def test_rewards_are_plain_floats(env_id: str) -> None:
    assert type(_reward(env_id, {}, {})) is float


@pytest.mark.parametrize(("env_id", "stock"), STOCK_SIBLING.items())
def test_observations_are_those_of_the_stock_domain(env_id: str, stock: str) -> None:
    ours, theirs = (_environment(name).observation_spec() for name in (env_id, stock))
    assert {key: entry.shape for key, entry in theirs.items()} == {
        key: entry.shape for key, entry in ours.items()
    }


def test_reacher_three_observes_angles_then_the_way_to_the_target_then_velocities() -> None:
    physics = _start("reacher/three_easy", 0)
    observation = _environment("reacher/three_easy").task.get_observation(physics)
    assert list(observation) == ["position", "to_target", "velocity"]
    np.testing.assert_array_equal(observation["position"], physics.data.qpos)
    np.testing.assert_array_equal(
        observation["to_target"],
        physics.named.data.geom_xpos["target", :2] - physics.named.data.geom_xpos["finger", :2],
    )
    assert observation["velocity"].shape == (3,)


@pytest.mark.parametrize(
    ("env_id", "stock"), [pair for pair in STOCK_SIBLING.items() if "cup" not in pair[0]]
)
def test_starts_are_those_of_the_stock_domain(env_id: str, stock: str) -> None:
    for seed in range(3):
        ours, theirs = _start(env_id, seed), _start(stock, seed)
        np.testing.assert_array_equal(ours.data.qpos, theirs.data.qpos)
        np.testing.assert_array_equal(ours.data.qvel, theirs.data.qvel)
        assert ours.data.time == 0


def test_cheetah_starts_moving() -> None:
    """It has been dropped and has settled for 200 physics steps only."""
    physics = _start("cheetah/jump", 0)
    assert (physics.data.qvel != 0).all()
    assert physics.named.data.qpos["rootz"] < 0


@pytest.mark.parametrize("task", ["three_easy", "three_hard"])
def test_reacher_draws_its_joints_then_the_angle_then_the_radius_of_the_target(task: str) -> None:
    for seed in range(20):
        draws = np.random.RandomState(seed)
        joints = [draws.uniform(-limit, limit) for limit in np.deg2rad([180, 80, 80])]
        angle, radius = draws.uniform(0, 2 * np.pi), draws.uniform(0.05, 0.2)

        physics = _start(f"reacher/{task}", seed)

        np.testing.assert_allclose(physics.data.qpos, joints)
        np.testing.assert_allclose(
            physics.named.model.geom_pos["target"],
            [radius * np.sin(angle), radius * np.cos(angle), 0.01],
        )
        assert not physics.data.qvel.any()


@pytest.mark.parametrize(("task", "size"), [("three_easy", 0.05), ("three_hard", 0.015)])
def test_reacher_targets_differ_in_size(task: str, size: float) -> None:
    assert _start(f"reacher/{task}", 0).named.model.geom_size["target", 0] == size


def test_cup_spin_starts_in_the_cup_but_for_the_seeds_that_draw_less_than_a_tenth() -> None:
    anywhere = [seed for seed in SEEDS if np.random.RandomState(seed).uniform() < 0.1]
    outside = [seed for seed in SEEDS if not _start("ball_in_cup/spin", seed).in_target()]
    assert set(outside) <= set(anywhere)
    assert 0.05 < len(outside) / len(SEEDS) < 0.15


def test_cup_spin_draws_once_and_then_places_the_ball_until_it_fits() -> None:
    stock = _environment("ball_in_cup/catch").physics
    for seed in range(20):
        draws = np.random.RandomState(seed)
        anywhere = draws.uniform() < 0.1
        fits = False
        while not fits:
            place = draws.uniform(-0.2, 0.2), draws.uniform(0.2, 0.5)
            with stock.reset_context():
                stock.named.data.qpos[["ball_x", "ball_z"]] = place
            fits = stock.data.ncon == 0 and (anywhere or stock.in_target() == 1)

        physics = _start("ball_in_cup/spin", seed)

        assert physics.named.data.qpos[["cup_x", "cup_z", "ball_x", "ball_z"]].tolist() == [
            0.0,
            0.0,
            *place,
        ]
        assert not physics.data.qvel.any()


def _model_fields(env_id: str) -> dict[str, NDArray[Any]]:
    """Return every array of the compiled model."""
    model = _environment(env_id).physics.model.ptr
    fields = {name: getattr(model, name) for name in dir(model) if not name.startswith("_")}
    return {name: value for name, value in fields.items() if isinstance(value, np.ndarray)}


@pytest.mark.parametrize(("env_id", "stock"), STOCK_SIBLING.items())
def test_models_are_the_stock_ones_but_for_the_length_of_the_floor(env_id: str, stock: str) -> None:
    ours, theirs = _model_fields(env_id), _model_fields(stock)
    domain = env_id.partition("/")[0]
    if domain in LONGER_FLOOR:
        geom, half_length = LONGER_FLOOR[domain]
        index = _environment(env_id).physics.model.name2id(geom, "geom")
        assert ours["geom_size"][index, 0] == 2 * theirs["geom_size"][index, 0] == 2 * half_length
        ours["geom_size"] = ours["geom_size"].copy()
        ours["geom_size"][index, 0] = half_length
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value, err_msg=name)


def test_lengthening_a_floor_that_is_not_there_says_which() -> None:
    with pytest.raises(ValueError, match="'geom' and name 'ground' not found"):
        floor.lengthen(
            b"<mujoco><geom name='floor' size='1 1 1'/></mujoco>", "ground", half_length=2
        )


def test_reacher_three_has_the_links_and_joints_of_the_paper() -> None:
    physics = _start("reacher/three_easy", 0)
    model = physics.named.model
    links = ["arm0", "arm1", "hand"]
    np.testing.assert_allclose(
        model.body_pos[[*links, "finger"]],
        [[0, 0, 0.01], [0.09, 0, 0], [0.09, 0, 0], [0.09, 0, 0]],
    )
    # A capsule's radius and half length; it begins at the origin of its body.
    np.testing.assert_allclose(
        model.geom_size[links, :2], [[0.01, 0.045], [0.01, 0.045], [0.01, 0.05]]
    )
    np.testing.assert_allclose(model.geom_pos[links, "x"], [0.045, 0.045, 0.05])
    assert model.geom_size["finger", 0] == 0.01
    joints = ["shoulder0", "shoulder1", "wrist"]
    assert [physics.model.id2name(i, "joint") for i in range(physics.model.njnt)] == joints
    assert [physics.model.id2name(i, "actuator") for i in range(physics.model.nu)] == joints
    np.testing.assert_array_equal(physics.model.actuator_trnid[:, 0], [0, 1, 2])
    assert physics.model.jnt_limited.tolist() == [0, 1, 1]
    np.testing.assert_allclose(np.rad2deg(physics.model.jnt_range[1:]), [[-80, 80], [-80, 80]])


def test_reacher_three_is_the_stock_reacher_in_all_else() -> None:
    ours, theirs = (_environment(f"reacher/{task}").physics for task in ("three_easy", "easy"))
    for name in ["timestep", "disableflags", "enableflags", "integrator", "gravity"]:
        np.testing.assert_array_equal(
            getattr(ours.model.opt, name), getattr(theirs.model.opt, name), err_msg=name
        )
    # What is the same for all joints or motors, then what is the same for the same name.
    for name in ["jnt_axis", "jnt_type", "dof_damping", "dof_armature"]:
        _assert_equal_rows(ours, theirs, name, ["shoulder0", "wrist"], ["shoulder", "wrist"])
    for name in ["actuator_gear", "actuator_ctrlrange", "actuator_ctrllimited"]:
        _assert_equal_rows(ours, theirs, name, ["shoulder1", "wrist"], ["shoulder", "wrist"])
    arena = ["ground", "wall_x", "wall_y", "wall_neg_x", "wall_neg_y", "root"]
    for name in ["geom_type", "geom_pos", "geom_quat", "geom_size"]:
        _assert_equal_rows(ours, theirs, name, arena, arena)
    geoms = [*arena, "hand", "finger", "target"]
    for name in ["geom_type", "geom_matid", "geom_contype", "geom_rgba"]:
        _assert_equal_rows(ours, theirs, name, geoms, geoms)
    for name in ["cam_pos", "cam_quat", "cam_mode"]:
        _assert_equal_rows(ours, theirs, name, ["fixed", "hand"], ["fixed", "hand"])
    _assert_equal_rows(ours, theirs, "body_mass", ["hand", "finger"], ["hand", "finger"])


def _assert_equal_rows(
    ours: Any, theirs: Any, field: str, our_names: list[str], their_names: list[str]
) -> None:
    np.testing.assert_array_equal(
        getattr(ours.named.model, field)[our_names],
        getattr(theirs.named.model, field)[their_names],
        err_msg=field,
    )
