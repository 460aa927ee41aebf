"""A trained model looked into: its layers, their weights, activations, gradients and features
(the tutorial's section 10.7).

Everything here works on a `Servable` and on any net: layers are found by their dotted names, hooks
do the watching, and are removed whatever happens.
"""
