"""Filters over item fields: AIP-160 text in, a mask of items out (https://google.aip.dev/160).

``parse`` reads the grammar, ``compile_filter`` checks it against a schema, ``Predicate.mask`` evaluates it on columns.
"""
