"""Hill climbing over linear policies: one changed policy per episode, the better one stays."""
