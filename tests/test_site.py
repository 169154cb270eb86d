"""The documentation as a site: it builds without a warning and loads nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import PAGES, ROOT

pytest.importorskip("mkdocs", reason="tox run -e docs has it")

# What a browser fetches by itself; following a link is the reader's doing.
LOADED = re.compile(r"<(?:script|img|iframe|source)[^>]*\ssrc=\"?([^\s\">]+)")
LINKED = re.compile(r"<link[^>]*\shref=\"?([^\s\">]+)")
STYLED = re.compile(r"(?:url\(|@import\s+)[\"']?([^\"')\s]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-P", "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_built_and_nothing_else_of_the_folder(site: Path) -> None:
    expected = {
        page.removeprefix("docs/").removesuffix("md") + "html"
        for page in PAGES
        if page.startswith("docs/")
    }
    built = {str(path.relative_to(site)) for path in site.rglob("*.html")}
    assert built == expected | {"404.html"}
    assert not (site / "hooks").exists()


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    loaded = []
    for path in site.rglob("*.html"):
        text = path.read_text()
        loaded += [*LOADED.findall(text), *LINKED.findall(text)]
        assert 'class="mermaid"' not in text  # the theme fetches what draws these
    assert len(loaded) > len(PAGES)
    for path in site.rglob("*.css"):
        loaded += STYLED.findall(path.read_text())
    assert not [target for target in loaded if re.match(r"(?:https?:)?//", target)]


def test_the_reference_lists_the_options_of_run(site: Path) -> None:
    text = (site / "cli.html").read_text()
    assert 'id="run"' in text and 'id="ls-tasks"' in text
    assert "<code>--eval-every COUNT</code>" in text
