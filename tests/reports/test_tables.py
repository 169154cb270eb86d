"""Tables say what was found, in three formats, and names in them are texts."""

from __future__ import annotations

import io

import long_tables
import pytest

pd = pytest.importorskip("pandas")
pytest.importorskip("matplotlib")

from tdmpc2_bench.reports import findings, tables, tabular  # noqa: E402
from tdmpc2_bench.reports.findings import Findings  # noqa: E402
from tdmpc2_bench.reports.tabular import Table  # noqa: E402

TASKS = ("walker-walk", "walker-run")


def find(*parts: pd.DataFrame) -> Findings:
    return findings.find([long_tables.source("runs/x", *parts)], reps=20)


@pytest.fixture(scope="module")
def found() -> Findings:
    whole = long_tables.table(long_tables.constant([0.25, 0.75]), tasks=TASKS, seeds=(1, 2))
    lost = whole[~((whole["task"] == TASKS[1]) & (whole["seed"] == 2))]
    one = long_tables.table(lambda *_: 0.5, tasks=TASKS[:1], seeds=(1,), agent="sac")
    return find(lost, one.assign(status="diverged"))


def test_a_task_has_its_mean_its_range_and_how_many_seeds(found: Findings) -> None:
    first, second = tables.tasks(found).rows
    assert first == [
        "walker-walk", "return", "200,000", "500.0* [500.0, 500.0]", "500.0 [250.0, 750.0]", "1-2"
    ]  # fmt: skip
    assert second[3:] == ["-", "250.0 [250.0, 250.0] (1 of 2)", "1"]


def test_an_aggregate_stands_beside_what_it_rests_on(found: Findings) -> None:
    rows = {row[1]: row for row in tables.aggregates(found).rows if row[0] == "DMControl"}
    assert rows["tdmpc2"][-1] == "1-2 seeds x 2 tasks, 1 run missing"
    assert rows["sac"][-1] == "1 seed x 1 of 2 tasks, 1 run missing, 1 diverged"
    assert rows["tdmpc2"][3].startswith("0.375 [")  # mean of 0.5 and 0.25
    assert "95% stratified bootstrap, 20 resamples, seed 1" in tables.aggregates(found).caption


def test_a_budget_that_some_tasks_lack_says_so_and_one_without_results_is_no_number() -> None:
    far = long_tables.table(lambda *_: 0.5, tasks=TASKS[:1], steps=(0, 100_000, 500_000))
    near = long_tables.table(lambda *_: 0.5, tasks=TASKS[1:], steps=(0, 100_000))
    sac = long_tables.table(lambda *_: 0.5, tasks=TASKS, steps=(0, 100_000), agent="sac")
    table = tables.at_budgets(find(far, near, sac))
    rows = {row[1]: row for row in table.rows if row[0] == "DMControl"}
    place = table.columns.index("500k")
    assert rows["tdmpc2"][place] == "0.500 [0.500, 0.500] (1)" and rows["sac"][place] == "-"


def test_the_csv_has_every_number_in_full(found: Findings) -> None:
    data = pd.read_csv(io.BytesIO(tables.aggregates(found).files()["csv"]))
    assert len(data) == len(found.summary)
    assert data["value"].to_numpy() == pytest.approx(found.summary["value"].to_numpy())


def one_cell(text: str) -> Table:
    return Table("t", text, ["task"], [[text]], pd.DataFrame({"task": [text]}))


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        (r"a_b & 50% of $x^2$ {#1}", r"a\_b \& 50\% of \$x\textasciicircum{}2\$ \{\#1\}"),
        (r"\input{secret}~", r"\textbackslash{}input\{secret\}\textasciitilde{}"),
        ("<b>\nx", r"\textless{}b\textgreater{} x"),
    ],
)
def test_latex_sees_no_command_in_a_name(text: str, latex: str) -> None:
    assert f"\n{latex} \\\\\n" in tabular.latex(one_cell(text))


def test_a_latex_cell_that_begins_a_row_is_no_option_of_the_line_break() -> None:
    assert "\n{[}0, 1{]} \\\\" in tabular.latex(one_cell("[0, 1]"))


def test_markdown_sees_neither_markup_nor_columns_in_a_name() -> None:
    text = tabular.markdown(one_cell("<script>|*a*\n[x](http://y)"))
    assert "<script" not in text and "&lt;script&gt;\\|\\*a\\* \\[x\\](http://y)" in text


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-1", "@x"])
def test_a_spreadsheet_sees_no_formula_in_a_name(text: str) -> None:
    assert tabular.csv(pd.DataFrame({"a": [text]})) == f"a\n'{text}\n"


def test_every_row_has_as_many_cells_as_there_are_columns(found: Findings) -> None:
    made = tables.of(found)
    assert [table.name for table in made] == ["aggregates", "budgets", "tasks", "improvement"]
    for table in made:
        assert {len(row) for row in table.rows} == {len(table.columns)}
