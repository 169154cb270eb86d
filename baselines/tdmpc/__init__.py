"""TD-MPC (Hansen et al., arXiv 2203.04955), the version before TD-MPC2."""
