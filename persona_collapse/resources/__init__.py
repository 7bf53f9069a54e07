"""Resources that are fetched, not bundled: catalogue, download, extraction, conversion.

``external(name, catalogue, output, cache, mirror)`` of ``convert`` does it all for one resource.
"""
