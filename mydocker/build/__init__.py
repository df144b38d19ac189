"""Dockerfiles become a graph of cached layer tasks that doit runs; nobody here knows the command line."""
