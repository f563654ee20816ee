"""Correlation: does attention rank the units as accepted importance measures do?"""
