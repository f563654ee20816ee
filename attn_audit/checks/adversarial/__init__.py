"""Adversarial attention: how different could attention look without changing the prediction?"""
