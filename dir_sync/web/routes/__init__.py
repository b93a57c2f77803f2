"""What the web pages ask for, one module for each group of pages. Each has ROUTES, which `web.app` puts together.

overview    pause, resume
metrics     the page for Prometheus
"""
