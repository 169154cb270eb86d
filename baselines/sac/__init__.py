"""SAC (Haarnoja et al., arXiv 1812.05905), by stable-baselines3."""
