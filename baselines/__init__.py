"""The learners, each a folder: ``config.py`` (settings and presets) and ``agent.py`` (`build`)."""
