"""Run TD-MPC2 and its baselines on 104 continuous-control tasks, with honest curves."""
