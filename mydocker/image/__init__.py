"""Images: the store and everything in it. Knows no containers and no Dockerfiles; importing this does nothing."""
