"""How a suite gets an interpreter of its own, where its versions exclude those of the others.

It is a virtual environment with exactly the versions of the suite's file in ``constraints``. Of us
it holds links to the very files that are running here: base dependencies are all that a worker
needs, and what it runs cannot be other than what starts it.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.resources
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import tdmpc2_bench
from tdmpc2_bench import interpreters, record, registry
from tdmpc2_bench.child import Child
from tdmpc2_bench.errors import BenchError, UsageError

_HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
_STATE = "tdmpc2-bench.json"  # in the environment: ours, and when complete, of which versions
_SOURCES = "tdmpc2-bench"  # folder in the environment that holds the links
_PARTS = ("suites", "baselines", "reports", "constraints")  # may lie elsewhere than the package
_ROOM_GIB = 2.0  # free space that an installation takes, with what pip unpacks on the way
_PATIENCE = 300.0  # seconds that the first steps of a task may take
_TAIL_LINES = 12  # of a failed command's output that are shown

# Variables that would make pip install something else, or elsewhere.
_FOREIGN = {
    *("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT", "PIP_REQUIREMENT", "PIP_PYTHON"),
    *("PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_REQUIRE_VIRTUALENV", "PYTHONPATH", "PYTHONHOME"),
}


@dataclass(frozen=True, slots=True)
class Provided:
    """An interpreter that a suite now has."""

    suite: str
    python: Path
    built: bool  # False: it was there already, with the same versions
    tried: str  # the task that was built and stepped there
    steps_per_s: float  # its environment steps, one thread
    overruled: str  # the environment variable that names another one, which is used; or empty


def setup(
    suite: str,
    *,
    into: str | Path | None = None,
    python: str | Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Provided:
    """Give a suite its interpreter: build it, try it, and have all tasks of the suite use it.

    Where it stands already with the same versions, a task is tried and our links are set right.

    Args:
        suite: its name.
        into: the folder that becomes the environment; None: one among the user's data.
        python: the Python to build it with; None: this one if it has the suite's version, else
            the one on the path.
        say: told what is being done.

    Raises:
        UsageError: the suite needs none, the folder holds something else, or there is no Python
            of the suite's version.
        BenchError: pip failed, or no task can be stepped there; nothing is recorded then.
    """
    module = _module(suite)
    folder = Path(into or interpreters.data() / "interpreters" / suite).absolute()
    requirements = _requirements(module)
    wanted = {"suite": suite, "versions": hashlib.sha256(requirements).hexdigest()}
    built = not _stands(folder, wanted)
    if built:
        base = _python(module.PYTHON, python)
        interpreters.forget(suite, folder)
        _build(folder, base, requirements, wanted, say)
    _link_ourselves(folder)
    executable = folder / "bin" / "python"
    task = next(row.name for row in module.TASKS if module.assets(row) is None)
    say(f"trying {task}")
    speed = _try(executable, task, module.DEBIAN_PACKAGES)
    interpreters.record(suite, executable)
    used = interpreters.find(suite)
    overruled = "" if used == executable else interpreters.variable(suite)
    return Provided(suite, executable, built, task, speed, overruled)


def suites() -> list[str]:
    """Names of the suites that need an interpreter of their own."""
    return [name for name, module in registry.suites().items() if hasattr(module, "REQUIREMENTS")]


def _module(suite: str) -> ModuleType:
    module = registry.suite(suite)
    if not hasattr(module, "REQUIREMENTS"):
        msg = (
            f"suite {suite!r} needs no interpreter of its own; "
            f"suites that do: {', '.join(suites())}"
        )
        raise UsageError(msg)
    return module


def _requirements(module: ModuleType) -> bytes:
    name: str = module.REQUIREMENTS
    return (importlib.resources.files("tdmpc2_bench.constraints") / name).read_bytes()


def _stands(folder: Path, wanted: Mapping[str, str]) -> bool:
    """Whether the environment is there, complete, with the wanted versions.

    Raises:
        UsageError: something else is in its place.
    """
    state = folder / _STATE
    if state.exists():
        complete = record.read_json(state) == wanted
        return complete and (folder / "bin" / "python").exists()  # its Python may have been removed
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        msg = f"{folder} is not empty and was not made by this command; give another with --into"
        raise UsageError(msg)
    return False


def _python(version: str, given: str | Path | None) -> Path:
    """A Python of the suite's version.

    Raises:
        UsageError: there is none.
    """
    found = given or (sys.executable if version == _HERE else shutil.which(f"python{version}"))
    if found is None:
        msg = f"expected Python {version}; this is {_HERE}, and none is on the path: name one with "
        msg += "--python"
        raise UsageError(msg)
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run(  # noqa: S603 - the user's choice, or ours
            [str(found), "-I", "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        msg = f"{found} is no Python that runs: {error}"
        raise UsageError(msg) from error
    if answer != version:
        msg = f"{found} is Python {answer}; expected {version}, which all packages are built for"
        raise UsageError(msg)
    return Path(found)


def _build(
    folder: Path,
    python: Path,
    requirements: bytes,
    state: Mapping[str, str],
    say: Callable[[str], None],
) -> None:
    """Make the environment anew; it counts as complete when its state is written."""
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        free = shutil.disk_usage(folder).free / 2**30
    except OSError as error:
        raise record.cannot_write(folder, error) from error
    if free < _ROOM_GIB:
        msg = f"{folder} has {free:.1f} GiB free; an interpreter takes {_ROOM_GIB:g}; give --into"
        raise BenchError(msg)
    record.write_json(folder / _STATE, {"building": state})  # ours, should we be interrupted
    say(f"making {folder}")
    _run([str(python), "-I", "-m", "venv", str(folder)], "the environment cannot be made")
    file = folder / "requirements.txt"
    record.write_file(file, requirements)
    count = sum(1 for line in requirements.splitlines() if line[:1] not in {b"#", b""})
    say(f"installing {count} packages")
    pip = [str(folder / "bin" / "python"), "-I", "-m", "pip", "--disable-pip-version-check"]
    # Exactly the file: nothing beside it, nothing that would have to be compiled.
    exactly = ["install", "--no-deps", "--only-binary", ":all:", "--no-input", "-r", str(file)]
    _run([*pip, *exactly], "its packages cannot be installed")
    _run([*pip, "check"], "its packages do not fit together")
    record.write_json(folder / _STATE, state)


def _run(command: Sequence[str], failed: str) -> None:
    """Run a command of the build.

    Raises:
        BenchError: it failed; with the end of what it said.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    done = subprocess.run(  # noqa: S603 - our own command
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
        check=False,
    )
    if done.returncode:
        tail = "\n  ".join(done.stdout.strip().splitlines()[-_TAIL_LINES:])
        msg = f"{failed}; nothing is recorded, and the same command begins anew:\n  {tail}"
        raise BenchError(msg)


