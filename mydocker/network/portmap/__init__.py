"""The forwarding service of a store: which ports lead where (`mappings`), who may change it (`control`); its process.

`service` keeps ports and namespaces, `workers` hands them to the processes of `forwarding`, `starting` begins and mends
the service, `publishing` attaches a container's ports to its life, `ports` are the words of `-p`.
"""
