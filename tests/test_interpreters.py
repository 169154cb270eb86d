"""Where a suite's own interpreter lies is found without starting it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tdmpc2_bench import interpreters, protocol
from tdmpc2_bench.errors import SuiteUnavailable, UsageError

NAME = interpreters.variable("some-suite")


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv(NAME, raising=False)


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """What looks like a virtual environment with a distribution in it."""
    folder = tmp_path / "environment"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    installed = folder / "lib" / "python3.9" / "site-packages" / "some_simulator-1.2.3.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Name: some-simulator\nVersion: 1.2.3\n")
    return folder


def test_there_is_none_unless_one_is_named() -> None:
    assert interpreters.find("some-suite") is None


def test_a_variable_names_an_executable_or_an_environment(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert NAME == "TDMPC2_BENCH_SOME_SUITE"
    executable = environment / "bin" / "python"
    monkeypatch.chdir(environment)
    for named in (environment, executable, "bin/python", "."):
        monkeypatch.setenv(NAME, str(named))
        assert interpreters.find("some-suite") == executable
    assert interpreters.find("other-suite") is None


def test_a_home_folder_is_understood(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(environment.parent))
    monkeypatch.setenv(NAME, "~/environment")
    assert interpreters.find("some-suite") == environment / "bin" / "python"


def test_what_was_recorded_is_found_until_another_is(environment: Path, tmp_path: Path) -> None:
    interpreters.record("some-suite", environment)
    assert interpreters.find("some-suite") == environment / "bin" / "python"
    interpreters.record("some-suite", sys.executable)
    assert interpreters.find("some-suite") == Path(sys.executable)
    assert (tmp_path / "data" / "tdmpc2-bench").is_dir()


def test_the_variable_goes_before_the_record(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreters.record("some-suite", sys.executable)
    monkeypatch.setenv(NAME, str(environment))
    assert interpreters.find("some-suite") == environment / "bin" / "python"
    monkeypatch.setenv(NAME, "")
    assert interpreters.find("some-suite") == Path(sys.executable)


def test_what_is_not_there_is_refused_with_who_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()  # no program
    for wrong in (tmp_path / "nowhere", tmp_path, tmp_path / "file"):
        monkeypatch.setenv(NAME, str(wrong))
        with pytest.raises(SuiteUnavailable, match=f"'some-suite'.*{NAME}={wrong}; expected"):
            interpreters.find("some-suite")
        with pytest.raises(UsageError, match=f"{wrong}; expected"):
            interpreters.record("some-suite", wrong)


def test_a_record_of_what_has_gone_says_what_to_do(environment: Path) -> None:
    interpreters.record("some-suite", environment)
    (environment / "bin" / "python").unlink()
    with pytest.raises(
        SuiteUnavailable, match=r"environment.*set it up again, delete .*\.json, or"
    ):
        interpreters.find("some-suite")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"python": 3}', '{"python": null}'])
def test_a_damaged_record_is_that_suites_business_alone(
    content: str, environment: Path, tmp_path: Path
) -> None:
    for name in ("some-suite", "other-suite"):
        interpreters.record(name, environment)
    (file,) = (tmp_path / "data").rglob("some-suite.json")
    file.write_text(content)
    with pytest.raises(SuiteUnavailable, match=f"set it up again, delete {file}"):
        interpreters.find("some-suite")
    assert interpreters.find("other-suite") == environment / "bin" / "python"


def test_data_that_cannot_be_kept_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    with pytest.raises(UsageError, match=r"cannot be created .* set XDG_DATA_HOME"):
        interpreters.record("some-suite", sys.executable)


def test_versions_are_read_where_they_are_installed(environment: Path) -> None:
    path = interpreters.site_packages(environment / "bin" / "python")
    found = protocol.versions(["some_simulator", "numpy"], path)
    assert found == {"some_simulator": "1.2.3", "numpy": None}
    assert protocol.versions(["some_simulator", "numpy"]) == {
        "some_simulator": None,
        "numpy": np.__version__,
    }
