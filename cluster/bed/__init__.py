"""Several hosts on one machine, in namespaces: what `cluster/testbed` is made of."""
