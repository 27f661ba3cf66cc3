"""Verification: is an artifact equivalent to its checkpoint, within the limits?"""
