"""The repository's own doit tasks. They import mydocker; mydocker never imports them."""
