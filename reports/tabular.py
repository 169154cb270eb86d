"""A table as text: Markdown, LaTeX and CSV, with nothing in a name that could act as markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from tdmpc2_bench import spreadsheet

MISSING = "-"
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "[": "{[}", "]": "{]}",
}  # fmt: skip
_MARKDOWN = {
    **{sign: f"\\{sign}" for sign in "\\`*_[]|#~$"},
    "<": "&lt;",
    ">": "&gt;",
    "&": "&amp;",
}


@dataclass(frozen=True)
class Table:
    """Rows of text under headings, and the numbers they were made of."""

    name: str  # of its files
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    data: pd.DataFrame = field(repr=False)

    def files(self) -> Mapping[str, bytes]:
        """The table in every format, by the ending of a file's name."""
        texts = {"md": markdown(self), "tex": latex(self), "csv": csv(self.data)}
        return {suffix: text.encode() for suffix, text in texts.items()}


def markdown(table: Table) -> str:
    """A table of GitHub's Markdown, with its caption below."""
    lines = [table.columns, ["---"] * len(table.columns)]
    head = [_joined(map(_markdown, table.columns)), _joined(lines[1])]
    body = [_joined(map(_markdown, row)) for row in table.rows]
    return "\n".join([*head, *body, "", _markdown(table.caption), ""])


def latex(table: Table) -> str:
    """A longtable with booktabs' rules, which breaks over pages; needs both packages."""
    width = len(table.columns)
    head = " & ".join(map(_latex, table.columns)) + r" \\"
    return "\n".join(
        [
            r"% \usepackage{booktabs,longtable}",
            rf"\begin{{longtable}}{{l{'r' * (width - 1)}}}",
            rf"\caption{{{_latex(table.caption)}}}\label{{tab:{table.name}}}\\",
            r"\toprule",
            head,
            r"\midrule",
            r"\endhead",
            *(" & ".join(map(_latex, row)) + r" \\" for row in table.rows),
            r"\bottomrule",
            r"\end{longtable}",
            "",
        ]
    )


def csv(data: pd.DataFrame) -> str:
    """All numbers in full; texts cannot be taken for formulas, and what is not known is empty."""
    texts = data.select_dtypes("object").columns
    safe = {name: data[name].map(_plain) for name in texts}
    return data.assign(**safe).to_csv(index=False, lineterminator="\n")


def _plain(value: object) -> object:
    return spreadsheet.cell(value) if isinstance(value, str) else value


def _joined(cells: Sequence[str] | map[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown(text: str) -> str:
    return "".join(_MARKDOWN.get(sign, sign) for sign in " ".join(text.split()))


def _latex(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in " ".join(text.split()))
