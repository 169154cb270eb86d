"""Over which tasks numbers are taken together."""

from tdmpc2_bench import groups, registry


def named(names: list[str]) -> dict[str, tuple[str, ...]]:
    return {group.name: group.tasks for group in groups.of(names)}


def test_the_104_tasks_make_the_published_groups() -> None:
    found = named([row.name for row in registry.tasks()])
    sizes = {name: len(tasks) for name, tasks in found.items()}
    assert sizes == {
        "dmcontrol": 39, "dmcontrol-other": 32, "dmcontrol-locomotion": 7, "dmcontrol-custom": 11,
        "metaworld": 50, "maniskill2": 5, "myosuite": 10, "all": 104,
    }  # fmt: skip


def test_all_leaves_out_what_is_no_part_of_the_benchmark() -> None:
    found = named(["toy-point", "walker-walk", "lift-cube", "gym:Hopper-v5"])
    assert found["all"] == ("walker-walk", "lift-cube")
    assert found["toy"] == ("toy-point",) and found["gym"] == ("gym:Hopper-v5",)


def test_one_suite_alone_is_not_called_all_and_an_unknown_task_is_not_lost() -> None:
    found = named(["walker-walk", "somewhere-else"])
    assert "all" not in found and found["other"] == ("somewhere-else",)


def test_a_part_that_is_all_there_is_of_its_suite_is_not_shown_twice() -> None:
    assert list(named(["walker-walk", "mw-reach"])) == ["dmcontrol", "metaworld", "all"]
    assert "dmcontrol-other" in named(["walker-walk", "dog-run"])
