"""A suite's interpreter is built once, exactly as its file says, and recorded when it works."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tdmpc2_bench
from tdmpc2_bench import interpreters, provision
from tdmpc2_bench.cli import call
from tdmpc2_bench.errors import BenchError, SuiteUnavailable, UsageError
from tdmpc2_bench.provision import setup

SUITE = "maniskill2"
pytestmark = pytest.mark.usefixtures("no_interpreter")

# A Python that only notes how it is started, and makes environments of copies of itself.
STUB = """#!{python} -I
import json, os, pathlib, shutil, sys
log = pathlib.Path("{log}")
with log.open("a") as file:
    file.write(json.dumps([sys.argv[1:], dict(os.environ)]) + "\\n")
failing = log.with_name("failing")
if failing.exists() and failing.read_text() in sys.argv:
    sys.exit("ERROR: no luck today")
if "venv" in sys.argv:
    folder = pathlib.Path(sys.argv[-1])
    (folder / "bin").mkdir()
    (folder / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    shutil.copy(__file__, folder / "bin" / "python")
elif "-c" in sys.argv:
    print("{version}")
elif "tdmpc2_bench.doctor.trial" in sys.argv:
    print('{answer}')
"""
WELL = '{"status": "ok", "reason": "", "steps_per_s": 600.0}'


class Stub:
    """A Python that builds environments in no time, and what it was asked to do."""

    def __init__(self, folder: Path, version: str = "3.11", answer: str = WELL) -> None:
        self.path = folder / "stub-python"
        self._log = folder / "log"
        self.path.write_text(
            STUB.format(python=sys.executable, log=self._log, version=version, answer=answer)
        )
        self.path.chmod(0o755)

    def fail_at(self, word: str) -> None:
        self._log.with_name("failing").write_text(word)

    def calls(self, word: str) -> list[dict[str, str]]:
        """Environments of the calls that had the word among their arguments."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [environment for words, environment in map(json.loads, lines) if word in words]


@pytest.fixture
def stub(tmp_path: Path) -> Stub:
    return Stub(tmp_path)


def test_an_interpreter_is_built_tried_and_recorded(tmp_path: Path, stub: Stub) -> None:
    said: list[str] = []
    done = setup(SUITE, into=tmp_path / "env", python=stub.path, say=said.append)
    assert (done.built, done.tried, done.steps_per_s) == (True, "lift-cube", 600.0)
    assert interpreters.find(SUITE) == done.python == tmp_path / "env" / "bin" / "python"
    assert len(said) == 3 and not done.overruled


def test_it_stands_among_the_users_data_unless_said_otherwise(tmp_path: Path, stub: Stub) -> None:
    done = setup(SUITE, python=stub.path)
    assert done.python == tmp_path / "data/tdmpc2-bench/interpreters/maniskill2/bin/python"


def test_the_same_command_again_installs_nothing(stub: Stub) -> None:
    assert setup(SUITE, python=stub.path).built
    assert not setup(SUITE, python=stub.path).built
    assert len(stub.calls("install")) == 1
    assert len(stub.calls("tdmpc2_bench.doctor.trial")) == 2


def test_other_versions_are_installed_anew(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    first = setup(SUITE, python=stub.path).python
    left = first.parent / "left-over"
    left.touch()
    monkeypatch.setattr(provision, "_requirements", lambda _: b"numpy==1.23.4\n")
    assert setup(SUITE, python=stub.path).built
    assert not left.exists()
    assert (first.parents[1] / "requirements.txt").read_bytes() == b"numpy==1.23.4\n"


def test_a_python_that_was_removed_is_replaced(stub: Stub) -> None:
    setup(SUITE, python=stub.path).python.unlink()
    assert setup(SUITE, python=stub.path).built


def test_the_callers_constraints_do_not_reach_pip(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CONSTRAINT", "/constraints/cpu.txt")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.invalid/simple")
    setup(SUITE, python=stub.path)
    (environment,) = stub.calls("install")
    assert not {"PIP_CONSTRAINT", "PYTHONPATH"} & set(environment)
    assert environment["PIP_INDEX_URL"] == "https://index.invalid/simple"


@pytest.mark.parametrize("step", ["venv", "install", "check", "tdmpc2_bench.doctor.trial"])
def test_what_fails_is_shown_and_nothing_is_recorded(stub: Stub, step: str) -> None:
    stub.fail_at(step)
    with pytest.raises(BenchError, match="nothing is recorded") as error:
        setup(SUITE, python=stub.path)
    if step != "tdmpc2_bench.doctor.trial":
        assert "ERROR: no luck today" in str(error.value)
    assert interpreters.find(SUITE) is None
    stub.fail_at("")
    assert setup(SUITE, python=stub.path).built == (step != "tdmpc2_bench.doctor.trial")


def test_a_library_that_debian_has_is_named_with_its_package(tmp_path: Path) -> None:
    reason = "ImportError: libvulkan.so.1: cannot open shared object file"
    answer = json.dumps({"status": "broken", "reason": reason, "steps_per_s": 0.0})
    with pytest.raises(BenchError, match=r"libvulkan\.so\.1.*apt-get install libvulkan1"):
        setup(SUITE, python=Stub(tmp_path, answer=answer).path)


def test_while_it_is_built_anew_the_old_one_is_not_used(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup(SUITE, python=stub.path)
    monkeypatch.setattr(provision, "_requirements", lambda _: b"numpy==1.23.4\n")
    stub.fail_at("install")
    with pytest.raises(BenchError):
        setup(SUITE, python=stub.path)
    assert interpreters.find(SUITE) is None


def test_an_environment_elsewhere_stays_in_use_meanwhile(tmp_path: Path, stub: Stub) -> None:
    first = setup(SUITE, into=tmp_path / "first", python=stub.path).python
    stub.fail_at("install")
    with pytest.raises(BenchError):
        setup(SUITE, into=tmp_path / "second", python=stub.path)
    assert interpreters.find(SUITE) == first


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path, stub: Stub) -> None:
    thesis = tmp_path / "work" / "thesis.tex"
    thesis.parent.mkdir()
    thesis.touch()
    for into in (thesis.parent, thesis):
        with pytest.raises(UsageError, match="not made by this command"):
            setup(SUITE, into=into, python=stub.path)
    assert thesis.exists() and not stub.calls("venv")


def test_a_python_of_another_version_is_refused(tmp_path: Path) -> None:
    other = Stub(tmp_path, version="3.13")
    with pytest.raises(UsageError, match=r"is Python 3\.13; expected 3\.11"):
        setup(SUITE, python=other.path)


def test_a_mistyped_python_costs_nothing(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    first = setup(SUITE, python=stub.path).python
    monkeypatch.setattr(provision, "_requirements", lambda _: b"numpy==1.23.4\n")
    with pytest.raises(UsageError):
        setup(SUITE, python="/nowhere/python3.11")
    assert interpreters.find(SUITE) == first


def test_what_is_no_python_is_refused(tmp_path: Path) -> None:
    for python in (tmp_path / "missing", "/bin/false"):
        with pytest.raises(UsageError, match="is no Python that runs"):
            setup(SUITE, python=python)


def test_without_a_fitting_python_one_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provision, "_HERE", "3.14")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match=r"3\.11.*3\.14.*--python"):
        setup(SUITE)


def test_too_little_room_is_said_before_anything_is_downloaded(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, 2**29))
    with pytest.raises(BenchError, match=r"0\.5 GiB free"):
        setup(SUITE, python=stub.path)
    assert not stub.calls("venv")


