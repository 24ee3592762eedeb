"""What the daemon writes into files, one module a program that reads them.

Each has `files(appliance, facts)`: the files as they shall be, and `OWNED`: the paths that nobody but
the daemon writes, which are removed when they are not wanted any more (* and ? in a name match as in a shell).
"""
