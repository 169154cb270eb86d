"""The report's page as text: names stay names, nothing is loaded, and everything is in it."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import math
import re
from html.parser import HTMLParser
from typing import Any

import made_up_page
import pytest

from tdmpc2_bench.reports import page
from tdmpc2_bench.reports.page import Cell, Column, LineCurve, Row, SeedCurve, Table

PAYLOADS = (
    "<script>alert(1)</script>",
    '"onmouseover="alert(1)',
    "' onmouseover='alert(1)",
    "</script><script>alert(1)</script>",
    "]]><!--",
    "</style>&lt;{{ 7 * 7 }}{% raw %}\u2028",
    "javascript:alert(1)//",
    "//example.org/",
)
CHOICES = {"colour", "svg", "kind", "tone", "metric"}  # fields that no user names
MADE_UP = made_up_page.page()
DASH = "\N{EN DASH}"


class Reader(HTMLParser):
    """Elements with their attributes, in order; by kind of element the text it begins with."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.inside = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.texts.setdefault(tag, []).append("")
        self.inside = True

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.texts[self.elements[-1][0]][-1] += data

    def values(self, name: str) -> list[str]:
        return [value for _, found in self.elements if (value := found.get(name)) is not None]


def renamed(value: Any, payload: str) -> Any:
    """The same with a payload before every name and every text."""
    if isinstance(value, str):
        return payload + value if value else value
    if isinstance(value, tuple):
        return tuple(renamed(one, payload) for one in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [one.name for one in dataclasses.fields(value) if one.name not in CHOICES]
        parts = {name: renamed(getattr(value, name), payload) for name in fields}
        return dataclasses.replace(value, **parts)
    return value


@pytest.fixture(scope="module")
def text() -> str:
    return page.render(MADE_UP)


@pytest.fixture(scope="module")
def reader(text: str) -> Reader:
    return Reader(text)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_name_adds_no_element_and_no_attribute(payload: str, reader: Reader) -> None:
    found = Reader(page.render(renamed(MADE_UP, payload)))
    assert [(tag, [*attributes]) for tag, attributes in found.elements] == [
        (tag, [*attributes]) for tag, attributes in reader.elements
    ]
    assert f"{payload}{MADE_UP.title}" in found.texts["h1"][0]
    assert f"{payload}walker-1" in found.values("data-task")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_link_leads_to_the_files_beside_the_page(payload: str) -> None:
    found = Reader(page.render(renamed(MADE_UP, payload)))
    links = [found["href"] for tag, found in found.elements if tag == "a"]
    assert all(re.match(r"(?:#|\./[^:]*$)", link or "") for link in links)
    assert sum(str(link).startswith("./") for link in links) == 2


@pytest.mark.parametrize("payload", PAYLOADS)
def test_the_curves_arrive_under_their_names(payload: str) -> None:
    found = page.render(renamed(MADE_UP, payload))
    data = re.search(r'<script type="application/json"[^>]*>([^<>&\u2028]*)</script>', found)
    assert data is not None
    curves = json.loads(data[1])
    assert curves["lines"] == [f"{payload}{label}" for label in made_up_page.LABELS]
    assert curves["tasks"][0]["unit"] == f"{payload}episode return"


def test_nothing_is_loaded(text: str, reader: Reader) -> None:
    assert not reader.values("src") and not reader.values("srcset")
    linked = [found.get("href") for tag, found in reader.elements if tag == "link"]
    assert linked == ["data:,"]
    assert not {"iframe", "object", "embed", "img", "base"} & {tag for tag, _ in reader.elements}
    assert not re.search(r"@import|url\((?!#)|fetch\(|XMLHttpRequest|import\(", text)
    assert set(re.findall(r"\bhttps?://[^\s\"'<]+", text)) <= {"http://www.w3.org/2000/svg"}


def test_only_the_pages_own_script_may_run(reader: Reader) -> None:
    policy = next(
        found["content"]
        for tag, found in reader.elements
        if tag == "meta" and found.get("http-equiv") == "Content-Security-Policy"
    )
    kinds = [found["type"] for tag, found in reader.elements if tag == "script"]
    assert kinds == ["application/json", "module"]
    digest = hashlib.sha256(reader.texts["script"][1].encode()).digest()
    assert f"script-src 'sha256-{base64.b64encode(digest).decode()}';" in str(policy)
    assert str(policy).startswith("default-src 'none';")
    assert not [name for _, found in reader.elements for name in found if name.startswith("on")]


def test_every_id_is_there_once_and_every_reference_leads_to_one(reader: Reader) -> None:
    ids = reader.values("id")
    assert len(ids) == len(set(ids)) > 10
    inner = [link[1:] for link in reader.values("href") if link.startswith("#")]
    assert set(inner) | set(reader.values("aria-labelledby")) <= set(ids)


def test_every_row_of_every_table_is_there(reader: Reader) -> None:
    rows = [found for tag, found in reader.elements if tag == "tr" and "data-task" in found]
    assert len(rows) == len(MADE_UP.rows) + len(MADE_UP.lines)
    finals = [row for row in rows if row["data-task"]]
    assert [row["data-task"] for row in finals] == [r.task for r in MADE_UP.rows if r.task]
    assert {row["data-lines"] for row in finals} == {"0 ", "1 ", "2 "}
    keys = [key for row in MADE_UP.rows for key in (cell.key for cell in row.cells)]
    assert reader.values("data-value") == keys


def test_warnings_come_before_all_results(text: str) -> None:
    warned = text.index("walker-1: sac has 2 seeds of 3")
    assert text.index("<h1>") < warned < text.index("Aggregate scores")
    assert "1 warning<" in text
    calm = page.render(dataclasses.replace(MADE_UP, warnings=()))
    assert "warnings" not in Reader(calm).values("id")


def test_a_verdict_is_worded_and_coloured(text: str) -> None:
    for word, tone in (("match", "good"), ("worse", "bad"), ("inconclusive", "open")):
        assert f'<span class="chip {tone}">{word}</span>' in text


def test_a_page_without_results_is_one_too() -> None:
    found = Reader(page.render(page.Page("Nothing", "report runs/x", ())))
    assert not [tag for tag, _ in found.elements if tag in {"table", "article", "figure"}]
    assert found.values("href") == ["data:,", "#content"]


@pytest.mark.parametrize(
    ("cell", "key", "shown"),
    [
        (Cell(0.123456), "0.123456", "0.1235"),
        (Cell(3), "3", "3"),
        (Cell(0.5, "50 %"), "0.5", "50 %"),
        (Cell("walker"), "walker", "walker"),
        (Cell(None), "", DASH),
        (Cell(math.nan), "", DASH),
        (Cell(None, "no published point"), "", "no published point"),
        (Cell(math.inf), "Infinity", "inf"),
        (Cell(-math.inf), "-Infinity", "-inf"),
    ],
)
def test_a_cell_is_sorted_by_its_value_and_shown_as_its_text(
    cell: Cell, key: str, shown: str
) -> None:
    assert (cell.key, cell.shown) == (key, shown)


def test_a_curves_numbers_are_short_and_what_is_missing_is_null() -> None:
    seeds = (
        SeedCurve(1, [0, 10], [0.1, 1 / 3]),
        SeedCurve(2, [0, 20], [math.nan, math.inf]),
    )
    curve = LineCurve("a", [0, 10], [math.nan, 2 / 3], [0, 0], [1, 1], seeds)
    task = page.TaskCurves("walker", "dmcontrol", "return", "episode return", (curve,), "none")
    assert page._as_json(task, {"a": 4})["lines"] == [
        {
            "line": 4,
            "steps": [0, 10],
            "mean": [None, 0.666667],
            "low": [0.0, 0.0],
            "high": [1.0, 1.0],
            "seeds": [
                {"seed": 1, "steps": None, "values": [0.1, 0.333333]},
                {"seed": 2, "steps": [0, 20], "values": [None, None]},
            ],
        }
    ]


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ValueError, match="table 't': expected 1 cells"):
        Table("t", "T", (Column("a"),), (Row((Cell(1), Cell(2))),))
    with pytest.raises(ValueError, match="curve of 'a': 1 steps, 2 values"):
        LineCurve("a", [0], [1, 2], [1], [1])
    with pytest.raises(ValueError, match="seed 1 of 'a'"):
        LineCurve("a", [0], [1], [1], [1], (SeedCurve(1, [0, 1], [1]),))
    with pytest.raises(ValueError, match=r"line 'sac': expected a colour.*got 'red;x:url\(a\)'"):
        made_up_page.line_info("sac", "red;x:url(a)")
    line = made_up_page.line_info("sac", "#000000")
    with pytest.raises(ValueError, match="labels of their own"):
        page.Page("", "", (), lines=(line, line))
    table = Table("t", "T", (Column("a", line="ppo"),), ())
    with pytest.raises(ValueError, match=r"labels of lines \(sac\), got \['ppo'\]"):
        page.Page("", "", (), lines=(line,), tables=(table,))
