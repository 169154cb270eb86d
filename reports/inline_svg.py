"""How does a figure get into a page: as shapes alone, under ids that no other figure has.

matplotlib's files name their parts alike in every figure, and style whatever stands around them.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

# All that matplotlib draws with; what is not named here (script, style, a, foreignObject, title,
# animations, metadata) is left out with all that it holds.
_SHAPES = {
    *("svg", "g", "defs", "symbol", "use", "clipPath", "mask", "pattern", "marker"),
    *("path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "image"),
    *("text", "tspan", "linearGradient", "radialGradient", "stop"),
    *("filter", "feColorMatrix", "feComposite", "feFlood"),
}
_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_REFERENCE = re.compile(r"""url\(\s*["']?#([^"')]+)["']?\s*\)""")
_PICTURE = re.compile(r"data:image/(?:png|jpeg);base64,[A-Za-z0-9+/=\s]*")


def inline(svg: str, *, prefix: str, label: str) -> str:
    """An SVG file's shapes as an element of an HTML page.

    Args:
        svg: the file's text.
        prefix: put before every id, so that figures of one page cannot share one.
        label: what those are told who do not see it.

    Raises:
        ValueError: it is no SVG.
    """
    root = _parsed(svg, label)
    for element in list(root.iter()):
        for child in list(element):
            if not _is_shape(child):
                element.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        kept = (_attribute(name, value, prefix) for name, value in element.attrib.items())
        element.attrib = dict(filter(None, kept))
    root.attrib |= {"role": "img", "aria-label": label}
    return ET.tostring(root, encoding="unicode")


def _parsed(svg: str, label: str) -> ET.Element:
    try:
        if "<!ENTITY" in svg:
            msg = "it declares entities"
            raise ValueError(msg)
        root = ET.fromstring(svg)  # noqa: S314 - nothing but entities makes a small file large
        if root.tag != f"{_SVG}svg":
            msg = f"it begins with {root.tag}"
            raise ValueError(msg)
    except (ET.ParseError, ValueError) as error:
        msg = f"figure {label!r} is no SVG that can stand in a page: {error}"
        raise ValueError(msg) from error
    return root


def _is_shape(element: ET.Element) -> bool:
    return element.tag.startswith(_SVG) and element.tag.removeprefix(_SVG) in _SHAPES


def _attribute(name: str, value: str, prefix: str) -> tuple[str, str] | None:
    """An attribute as it stands in the page; None where it could run or load something."""
    if name in {_LINK, "href"}:
        if value.startswith("#"):
            return "href", f"#{prefix}-{value[1:]}"
        return ("href", value) if _PICTURE.fullmatch(value) else None
    if name.startswith("{") or name.lower().startswith("on"):
        return None
    if name == "id":
        return "id", f"{prefix}-{value}"
    value = _REFERENCE.sub(rf"url(#{prefix}-\1)", value)
    loads = value.lower().replace(f"url(#{prefix.lower()}-", "")
    return None if "url(" in loads or "\\" in loads else (name, value)
