"""Uniformly random actions: the floor that every learner must leave."""
