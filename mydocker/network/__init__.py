"""Networks: bridges, addresses, names, forwarded ports. pyroute2 lives in this room alone.

The room is empty as yet: containers have the host's network, another container's, or none.
"""
