"""The web page: what a browser shows of a service. Talks to it by `torchkiln`'s client alone."""
