"""How fast entries are: measurements that are run by hand with `make speed`."""
