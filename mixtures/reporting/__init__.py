"""A posterior uncertainty report: one HTML file that needs nothing else."""

from mixtures.reporting.compose import Report, report

__all__ = ["Report", "report"]
