"""Erasure: does leaving units out in the order of an explanation move the prediction?"""
