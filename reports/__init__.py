"""Figures and tables: code that draws, one file per figure."""

# Modules of this package, in the order in which they are shown; `figures` says what is in one.
FIGURES = (
    "aggregate",
    "summary",
    "profiles",
    "improvement",
    "efficiency",
    "planning",
    "compute",
    "seeds",
    "grid",
    "curves",
)
TABLES = "tables"
PARTS = (*FIGURES, TABLES)  # of a report, each of which can be asked for