def _link_ourselves(folder: Path) -> None:
    """Have the environment import the package that is running here, by links to its files.

    Links that are right are left alone: a worker may be importing through them.
    """
    sources = folder / _SOURCES
    package = sources / "tdmpc2_bench"
    links = {
        path.name: str(path)
        for path in Path(tdmpc2_bench.__file__).parent.iterdir()
        if path.suffix in {".py", ".typed"} or (path / "__init__.py").exists()
    }
    for part in _PARTS:  # of a checkout lie beside the package
        links[part] = importlib.import_module(f"tdmpc2_bench.{part}").__path__[0]
    if package.exists():
        standing = [path for path in package.iterdir() if path.is_symlink()]  # no __pycache__
        if {path.name: str(path.readlink()) for path in standing} == links:
            return
        shutil.rmtree(package)
    package.mkdir(parents=True)
    for name, target in links.items():
        (package / name).symlink_to(target)
    (site,) = interpreters.site_packages(folder / "bin" / "python")
    (Path(site) / "tdmpc2-bench.pth").write_text(f"{sources}\n")


def _try(python: Path, task: str, packages: str) -> float:
    """Build and step a task with that interpreter; returns its speed.

    The first scene also writes what sapien derives from the robot's meshes beside them, which
    several workers would otherwise do at once.

    Raises:
        BenchError: it does not work.
    """
    command = [str(python), "-I", "-m", "tdmpc2_bench.doctor.trial", "0.5", task]
    with Child(command, {}) as child:
        answer = child.answer(_PATIENCE)
        if answer is None or answer["status"] != "ok":
            reason = child.ending() if answer is None else answer["reason"]
            if "shared object" in reason:
                reason += f"; sudo apt-get install {packages}"
            msg = f"{python} cannot play {task}: {reason}; nothing is recorded"
            raise BenchError(msg)
    return float(answer["steps_per_s"])
