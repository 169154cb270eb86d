"""A child process is heard, timed and ended with all it started."""

import os
import sys
import time
from pathlib import Path

import pytest
from processes import is_gone

from tdmpc2_bench.child import Child


def child(program: str, **environment: str) -> Child:
    return Child([sys.executable, "-P", "-c", program], environment)


def test_an_answer_is_the_last_line_whatever_was_printed_before() -> None:
    with child("print('hello'); print('{\"a\": 1}'); import os; os._exit(3)") as one:
        assert one.answer(60) == {"a": 1}


@pytest.mark.parametrize("program", ["", "print('hello')", "print('[1]')", "print('1')"])
def test_what_is_no_object_is_no_answer(program: str) -> None:
    with child(program) as one:
        assert one.answer(60) is None
        assert one.ending() == "the process left with exit code 0"


def test_an_exception_speaks_for_itself() -> None:
    with child("import not_there") as one:
        assert one.answer(60) is None
        assert one.ending() == "ModuleNotFoundError: No module named 'not_there'"


def test_variables_come_on_top_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "ours")
    monkeypatch.setenv("B", "ours")
    program = "import json, os; print(json.dumps({k: os.environ[k] for k in 'AB'}))"
    with child(program, B="theirs") as one:
        assert one.answer(60) == {"A": "ours", "B": "theirs"}


def test_lines_are_read_as_they_come_and_a_long_one_whole() -> None:
    program = "import time; print('x' * 200_000, flush=True); print('y'); time.sleep(1000)"
    with child(program) as one:
        assert one.read_line(60) == "x" * 200_000


def test_the_end_of_a_process_is_noticed_while_what_it_started_goes_on() -> None:
    """The sleeper has the standard output that its parent had."""
    program = (
        "import subprocess, sys; print('{}', flush=True); "
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])"
    )
    begun = time.monotonic()
    with child(program) as one:
        assert one.answer(500) == {}
    assert time.monotonic() - begun < 100


def test_silence_ends_it_with_all_it_started(tmp_path: Path) -> None:
    program = (
        "import pathlib, subprocess, sys, time\n"
        "one = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(one.pid))\n"
        "print('on my way', file=sys.stderr, flush=True)\n"
        "time.sleep(1000)\n"
    )
    with child(program) as one:
        assert one.read_line(3) is None
        assert one.ending() == "no answer within 3 s; its last line: on my way"
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_ctrl_c_of_the_terminal_does_not_reach_it() -> None:
    program = "import os, json; print(json.dumps({'group': os.getpgid(0)}))"
    with child(program) as one:
        answer = one.answer(60)
    assert answer is not None and answer["group"] != os.getpgid(0)