def test_a_suite_that_lives_with_the_others_needs_none() -> None:
    with pytest.raises(UsageError, match=r"'dmcontrol' needs no interpreter.*maniskill2"):
        setup("dmcontrol")


def test_the_environment_imports_the_very_files_that_run_here(stub: Stub) -> None:
    python = setup(SUITE, python=stub.path).python
    (line,) = python.parents[1].glob("lib/python3.11/site-packages/tdmpc2-bench.pth")
    names = ["env", "worker", "suites.maniskill2_headless", "suites.dmcontrol_custom"]
    code = (
        "import importlib.util as u, os\n"
        f"for name in {names}:\n"
        "    print(os.path.realpath(u.find_spec('tdmpc2_bench.' + name).origin))"
    )
    found = [
        subprocess.run(
            [sys.executable, "-P", "-c", code],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for path in (line.read_text().strip(), "")
    ]
    assert found[0] == found[1]


def test_links_that_are_right_are_left_alone(stub: Stub) -> None:
    python = setup(SUITE, python=stub.path).python
    package = python.parents[1] / "tdmpc2-bench" / "tdmpc2_bench"
    links = [*package.iterdir()]
    (package / "__pycache__").mkdir()  # whoever imports it leaves one
    before = [link.lstat().st_ctime_ns for link in links]
    setup(SUITE, python=stub.path)
    assert [link.lstat().st_ctime_ns for link in links] == before


def test_links_to_files_that_are_gone_are_not_kept(stub: Stub) -> None:
    python = setup(SUITE, python=stub.path).python
    package = python.parents[1] / "tdmpc2-bench" / "tdmpc2_bench"
    (package / "gone.py").symlink_to("/nowhere.py")
    setup(SUITE, python=stub.path)
    assert not (package / "gone.py").is_symlink()
    assert (package / "__init__.py").resolve() == Path(tdmpc2_bench.__file__).resolve()


def test_a_variable_that_names_another_interpreter_is_pointed_at(
    stub: Stub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(interpreters.variable(SUITE), sys.executable)
    assert call(["setup", SUITE, "--python", str(stub.path)]) == 0
    assert f"but {interpreters.variable(SUITE)} is set" in capsys.readouterr().out


def test_a_variable_that_names_nothing_is_an_error(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(interpreters.variable(SUITE), "/nowhere")
    with pytest.raises(SuiteUnavailable, match="no interpreter there"):
        setup(SUITE, python=stub.path)
