"""Only the published results may bear their fingerprint."""

from __future__ import annotations

from pathlib import Path

import pytest

from tdmpc2_bench import imported, published
from tdmpc2_bench.importing import Refused, import_results

pytest.importorskip("pyarrow")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder with the records that ship, of one task for each agent but pixels."""
    folder = tmp_path / "results"
    seeds = published.seeds().drop_duplicates(["agent", "task", "seed", "env_step"])
    chosen = seeds[seeds["task"].isin(["dog-run", "mw-reach", "myo-reach"])]
    for (agent, task), rows in chosen.groupby(["agent", "task"]):
        heading = "reward" if rows["metric"].iloc[0] == "return" else "success"
        table = rows[["env_step", "value", "seed"]].set_axis(["step", heading, "seed"], axis=1)
        path = folder / str(agent) / f"{str(task).replace('myo-', 'myo-hand-')}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(path, index=False)
    return folder


def test_the_published_results_may(results: Path, tmp_path: Path) -> None:
    import_results(results, tmp_path / "out", fingerprint="published")
    table = imported.read(tmp_path / "out").table
    assert set(table["fingerprint"]) == {"published"}
    assert table["agent"].nunique() == 4 and table["task"].nunique() == 3


@pytest.mark.parametrize("change", ["value", "seed", "agent"])
def test_others_may_not(results: Path, tmp_path: Path, change: str) -> None:
    path = results / "sac" / "dog-run.csv"
    lines = path.read_text().splitlines()
    if change == "value":
        step, value, seed = lines[-1].split(",")
        lines[-1] = f"{step},{float(value) + 0.5},{seed}"
    elif change == "seed":
        lines.append("0,1.0,4")
    else:
        (results / "sac").rename(results / "ppo")
        path = results / "ppo" / "dog-run.csv"
    path.write_text("\n".join(lines))
    with pytest.raises(Refused) as caught:
        import_results(results, tmp_path / "out", fingerprint="published")
    assert {one.kind for one in caught.value.findings if one.severity == "error"} == {
        "not the published figures"
    }
    assert not (tmp_path / "out").exists()
    import_results(results, tmp_path / "out")  # under a fingerprint of their own
