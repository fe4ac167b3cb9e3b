"""Simulation-based calibration of every family, structure and sampler, through `mx.sample` itself.

The release run of `benchmarks.calibration` draws thousands of posteriors of three cases in one loop.
Here it is the other way round: many kinds of cases, each with fewer simulations.
"""
