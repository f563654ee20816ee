"""What a report says in words, for every format: plain text without markup, one file a check.

Labels, paths and ids stand in it as they were given: a format escapes them in its own way.
"""
