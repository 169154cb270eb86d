"""Figures as parts of a page: nothing but shapes, and ids of their own."""

from __future__ import annotations

import io
import re

import pytest

from tdmpc2_bench.reports import inline_svg

mpl = pytest.importorskip("matplotlib")
NAME = "<script>alert(1)</script>"
FILE = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{}</svg>'


def drawn(fonttype: str = "path") -> str:
    """A figure with every kind of part that ours have, and a name that does not mean well."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3, 2))
    axes = figure.add_subplot(title=NAME)
    axes.plot([0, 1], [0, 1], marker="o", label=NAME)
    axes.fill_between([0, 1], [0, 1], [1, 2], hatch="//")
    axes.imshow([[0, 1], [2, 3]])
    axes.legend()
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": fonttype}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def inline(content: str, prefix: str = "p") -> str:
    return inline_svg.inline(FILE.format(content), prefix=prefix, label="a figure")


def ids(text: str) -> list[str]:
    return re.findall(r'\sid="([^"]+)"', text)


def test_two_figures_share_no_id_and_every_reference_leads_to_one() -> None:
    one, two = (inline_svg.inline(drawn(), prefix=name, label="") for name in ("a", "b"))
    assert len(ids(one)) > 20 and not set(ids(one)) & set(ids(two))
    for text in (one, two):
        referred = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text)
        assert referred and {a or b for a, b in referred} <= set(ids(text))


@pytest.mark.parametrize("fonttype", ["path", "none"])
def test_a_label_of_matplotlib_stays_text(fonttype: str) -> None:
    figure = drawn(fonttype)
    assert fonttype == "path" or "&lt;script&gt;" in figure
    text = inline_svg.inline(figure, prefix="a", label=NAME)
    assert "<script" not in text
    assert 'aria-label="&lt;script&gt;' in text


def test_matplotlibs_shapes_are_kept_and_its_style_sheet_is_not() -> None:
    figure = drawn()
    text = inline_svg.inline(figure, prefix="a", label="")
    for shape in ("path", "use", "clipPath", "pattern", "image"):
        assert figure.count(f"<{shape} ") == text.count(f"<{shape} ") > 0
    assert "<style" in figure and "<style" not in text
    assert "<metadata" in figure and "<metadata" not in text


@pytest.mark.parametrize(
    "content",
    [
        "<script>alert(1)</script>",
        "<style>*{color:red}</style>",
        "<foreignObject><p>hello</p></foreignObject>",
        "<title><path/></title>",
        '<a href="javascript:alert(1)"><path/></a>',
        '<animate attributeName="href" to="javascript:alert(1)"/>',
        '<p xmlns="http://www.w3.org/1999/xhtml">hello</p>',
        "<!-- a comment --><?php hello ?>",
    ],
)
def test_what_is_no_shape_is_left_out(content: str) -> None:
    assert inline(content) == inline("")


@pytest.mark.parametrize(
    "attribute",
    [
        'onload="alert(1)"',
        'ONCLICK="alert(1)"',
        'href="https://example.org/a.svg"',
        'xlink:href="javascript:alert(1)"',
        'href="data:image/svg+xml;base64,AAAA"',
        'fill="url(https://example.org/a.svg)"',
        'style="fill: URL( //example.org )"',
        'style="fill: u\\72l(//example.org)"',
        'style="fill: url(#a); stroke: url(//example.org)"',
        'xml:base="https://example.org/"',
    ],
)
def test_an_attribute_that_runs_or_loads_is_left_out(attribute: str) -> None:
    assert inline(f"<path {attribute} />") == inline("<path />")


def test_references_within_a_figure_get_its_prefix() -> None:
    text = inline("""<g id="a"/><use xlink:href="#a"/><path clip-path="url( '#a' )"/>""")
    assert '<g id="p-a" /><use href="#p-a" /><path clip-path="url(#p-a)" />' in text


def test_text_is_escaped_again() -> None:
    assert "<text>&lt;b&gt; &amp; c</text>" in inline("<text>&lt;b> &amp; c</text>")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<html/>", "begins with html"),
        ("<svg/>", "begins with svg"),
        ("no figure", "syntax error"),
        (f'<!DOCTYPE svg [<!ENTITY a "aaaa">]>{FILE}', "declares entities"),
    ],
)
def test_what_is_no_figure_is_refused_by_its_name(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"'profiles' is no SVG.*{why}"):
        inline_svg.inline(text, prefix="a", label="profiles")
