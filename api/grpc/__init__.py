"""`inference.GRPCInferenceService`, the Open Inference Protocol on a port of its own.

It shares engine, keys and counters with HTTP, and only translates. `methods` is the table of what
is answered, and for which scope; `guard` does for each call what the middleware does for HTTP;
`requests`, `contents` and `responses` are tensors in and out. Importing any of it takes some 15 MB,
so a process does that only where it is given a port.
"""
