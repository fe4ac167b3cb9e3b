"""Data: tables, files, chunks and Dask collections, read into checked numbers."""
