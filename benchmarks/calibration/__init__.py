"""Simulation-based calibration: are the posteriors that `mx.sample` draws the right ones?

Draw parameters from the prior, rows from the parameters, a posterior from the
rows. The truth and the draws then come from one distribution, so the truth's
rank among independent draws is uniform, in whatever quantity one compares them
(Talts et al. 2018, arXiv:1804.06788).
"""
