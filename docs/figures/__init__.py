"""Figures of the documents, each made by a script of this folder."""
