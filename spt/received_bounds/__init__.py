"""Bounds for who has only the received image: over every original and every attack that explain it."""

from spt.received_bounds.bounds import METHODS, Method, ReceivedBound, error_hull, received_balls, received_bound

__all__ = ["METHODS", "Method", "ReceivedBound", "error_hull", "received_balls", "received_bound"]
