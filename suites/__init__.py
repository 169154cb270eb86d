"""Which tasks the benchmark has and how each becomes an environment, one module per simulator."""
