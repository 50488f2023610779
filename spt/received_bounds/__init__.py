"""Bounds for a receiver who has only the attacked image: over every original and every attack that explain it."""

from spt.received_bounds.bounds import METHODS, Method, ReceivedBound, error_hull, received_balls, received_bound

__all__ = ["METHODS", "Method", "ReceivedBound", "error_hull", "received_balls", "received_bound"]
