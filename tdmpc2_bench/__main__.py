"""``python -m tdmpc2_bench`` is ``tdmpc2-bench``."""

from tdmpc2_bench.cli import main

if __name__ == "__main__":
    main()
