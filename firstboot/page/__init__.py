"""The status page: what is shown to the inside over HTTP, made of the status whenever that is another.

All but `teller` and `watcher` is pure. What is in `content` is all that the page, its JSON and the metrics have.
"""
