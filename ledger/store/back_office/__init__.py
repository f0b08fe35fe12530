"""The schema `back_office`: breaks, their lives, runs."""
