"""TD-MPC2 (Hansen et al., arXiv 2310.16828)."""
