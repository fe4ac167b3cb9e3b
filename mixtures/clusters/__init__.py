"""Clusters of rows and of draws: labels, responsibilities, partitions, predictions."""
