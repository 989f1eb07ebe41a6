"""The Hub's files: how they come over the wire, and which of them are kept on this disk.

A worker's requests pass one gate and a bounded number of connections; what comes is checked piece by piece.
"""
