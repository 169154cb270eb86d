"""What a package of your own may add to tdmpc2-bench."""
