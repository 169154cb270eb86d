"""Which versions are known to break each other, and the way out.

Each combination was seen to fail, or excludes itself by what its parts ask for. A newer version of
the older part is not condemned before it was tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tdmpc2_bench import protocol
from tdmpc2_bench.doctor.finding import Finding


@dataclass(frozen=True, slots=True)
class Trap:
    """Distributions that do not work together."""

    name: str
    together: tuple[str, ...]  # it is there when each of these is installed in these versions
    breaks: str
    cure: str
    without: str = ""  # ... and this is not installed

    @property
    def names(self) -> list[str]:
        """The distributions it is about."""
        return [*(Requirement(one).name for one in self.together), *filter(None, [self.without])]

    def caught(self, installed: Mapping[str, str | None]) -> dict[str, str]:
        """The versions that fall into it, by distribution; empty if these do not.

        Args:
            installed: version of each distribution, None or no entry where it is missing.
        """
        by_name = {canonicalize_name(name): version for name, version in installed.items()}
        if self.without and by_name.get(canonicalize_name(self.without)) is not None:
            return {}
        caught: dict[str, str] = {}
        for requirement in map(Requirement, self.together):
            version = by_name.get(canonicalize_name(requirement.name))
            if version is None or not requirement.specifier.contains(version, prereleases=True):
                return {}
            caught[requirement.name] = version
        return caught


_PINNED_MUJOCO = "pip install mujoco==3.16.0 dm_control==1.0.49"

TRAPS: tuple[Trap, ...] = (
    Trap(
        "dm_control-mujoco-4",
        ("dm_control<=1.0.50", "mujoco>=4"),
        "every task fails: 'MjModel' object has no attribute 'flex_vertedge'",
        _PINNED_MUJOCO,
    ),
    Trap(
        "metaworld-mujoco-3.17",
        ("metaworld==3.0.0", "mujoco>=3.17"),
        "every task fails: could not broadcast input array from shape (11,) into shape (12,)",
        _PINNED_MUJOCO,
    ),
    Trap(
        "metaworld-dial-turn",
        ("metaworld>=3", "mujoco>=3.5,<3.7"),
        "mw-dial-turn cannot be solved: the dial stops short of its goal",
        f"{_PINNED_MUJOCO}; MyoSuite, if it is there, must be 3.0.0",
    ),
    Trap(
        "metaworld-myosuite",
        ("metaworld==3.1.1", "myosuite>=2.12,<=3.0.0"),
        "they exclude each other: one needs MuJoCo 3.3.0, the other 3.4 or later",
        "pip install metaworld==3.0.0 mujoco==3.16.0",
    ),
    Trap(
        "metaworld-packaging",
        ("metaworld",),
        "its import fails: No module named 'packaging', which it does not ask for",
        "pip install packaging",
        without="packaging",
    ),
    Trap(
        "myosuite-2-seeds",
        ("myosuite<3",),
        "the random tasks (myo-*-hard) ignore the seed of an episode, so that none can be repeated",
        "pip install myosuite==3.0.0 mujoco==3.16.0",
    ),
    Trap(
        "myosuite-gymnasium-1.3",
        ("myosuite<=3.0.0", "gymnasium>=1.3"),
        "MyoSuite was made for gymnasium below 1.3",
        "pip install gymnasium==1.2.3",
    ),
    Trap(
        "sapien-numpy-2",
        ("sapien<=2.2.2", "numpy>=2"),
        "every ManiSkill2 task crashes with a segmentation fault",
        "pip uninstall sapien; ManiSkill2 lives in an interpreter of its own: tdmpc2-bench setup "
        "maniskill2",
    ),
    Trap(
        "sapien-setuptools-82",
        ("sapien<=2.2.2", "setuptools>=82"),
        "its import fails: No module named 'pkg_resources'",
        'pip install "setuptools<82"',
    ),
    Trap(
        "arch-pandas-3",
        ("arch<8", "pandas>=3"),
        "rliable, which needs arch, cannot be imported: deprecate_kwarg() misses an argument",
        'pip install "pandas<3"',
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sprung(Finding):
    """Whether one trap is here."""

    caught: Mapping[str, str]  # versions by distribution; empty where it is not

    @property
    def found(self) -> str:
        """The combination."""
        return " with ".join(f"{name} {version}" for name, version in self.caught.items())


def findings(installed: Mapping[str, str | None] | None = None) -> dict[str, Sprung]:
    """Every known trap, and whether it is among the installed versions.

    Args:
        installed: versions by distribution; None: those installed here.
    """
    if installed is None:
        installed = protocol.versions({name for trap in TRAPS for name in trap.names})
    return {trap.name: _judge(trap, installed) for trap in TRAPS}


def _judge(trap: Trap, installed: Mapping[str, str | None]) -> Sprung:
    caught = trap.caught(installed)
    if not caught:
        return Sprung(status="ok", caught={})
    return Sprung(status="broken", reason=f"{trap.breaks}; cure: {trap.cure}", caught=caught)
