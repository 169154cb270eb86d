"""Environments that are stepped by a process of another interpreter, an env worker.

`remote` makes them, `process` is the worker as its user sees it, ``__main__`` and `serve` are what
runs there, `frames` is what they say to each other, and `source` makes sure that both run the same
code. Nothing that crosses the boundary is ever unpickled.
"""
