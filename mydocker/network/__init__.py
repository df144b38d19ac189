"""Networks: bridges, addresses, names, and ports of the host that lead into containers.

* `networks`, `bridges`, `leases`, `joining`: what networks there are, and who is on them; pyroute2 lives in `netlink`
  alone.
* `resolver`, `answers`: names.
* `portmap/`: what is forwarded, by which service; `forwarding/`: how its workers move the bytes.
"""
