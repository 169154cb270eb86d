"""A preset for an agent that tdmpc2-bench has."""

from tdmpc2_bench.baselines.tdmpc2.config import TDMPC2Config

SMALL = TDMPC2Config(size=1, num_samples=128, num_elites=16, num_pi_trajs=8, iterations=4)
