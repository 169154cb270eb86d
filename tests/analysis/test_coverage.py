"""What is said beside a number about what it rests on."""

import numpy as np
import pytest

from tdmpc2_bench.analysis.coverage import Coverage

NAN = float("nan")


def test_a_complete_table_is_said_in_few_words() -> None:
    coverage = Coverage.of(np.zeros((3, 104)))
    assert coverage.describe() == "3 seeds x 104 tasks" and coverage.complete


def test_missing_runs_and_tasks_and_diverged_ones_are_said() -> None:
    scores = np.array([[0.1, NAN, 0.3], [NAN, NAN, 0.4], [0.5, NAN, 0.2]])
    diverged = np.zeros((3, 3), bool)
    diverged[2, 2] = True
    coverage = Coverage.of(scores, diverged=diverged)
    assert coverage.describe() == "2-3 seeds x 2 of 3 tasks, 4 runs missing, 1 diverged"
    assert coverage.runs == 5 and not coverage.complete


def test_what_was_never_planned_is_not_missing() -> None:
    scores = np.array([[0.1, 0.2, NAN], [NAN, 0.3, NAN]])
    planned = np.array([[True, True, False], [False, True, False]])
    assert Coverage.of(scores, planned=planned).describe() == "1-2 seeds x 2 tasks"


def test_nothing_at_all_and_a_single_run_can_be_said() -> None:
    assert Coverage.of(np.array([[NAN]])).describe() == "0 seeds x 0 of 1 task, 1 run missing"
    assert Coverage.of(np.array([[0.5]])).describe() == "1 seed x 1 task"


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="expected the same"):
        Coverage.of(np.zeros((3, 4)), diverged=np.zeros((4, 3), bool))
