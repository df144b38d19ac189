"""Networks: bridges, addresses, names, and ports of the host that lead into containers.

* `networks`, `bridges`, `leases`, `joining`: what networks there are, and who is on them; pyroute2 lives in `netlink`
  alone.
* `resolver`, `answers`: names.
* `ports`, `publishing`, `portmap*`: what is forwarded, by which service; `forward_*`: how its workers move the bytes.
"""
