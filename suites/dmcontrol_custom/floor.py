"""How the floor of a dm_control model is made longer, for the tasks that run far.

It changes pictures only: MuJoCo's planes collide as if they were infinite.
"""

from __future__ import annotations

from dm_control.utils import xml_tools
from lxml import etree


def lengthen(xml: bytes, floor: str, *, half_length: float) -> bytes:
    """Return the model with another size of its floor along x; its centre and the rest stay.

    Args:
        xml: a MuJoCo model.
        floor: name of the geom.
        half_length: the new size, metres from the centre to either end.

    Raises:
        ValueError: the model has no geom of that name.
    """
    model = etree.XML(xml)
    geom = xml_tools.find_element(model, "geom", floor)
    _, *other_sizes = geom.get("size").split()
    geom.set("size", " ".join([str(half_length), *other_sizes]))
    changed: bytes = etree.tostring(model)
    return changed
